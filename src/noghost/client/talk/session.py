"""What is said and heard: the events of a conversation, both ways, and what of it becomes turns. No terminal.

A question becomes a turn with what was heard of its answer, when that has been played, was cut, or broke off.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Protocol

from noghost.client.chat.keeper import Keeper
from noghost.client.talk.devices import RATE, SAMPLE_BYTES
from noghost.client.talk.exchange import Exchange
from noghost.client.talk.items import items_of, said
from noghost.client.talk.pace import Pace
from noghost.client.talk.settings import CAPTIONS, SILENCE_S, Settings
from noghost.client.talk.speaker import Speaker
from noghost.client.talk.wire import Event
from noghost.client.transcript import Turn
from noghost.client.transcript.facts import stamp
from noghost.errors import ConfigError, HuntError, NoghostError

QUIET = {"response_cancel_not_active"}  # what was to be cancelled had ended by itself
FIRST, WANTED, ASK, CUT = "settings", "captions", "ask", "cut"  # names of events of ours that may be refused


class View(Protocol):
    """Where a person sees it (terminal.py)."""

    def settled(self, exchange: Exchange, told: str) -> None:
        """It is over, and kept; `told`: what is unusual about that."""

    def complain(self, error: NoghostError) -> None:
        """Something went wrong; the conversation goes on."""


class Session:
    """`keeper` has the turns, `say` is a wire's once there is one."""

    def __init__(self, keeper: Keeper, settings: Settings, speaker: Speaker, view: View) -> None:
        self.keeper, self.settings, self._speaker, self._view = keeper, settings, speaker, view
        self.model = ""
        self.exchanges: list[Exchange] = []  # that are not over, in their order
        self._say: Callable[..., None] = unheard
        self._sent_s, self._sent_at = 0.0, 0.0  # of sound, and when
        self._line: Turn | None = None  # about the gap, told to the service and not in a turn yet
        self._stood = len(keeper.turns)  # before this session
        self._handlers: dict[str, Callable[[Event], None]] = {
            "input_audio_buffer.speech_started": self._on_started,
            "input_audio_buffer.speech_stopped": self._on_stopped,
            "input_audio_buffer.committed": self._on_committed,
            "noghost.caption": self._on_caption,
            "conversation.item.input_audio_transcription.completed": self._on_heard,
            "response.created": self._on_created,
            "response.output_item.added": self._on_answer,
            "response.output_audio_transcript.delta": self._on_text,
            "response.output_audio.delta": self._on_sound,
            "response.done": self._on_done,
            "conversation.item.retrieved": self._on_retrieved,
            "error": self._on_error,
        }

    @property
    def last(self) -> Exchange | None:
        """What is spoken now."""
        return self.exchanges[-1] if self.exchanges else None

    def begin(self, say: Callable[..., None]) -> None:
        """With a new connection: its settings, and all turns so far."""
        self._say, self._sent_s, self._line = say, 0.0, None
        say("session.update", event_id=FIRST, session=self.settings.session())
        say("session.update", event_id=WANTED, session=CAPTIONS)
        for item in items_of(self.keeper.turns):
            say("conversation.item.create", item=item)

    # --- what the person does -------------------------------------------------------------------------------------

    def press(self) -> None:
        """Begins to speak, by a key."""
        self.interrupt()
        self._begin_exchange("")

    def hear(self, sound: bytes) -> None:
        """Of the person's."""
        self._say("input_audio_buffer.append", audio=b64encode(sound).decode())
        self._sent_s += len(sound) / (RATE * SAMPLE_BYTES)
        self._sent_at = time.monotonic()

    def release(self, released_s: float) -> None:
        """Has spoken, until then."""
        exchange = self.last
        if exchange is not None and exchange.is_asking:
            exchange.is_asking, exchange.latency.released_s = False, released_s
            self._say("input_audio_buffer.commit", event_id=ASK)

    def forget(self) -> None:
        """Was muted while speaking: nothing was said."""
        self._say("input_audio_buffer.clear")
        if self.last is not None and self.last.is_asking:
            self._line = self.exchanges.pop().told

    def interrupt(self) -> None:
        """Of what is being answered no more is to be heard."""
        exchange = self.last
        if exchange is None or exchange.is_asking or exchange.cut_s is not None:
            return
        exchange.cut_s = self._speaker.stop() if exchange.response else 0.0
        if exchange.response and not exchange.is_written:
            self._say("response.cancel", response_id=exchange.response)
        self._cut(exchange)

    # --- what the service says ------------------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """One event; those that nothing here is about are left alone."""
        if handler := self._handlers.get(str(event.get("type"))):
            handler(event)

    def _on_started(self, event: Event) -> None:
        self.interrupt()
        self._begin_exchange(event["item_id"])

    def _on_stopped(self, event: Event) -> None:
        if exchange := self._asked_as(event["item_id"]):
            exchange.is_asking = False
            ago_s = self._sent_s - (event["audio_end_ms"] / 1000 - SILENCE_S)
            exchange.latency.released_s = self._sent_at - ago_s

    def _on_committed(self, event: Event) -> None:
        if exchange := self._asked_as(event["item_id"]):
            exchange.item = event["item_id"]

    def _on_caption(self, event: Event) -> None:
        exchange = self.last
        if exchange is not None and (exchange.is_asking or exchange.item == event["item_id"]):
            exchange.firm, exchange.open = event["firm"], event["open"]

    def _on_heard(self, event: Event) -> None:
        exchange = self._asked_as(event["item_id"])
        if exchange is None:
            return
        exchange.asked, exchange.latency.text_s = event["transcript"].strip(), time.monotonic()
        if not exchange.asked or (exchange.cut_s is not None and not self.settings.is_hands_free):
            self._settle(exchange)
        elif not self.settings.is_hands_free:  # else the service answers by itself
            self._say("response.create", event_id=ASK)

    def _on_created(self, event: Event) -> None:
        waiting = [one for one in self.exchanges if one.asked and not one.response]
        for unanswered in waiting[:-1]:
            self._settle(unanswered)
        for exchange in waiting[-1:]:
            exchange.response, exchange.answered = event["response"]["id"], self.keeper.now()
            if exchange is self.last and exchange.cut_s is None:
                self._speaker.begin()
                return
            exchange.cut_s = 0.0
        self._say("response.cancel", response_id=event["response"]["id"])  # somebody speaks already

    def _on_answer(self, event: Event) -> None:
        if (exchange := self._answered_as(event["response_id"])) and event["item"].get("type") == "message":
            exchange.answer = event["item"]["id"]

    def _on_text(self, event: Event) -> None:
        if exchange := self._answered_as(event["response_id"]):
            exchange.latency.word_s = exchange.latency.word_s or time.monotonic()
            exchange.text += event["delta"]

    def _on_sound(self, event: Event) -> None:
        exchange = self._answered_as(event["response_id"])
        if exchange is not None and exchange.cut_s is None:
            self._speaker.play(b64decode(event["delta"]))

    def _on_done(self, event: Event) -> None:
        response = event["response"]
        exchange = self._answered_as(response["id"])
        if exchange is None:
            return
        exchange.is_written, exchange.is_short = True, response["status"] == "incomplete"
        if response["status"] == "failed":
            exchange.failure = str(response["status_details"]["error"].get("message"))
        if exchange.cut_s is not None:
            self._cut(exchange)

    def _on_retrieved(self, event: Event) -> None:
        for exchange in self.exchanges:
            if exchange.answer == event["item"]["id"]:
                exchange.spoken = said(event["item"])
                self._settle(exchange)
                return

    def _on_error(self, event: Event) -> None:
        error = event["error"]
        name = str(error.get("event_id") or "")
        if error.get("code") in QUIET or name == WANTED:
            return
        message = f"the service says: {error.get('message')}"
        if name == FIRST:
            raise ConfigError(message, "what it has is in its /v1/models, and in docs/voice.md")
        self._view.complain(HuntError(message))
        if name in (ASK, CUT):
            self._give_up([one for one in self.exchanges if not one.is_asking])

    # --- an answer, heard -----------------------------------------------------------------------------------------

    def look(self) -> None:
        """At what was played meanwhile: several times a second."""
        exchange = self.last
        if exchange is None or exchange.cut_s is not None or not exchange.response:
            return
        if not self._speaker.is_open:
            self.interrupt()
            return
        is_whole = exchange.is_written and not exchange.failure
        whole_s = self._speaker.given_s if is_whole else None
        exchange.spoken = exchange.pace.spoken(exchange.text, self._speaker.played_s, whole_s)
        exchange.latency.sound_s = self._speaker.first_s
        if exchange.is_written and self._speaker.is_drained:
            exchange.spoken = exchange.text.strip() if is_whole else exchange.spoken
            self._settle(exchange)

    def _cut(self, exchange: Exchange) -> None:
        """Once no more of it comes: have the service cut what was not heard, and tell what was."""
        if exchange.is_cutting or not exchange.is_written:
            return
        if not exchange.answer:
            self._settle(exchange)
            return
        exchange.is_cutting = True
        at_ms = int(1000 * (exchange.cut_s or 0.0))
        self._say("conversation.item.truncate", item_id=exchange.answer, content_index=0, audio_end_ms=at_ms)
        self._say("conversation.item.retrieve", event_id=CUT, item_id=exchange.answer)

    def break_off(self) -> None:
        """The connection is gone, or the person is: what was heard is kept as far as that is known here."""
        self._say = unheard
        self.interrupt()
        self._give_up(list(self.exchanges))

    def _give_up(self, exchanges: list[Exchange]) -> None:
        for exchange in exchanges:
            self._settle(exchange)

    def _settle(self, exchange: Exchange) -> None:
        """It is over."""
        self.exchanges.remove(exchange)
        found = exchange.turns(self.keeper.now(), self.model)
        self.keeper.turns.extend(found)
        if exchange.told and not found:
            self._line = exchange.told  # it stands at the service, before what comes next
        self._view.settled(exchange, self.keeper.append(self.model) if found else "")

    # --- which one ------------------------------------------------------------------------------------------------

    def _begin_exchange(self, item: str) -> None:
        told, self._line = self._line or self._tell_gap(), None
        self.exchanges.append(Exchange(self.keeper.now(), Pace(self.settings.speed), told, item))

    def _tell_gap(self) -> Turn | None:
        """To the instance, before what is said now."""
        line = self.keeper.line_of_gap()
        is_told = self.keeper.is_resumed() and len(self.keeper.turns) > self._stood
        if not line or is_told or self.exchanges:
            return None
        turn = Turn("system", line, {"began": stamp(self.keeper.now())})
        for item in items_of([turn]):
            self._say("conversation.item.create", item=item)
        return turn

    def _asked_as(self, name: str) -> Exchange | None:
        """The exchange whose question has that name, or the first that has none yet."""
        named = [one for one in self.exchanges if one.item == name]
        return next(iter(named or [one for one in self.exchanges if not one.item]), None)

    def _answered_as(self, name: str) -> Exchange | None:
        return next((one for one in self.exchanges if one.response == name), None)


def unheard(_kind: str, **_fields: Any) -> None:
    """While there is no connection."""
