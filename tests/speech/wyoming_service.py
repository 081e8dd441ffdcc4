"""A service that speaks Wyoming's protocol, for tests, and what they say to it with the package's own client."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from running import SERVE, Service, running

WYOMING = (*SERVE[:-1], "wyoming")
CHUNK_BYTES = 1002  # not a whole number of samples of three or four bytes
READ_S = 60.0

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it takes audioop where that still is
    pytest.importorskip("wyoming.audio", reason="the package `wyoming` is not installed")

from wyoming.audio import AudioChunk, AudioStart, AudioStop  # noqa: E402
from wyoming.client import AsyncTcpClient  # noqa: E402
from wyoming.event import Event, Eventable  # noqa: E402


@contextmanager
def wyoming_service(home: Path, *arguments: str, command: tuple[str, ...] = WYOMING) -> Iterator[Service]:
    with running(home, *arguments, command=command, env={"HOME": str(home / "user"), "CI": ""}) as service:
        yield service


def client_of(service: Service) -> AsyncTcpClient:
    return AsyncTcpClient("127.0.0.1", service.port, read_timeout=READ_S)


def ask(service: Service, *said: Eventable | Event | bytes) -> list[Event]:
    """Say all that; everything that is answered until the service closes the connection."""
    return asyncio.run(talk(service, said))


async def talk(service: Service, said: Iterable[Eventable | Event | bytes]) -> list[Event]:
    async with client_of(service) as client:
        for one in said:
            await say(client, one)
        return await rest(client)


async def say(client: AsyncTcpClient, said: Eventable | Event | bytes) -> None:
    if isinstance(said, bytes):
        assert client._writer
        client._writer.write(said)
    else:
        await client.write_event(said if isinstance(said, Event) else said.event())


async def rest(client: AsyncTcpClient) -> list[Event]:
    events = []
    while (event := await client.read_event()) is not None:
        events.append(event)
    return events


def sound(pcm: bytes, rate: int, width: int = 2, channels: int = 1) -> list[Eventable]:
    """Begin, chunks and end of it."""
    chunks = [AudioChunk(rate, width, channels, pcm[at : at + CHUNK_BYTES]) for at in range(0, len(pcm), CHUNK_BYTES)]
    return [AudioStart(rate, width, channels), *chunks, AudioStop()]


def types(events: Sequence[Event]) -> list[str]:
    """Of each, one of several in a row once."""
    return [event.type for at, event in enumerate(events) if not at or event.type != events[at - 1].type]


def text_of(events: Sequence[Event], kind: str) -> str:
    """Of the only one of that type."""
    (found,) = [event for event in events if event.type == kind]
    return str(found.data["text"])


def pcm_of(events: Sequence[Event]) -> bytes:
    """All sound of an answer: 24 kHz, 16 bits, one channel."""
    return b"".join(event.payload or b"" for event in events)
