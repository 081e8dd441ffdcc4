"""`noghost talk` where a person sits: keys, microphone, speaker, wire and screen in one event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from noghost.client.chat.keeper import Keeper
from noghost.client.chat.unechoed import unechoed
from noghost.client.talk.devices import Device, hushed
from noghost.client.talk.exchange import Exchange
from noghost.client.talk.microphone import Microphone
from noghost.client.talk.press import Press
from noghost.client.talk.screen import TalkScreen
from noghost.client.talk.session import Session
from noghost.client.talk.settings import SILENCE_S, Settings
from noghost.client.talk.speaker import Speaker, silence
from noghost.client.talk.wire import Wire, gone
from noghost.errors import HuntError, NoghostError

FRAME_S = 0.08
BYE_S = 2.0  # for the service to say what was heard of an answer that is cut by the end
READ_BYTES = 1024
HELP = (
    "space or Enter  begin to speak, and again when you have spoken; it interrupts an answer at once",
    "                (held down, it is one press, where the keyboard repeats keys)",
    "m               mute the microphone, or not",
    "q               end; so do Ctrl-C and Ctrl-D",
)
HELP_HANDS_FREE = ("speak            you are heard all the time; speaking interrupts an answer at once, so does space",)


class Terminal:
    """One conversation. `place` is where the service is: a URL, and how to open it."""

    def __init__(
        self,
        keeper: Keeper,
        settings: Settings,
        place: tuple[str, dict[str, Any]],
        model: str,
        devices: tuple[Device, Device],
    ) -> None:
        self.screen = TalkScreen()
        self._settings, self._place, self._keeper = settings, place, keeper
        self._microphone = Microphone(devices[0], self._on_sound, self._on_no_microphone)
        self._speaker = Speaker(devices[1], self._on_no_speaker)
        self._session = Session(keeper, settings, self._speaker, self)
        self._session.model = model
        self._wire: Wire | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._press = Press(self._session.release)
        self._is_muted = self._is_connecting = False
        self._keys: dict[str, Callable[[], None]] = {
            **dict.fromkeys(" \r\n", self._talk),
            **dict.fromkeys("mM", self._mute),
            **dict.fromkeys("?hH", self._help),
            **dict.fromkeys("qQ\x04", self._quit),
        }

    def converse(self, told: tuple[str, str] | None) -> None:
        """Until the person ends it; `told` of the model first. Raises NoghostError where it cannot begin."""
        if told:
            self.screen.warn(*told)
        self.screen.last_of(self._keeper.turns)
        if gap := self._keeper.gap():
            self.screen.gap(gap)
        with hushed(), unechoed():
            asyncio.run(self._converse())

    async def _converse(self) -> None:
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        try:
            self._microphone.open()
            self._speaker.open()
            await self._connect()
            self.screen.begin()
            loop.add_reader(sys.stdin.fileno(), self._on_keys)
            loop.add_signal_handler(signal.SIGINT, self._quit)
            await self._watch()
        finally:
            loop.remove_reader(sys.stdin.fileno())
            await self._close()

    async def _watch(self) -> None:
        while not self._over.done():
            self._session.look()
            self.screen.draw(self._session.exchanges, self._status())
            await asyncio.wait([self._over], timeout=FRAME_S)
        self._session.interrupt()
        for _ in range(round(BYE_S / FRAME_S)):
            if all(one.is_asking for one in self._session.exchanges):
                break
            await asyncio.sleep(FRAME_S)
        self._over.result()

    async def _close(self) -> None:
        self._microphone.close()
        self._session.break_off()
        self._speaker.close()
        self.screen.end()
        if told := self._keeper.append(self._session.model):  # what could not be written before
            self.screen.warn(told)
        for task in self._tasks:
            task.cancel()
        if self._wire is not None:
            await self._wire.close()

    # --- the service ----------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        url, access = self._place
        self._wire = await Wire.open(url, self._session.model, **access)
        self._session.begin(self._wire.say)
        self._start(self._listen(self._wire))

    async def _listen(self, wire: Wire) -> None:
        try:
            async for event in wire.events():
                self._session.take(event)
        except HuntError as error:
            self._on_no_service(error)

    async def _connect_again(self) -> None:
        self._is_connecting = True
        try:
            await self._connect()
        except NoghostError as error:
            self.screen.error(error)
        else:
            self.screen.note("the service is there again, and was told what stands here")
        finally:
            self._is_connecting = False

    def _on_no_service(self, error: HuntError) -> None:
        wire, self._wire = self._wire, None
        self._press.drop()
        self._session.break_off()
        self.screen.error(error)
        if wire is not None:
            self._start(wire.close())

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._end(error)

    # --- the devices ----------------------------------------------------------------------------------------------

    def _on_sound(self, sound: bytes) -> None:
        if self._wire is None or self._is_muted or not (self._press.is_down or self._settings.is_hands_free):
            return
        if self._wire.is_behind:
            self._on_no_service(gone("does not take what is said"))
        else:
            self._session.hear(sound)

    def _on_no_microphone(self) -> None:
        self.screen.error(self._microphone.lost())
        if self._press.is_down:
            self._press.end()
        elif self._settings.is_hands_free:
            self._on_sound(silence(2 * SILENCE_S))  # so that what was said until then is a turn

    def _on_no_speaker(self) -> None:
        self.screen.error(self._speaker.lost())
        self._session.interrupt()

    def _is_ready(self) -> bool:
        """Or else it tries to be, and says what is missing."""
        try:
            self._microphone.reopen()
            self._speaker.reopen()
        except NoghostError as error:
            self.screen.error(error)
            return False
        if self._wire is None and not self._is_connecting:
            self._start(self._connect_again())
        return self._wire is not None

    # --- the person -----------------------------------------------------------------------------------------------

    def _on_keys(self) -> None:
        keys = os.read(sys.stdin.fileno(), READ_BYTES).decode(errors="replace")
        if not keys:
            self._quit()
        if keys.startswith("\x1b"):  # an arrow, or another key that is several characters
            return
        for key in keys:
            if key in self._keys:
                self._keys[key]()

    def _talk(self) -> None:
        if self._press.is_down:
            self._press.strike()
        elif not self._is_ready():
            return
        elif self._settings.is_hands_free:
            self._session.interrupt()
        elif self._is_muted:
            self.screen.note("muted: m unmutes")
        else:
            self._session.press()
            self._press.begin()

    def _mute(self) -> None:
        self._is_muted = not self._is_muted
        if self._is_muted:
            self._press.drop()
            self._session.forget()

    def _help(self) -> None:
        for line in (*(HELP_HANDS_FREE if self._settings.is_hands_free else HELP[:2]), *HELP[2:]):
            self.screen.note(line)

    def _quit(self) -> None:
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        if error:
            self._over.set_exception(error)
        else:
            self._over.set_result(None)

    # --- what is shown --------------------------------------------------------------------------------------------

    def settled(self, exchange: Exchange, told: str) -> None:
        """View's."""
        if exchange.asked:
            self.screen.settled(exchange)
        elif exchange.asked is not None:
            self.screen.note("no word was heard")
        if exchange.failure:
            self.screen.error(HuntError(f"no answer: {exchange.failure}", "what you said is kept"))
        if exchange.is_short:
            self.screen.note("cut at --max-tokens")
        if told:
            self.screen.warn(told)

    def complain(self, error: NoghostError) -> None:
        """View's."""
        self.screen.error(error)

    def _status(self) -> str:
        """The line at the bottom."""
        path: Path | None = self._keeper.branch.path or self._keeper.path
        parts = (self._doing(), "muted" * self._is_muted, self._session.model, str(path or "kept nowhere"), "?: help")
        return " · ".join(filter(None, parts))

    def _doing(self) -> str:
        last = self._session.last
        if self._wire is None or not (self._microphone.is_open and self._speaker.is_open):
            return "space: try again"
        if self._press.is_down:
            return "● space: end"
        if self._settings.is_hands_free:
            return "● listening" if last is None or last.is_asking else "speak or space: interrupt"
        return "space: speak" if last is None else "space: interrupt"
