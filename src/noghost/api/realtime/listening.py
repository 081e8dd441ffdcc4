"""The caller's sound: to an ear of its own for each turn, and never kept. In an instance."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from noghost.api.realtime.children import Children
from noghost.errors import NoghostError, RequestError
from noghost.messages import Voice
from noghost.speech.captions import Caption, Captions
from noghost.speech.ends import InstanceEnd
from noghost.speech.frames import LINE, SECONDS, Attention, Format, Kind
from noghost.speech.hearing import pieces

LEAST_S = 0.1  # of a turn that is committed, as OpenAI's API


class Turns(Protocol):
    """What is told of each turn (session.py)."""

    async def on_started(self, turn: Turn, at_s: float) -> None:
        """Somebody speaks."""

    async def on_caption(self, turn: Turn, caption: Caption) -> None:
        """What is understood of it while it lasts."""

    async def on_stopped(self, turn: Turn, at_s: float) -> None:
        """The turn is over; its text is not known yet."""

    async def on_failed(self, error: Exception) -> None:
        """The ear has ended in the midst of it."""


@dataclass(eq=False)
class Turn:
    """What one ear hears."""

    item_id: str
    end: InstanceEnd
    attention: Attention
    begin_s: float  # of its sound, counted from the session's first
    stack: AsyncExitStack
    given_s: float = 0.0
    has_started: bool = False
    over: bool = False
    following: asyncio.Task[None] | None = None
    lines: list[str] = field(default_factory=list)
    captions: Captions = field(default_factory=Captions)
    sound_s: float = 0.0
    heard: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def has_sound(self) -> bool:
        """Something in it would be lost with it."""
        return self.has_started if self.attention.waits else self.given_s > 0


class Listening:
    """`append`, `commit`, `clear`: as the caller's events of the same names."""

    def __init__(
        self, children: Children, attention: Callable[[], Attention], fresh: Callable[[], str], turns: Turns
    ) -> None:
        self._children, self._attention, self._fresh, self._turns = children, attention, fresh, turns
        self._turn: Turn | None = None
        self._odd = b""  # half a sample
        self._given_s = 0.0  # since the session's begin
        self._one = asyncio.Lock()

    async def begin(self) -> None:
        """Have an ear ready before anything is said."""
        async with self._one:
            await self._ready()

    async def append(self, sound: str) -> None:
        """Base64. RequestError for what is none."""
        try:
            data = base64.b64decode(sound, validate=True)
        except (binascii.Error, ValueError):
            raise RequestError("audio is not valid base64", code="invalid_value", param="audio") from None
        async with self._one:
            turn = await self._ready()
            data = self._odd + data
            whole = len(data) - len(data) % (2 if turn.attention.format is Format.PCM else 1)
            self._odd = data[whole:]
            await self._give(turn, data[:whole])

    async def commit(self) -> Turn:
        """The turn is all that was said so far. RequestError where that is nothing."""
        async with self._one:
            turn = self._turn
            if turn is None or turn.given_s < LEAST_S:
                message = "the input audio buffer has less than 100 ms of sound"
                raise RequestError(message, code="input_audio_buffer_commit_empty")
            self._turn = None
            await turn.end.give(Kind.END)
            return turn

    async def clear(self) -> None:
        """Nothing was said; the ear ends."""
        async with self._one:
            self._drop()

    async def hear(self, sound: str, attention: Attention) -> str:
        """The text of a sound that comes as a whole."""
        own = Listening(self._children, lambda: attention, self._fresh, self._turns)
        await own.append(sound)
        return await (await own.commit()).heard

    async def _ready(self) -> Turn:
        attention = self._attention()
        turn = self._turn
        if turn is not None and turn.attention != attention and not turn.has_sound:
            self._drop()
        if self._turn is None:
            self._turn = await self._begin(attention)
        return self._turn

    def _drop(self) -> None:
        turn, self._turn, self._odd = self._turn, None, b""
        if turn is not None and turn.following is not None:
            turn.following.cancel()

    async def _begin(self, attention: Attention) -> Turn:
        stack = AsyncExitStack()
        brought, hush = await stack.enter_async_context(self._children.child(Voice.EAR))
        end = stack.enter_context(InstanceEnd(*brought))
        stack.callback(lambda: None if end.done else hush())
        await end.give(Kind.ATTEND, attention.pack())
        turn = Turn(self._fresh(), end, attention, self._given_s, stack)
        turn.following = asyncio.create_task(self._follow(turn))
        return turn

    async def _give(self, turn: Turn, data: bytes) -> None:
        for piece in pieces(memoryview(data)):
            await turn.end.give(Kind.SOUND, piece)
        seconds = seconds_of(data, turn.attention)
        turn.given_s += seconds
        self._given_s += seconds

    # --- what the ear says --------------------------------------------------------------------------------

    async def _follow(self, turn: Turn) -> None:
        """Until it has said all."""
        try:
            await self._take(turn)
        except NoghostError as error:
            if not turn.over:
                if self._turn is turn:
                    self._turn = None
                await self._turns.on_failed(error)
            if not turn.heard.done():
                turn.heard.set_result("")
        finally:
            await turn.stack.aclose()

    async def _take(self, turn: Turn) -> None:
        while not turn.over:
            kind, data = await turn.end.take()
            if kind is Kind.STARTED:
                turn.has_started = True
                await self._turns.on_started(turn, turn.begin_s + SECONDS.unpack(data)[0])
            elif kind is Kind.STOPPED:
                await self._on_stopped(turn, SECONDS.unpack(data)[0])
            elif kind is Kind.PARTIAL:
                await self._on_partial(turn, data.decode())
            elif kind is Kind.LINE:
                turn.lines.append(data[LINE.size :].decode())
            elif kind is Kind.DONE:
                turn.sound_s = SECONDS.unpack(data)[0]
                turn.over = True
                if not turn.heard.done():
                    turn.heard.set_result(" ".join(turn.lines))

    async def _on_partial(self, turn: Turn, text: str) -> None:
        """Not any more once the turn is committed or cleared: its text is to come as a whole."""
        if self._turn is turn and (caption := turn.captions.add(text)):
            await self._turns.on_caption(turn, caption)

    async def _on_stopped(self, turn: Turn, at_s: float) -> None:
        """What came after the turn's end is the next one's."""
        async with self._one:
            if self._turn is turn:
                self._turn = None
                await turn.end.give(Kind.END)
                rest = await self._rest(turn)
                self._given_s = turn.begin_s + turn.given_s - seconds_of(rest, turn.attention)
                following = await self._ready()
                await self._give(following, rest)
        await self._turns.on_stopped(turn, turn.begin_s + at_s)

    async def _rest(self, turn: Turn) -> bytes:
        rest = b""
        while True:
            kind, data = await turn.end.take()
            if kind is Kind.REST:
                if not data:
                    return rest
                rest += data
            elif kind is Kind.LINE:
                turn.lines.append(data[LINE.size :].decode())


def seconds_of(data: bytes, attention: Attention) -> float:
    """How long a sound is."""
    return len(data) / (attention.rate * (2 if attention.format is Format.PCM else 1))
