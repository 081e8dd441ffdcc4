"""One conversation: what the caller's events do, one after the other. In an instance, from its connection to its end.

This process computes nothing: it holds what was said, and has ears, minds and mouths brought.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from noghost.api.errors import validated
from noghost.api.here import Here
from noghost.api.realtime import schema
from noghost.api.realtime.children import Children
from noghost.api.realtime.items import Conversation, Entry, fresh_message, item_of
from noghost.api.realtime.listening import Listening, Turn
from noghost.api.realtime.response import Response
from noghost.api.realtime.settings import attention_of, first_session, shown, updated
from noghost.api.realtime.wire import Wire, fresh_id
from noghost.errors import NoghostError, RequestError
from noghost.speech.captions import Caption

Handler = Callable[[Any], Awaitable[None]]


class Talk:
    """`run` until the caller leaves."""

    def __init__(self, now: Here, wire: Wire, children: Children, model: str) -> None:
        self._now, self._wire, self._children = now, wire, children
        self._speakers = now.speakers
        self._session = first_session(fresh_id("sess"), model, now.speakers[0], now.limits.session_s)
        self._conversation = Conversation()
        self._listening = Listening(children, lambda: attention_of(self._session), lambda: fresh_id("item"), self)
        self._response: Response | None = None
        self._answering: asyncio.Task[None] | None = None
        self._hearing: set[asyncio.Task[str]] = set()  # turns whose text is not known yet
        self._handlers: dict[str, tuple[type[schema.ClientEvent], Handler]] = {
            "session.update": (schema.Update, self._update),
            "input_audio_buffer.append": (schema.Append, self._append),
            "input_audio_buffer.commit": (schema.ClientEvent, self._commit),
            "input_audio_buffer.clear": (schema.ClientEvent, self._clear),
            "conversation.item.create": (schema.CreateItem, self._create_item),
            "conversation.item.retrieve": (schema.NamesItem, self._retrieve),
            "conversation.item.delete": (schema.NamesItem, self._delete),
            "conversation.item.truncate": (schema.Truncate, self._truncate),
            "response.create": (schema.Create, self._create_response),
            "response.cancel": (schema.Cancel, self._cancel),
        }

    async def run(self) -> None:
        """Raises WebSocketDisconnect when the caller has left; returns when its time is over."""
        limit_s = self._now.limits.session_s
        try:
            async with asyncio.timeout(limit_s):
                await self._wire.say("session.created", session=shown(self._session))
                while True:
                    await self._handle(await self._wire.hear())
        except TimeoutError:
            self._now.tally.expired = True
            over = f"this conversation has lasted for {limit_s} s, this service's limit; begin another"
            await self._wire.complain(RequestError(over, code="session_expired"))
            await self._wire.close()

    async def _handle(self, text: str | None) -> None:
        name: str | None = None
        try:
            event = event_of(text)
            name = event["event_id"] if isinstance(event.get("event_id"), str) else None
            kind, handler = self._handler(event)
            await handler(validated(kind, event))
        except NoghostError as error:
            await self._wire.complain(error, name)

    def _handler(self, event: dict[str, Any]) -> tuple[type[schema.ClientEvent], Handler]:
        kind = event.get("type")
        if not isinstance(kind, str) or kind not in self._handlers:
            known = ", ".join(self._handlers)
            raise RequestError(f"the type of this event is none of {known}", code="invalid_event", param="type")
        return self._handlers[kind]

    # --- the caller's events ------------------------------------------------------------------------------

    async def _update(self, event: schema.Update) -> None:
        self._session = updated(self._session, event.session, self._speakers)
        await self._wire.say("session.updated", session=shown(self._session))
        if self._session.audio.input.turn_detection is not None:
            await self._listening.begin()

    async def _append(self, event: schema.Append) -> None:
        await self._listening.append(event.audio)

    async def _commit(self, _event: schema.ClientEvent) -> None:
        await self._take(await self._listening.commit(), responds=False)

    async def _clear(self, _event: schema.ClientEvent) -> None:
        await self._listening.clear()
        await self._wire.say("input_audio_buffer.cleared")

    async def _create_item(self, event: schema.CreateItem) -> None:
        if event.item.type == "item_reference":
            raise RequestError("an item_reference is for the input of a response", param="item.type")
        item = item_of(event.item)
        for part in item.get("content", ()):
            if sound := part.pop("audio", None):
                attention = replace(attention_of(self._session), waits=False, captions=False)
                part["transcript"] = await self._listening.hear(sound, attention)
        before = self._conversation.add(item, event.previous_item_id)
        await self._tell_item(item, before)

    async def _retrieve(self, event: schema.NamesItem) -> None:
        await self._wire.say("conversation.item.retrieved", item=self._conversation.find(event.item_id))

    async def _delete(self, event: schema.NamesItem) -> None:
        self._conversation.delete(event.item_id)
        await self._wire.say("conversation.item.deleted", item_id=event.item_id)

    async def _truncate(self, event: schema.Truncate) -> None:
        self._conversation.truncate(event)
        told = event.model_dump(include={"item_id", "content_index", "audio_end_ms"})
        await self._wire.say("conversation.item.truncated", **told)

    async def _create_response(self, event: schema.Create) -> None:
        options = event.response or schema.ResponseOptions()
        self._respond(options)

    async def _cancel(self, event: schema.Cancel) -> None:
        if self._response is None or event.response_id not in (None, self._response.id):
            raise RequestError("there is no such response under way", code="response_cancel_not_active")
        await self._interrupt("client_cancelled")

    # --- answers ------------------------------------------------------------------------------------------

    def _respond(self, options: schema.ResponseOptions) -> None:
        if self._response is not None:
            message = "a response is under way; cancel it, or wait for its end"
            raise RequestError(message, code="conversation_already_has_active_response")
        self._response = Response(
            self._wire, self._conversation, self._children, self._session, options, self._speakers
        )
        self._answering = asyncio.create_task(self._response.run(self._all_heard))
        self._answering.add_done_callback(self._on_answered)

    def _on_answered(self, _task: asyncio.Task[None]) -> None:
        self._response = None

    async def _all_heard(self) -> None:
        if self._hearing:
            await asyncio.wait(self._hearing)

    async def _interrupt(self, reason: str) -> None:
        """At once: the mind and the mouth end before anything else is done."""
        if self._response is not None and self._answering is not None:
            self._response.cancelled_by = reason
            self._answering.cancel()
            await asyncio.wait([self._answering])

    # --- what the ear says --------------------------------------------------------------------------------

    async def on_started(self, turn: Turn, at_s: float) -> None:
        """Somebody speaks."""
        at_ms = round(at_s * 1000)
        await self._wire.say("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=turn.item_id)
        detection = self._session.audio.input.turn_detection
        if detection is not None and detection.interrupt_response:
            await self._interrupt("turn_detected")

    async def on_caption(self, turn: Turn, caption: Caption) -> None:
        """More of it is understood, or otherwise."""
        await self._wire.say("noghost.caption", item_id=turn.item_id, firm=caption.firm, open=caption.open)

    async def on_stopped(self, turn: Turn, at_s: float) -> None:
        """The turn is over."""
        at_ms = round(at_s * 1000)
        await self._wire.say("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=turn.item_id)
        detection = self._session.audio.input.turn_detection
        await self._take(turn, responds=detection is not None and detection.create_response)

    async def on_failed(self, error: Exception) -> None:
        """The ear has ended in the midst of a turn; the next one has another."""
        await self._wire.complain(error)

    async def _take(self, turn: Turn, *, responds: bool) -> None:
        """What was said is an item from here on; its text comes later."""
        item = fresh_message("user", "completed", [{"type": "input_audio", "transcript": None}])
        item["id"] = turn.item_id
        before = self._conversation.add(item)
        await self._wire.say("input_audio_buffer.committed", item_id=turn.item_id, previous_item_id=before)
        await self._tell_item(item, before)
        task = asyncio.create_task(self._transcribe(turn, item))
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)
        if responds:
            task.add_done_callback(self._respond_to)

    async def _transcribe(self, turn: Turn, item: Entry) -> str:
        text = await turn.heard
        item["content"][0]["transcript"] = text
        if self._session.audio.input.transcription is not None:
            kind = "conversation.item.input_audio_transcription"
            at = {"item_id": turn.item_id, "content_index": 0}
            if text:
                await self._wire.say(f"{kind}.delta", **at, delta=text)
            used = {"type": "duration", "seconds": round(turn.sound_s, 3)}
            await self._wire.say(f"{kind}.completed", **at, transcript=text, usage=used)
        return text

    def _respond_to(self, heard: asyncio.Task[str]) -> None:
        """To a turn in which there were words, unless another answer is under way."""
        if not heard.cancelled() and heard.exception() is None and heard.result() and self._response is None:
            self._respond(schema.ResponseOptions())

    async def _tell_item(self, item: Entry, before: str | None) -> None:
        for what in ("added", "done"):
            await self._wire.say(f"conversation.item.{what}", previous_item_id=before, item=item)


def event_of(text: str | None) -> dict[str, Any]:
    """A JSON object. RequestError."""
    try:
        event = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise RequestError("an event is a JSON object, sent as text", code="invalid_json")
    return event
