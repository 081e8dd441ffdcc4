"""Frames through an arena: whole, in order, with either end slower; nothing of the other end's is believed."""

from __future__ import annotations

import asyncio
import os
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.arena import COUNTERS, ENDED, RING_BYTES
from noghost.errors import EngineError, RequestError
from noghost.reaper.arenas import Arena
from noghost.speech.ends import InstanceEnd, VoiceEnd
from noghost.speech.frames import MOST_FRAME_BYTES, Fault, Kind
from noghost.speech.ring import Frames, Ring, counters, frame, map_arena

LOOKS = 1_000_000


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena()
    yield made
    for descriptor in made.descriptors:
        os.close(descriptor)


@given(st.lists(st.binary(max_size=3000), max_size=40))
def test_frames_come_out_as_they_went_in(said: list[bytes]) -> None:
    ring = Ring(memoryview(bytearray(COUNTERS[1] + 4096 + 2 * RING_BYTES)), 0)
    frames, heard = Frames(ring), []
    for data in said:
        assert ring.write(frame(Kind.SOUND, data)) == len(data) + 5
        while found := frames.take():
            heard.append(found)
    assert heard == [(Kind.SOUND, data) for data in said]


def test_more_than_a_ring_holds_waits_for_its_reader(arena: Arena) -> None:
    """Several rings full, through a thread that reads: it goes round, and nothing is lost."""
    voice = VoiceEnd(*arena.descriptors)
    pieces = [os.urandom(MOST_FRAME_BYTES - at) for at in range(3 * RING_BYTES // MOST_FRAME_BYTES)]
    heard: list[bytes] = []

    def hear() -> None:
        while (found := voice.take()) and found[0] is not Kind.END:
            heard.append(found[1])
            voice.give(Kind.SPOKEN, found[1])
        voice.give(Kind.DONE)

    async def say() -> list[bytes]:
        with InstanceEnd(map_arena(arena.descriptors[0]), *arena.descriptors[1:]) as end:
            echoed = asyncio.create_task(gather(end))
            for piece in pieces:
                await end.give(Kind.SOUND, piece)
            await end.give(Kind.END)
            return await echoed

    async def gather(end: InstanceEnd) -> list[bytes]:
        back = []
        while (found := await end.take())[0] is not Kind.DONE:
            back.append(found[1])
        return back

    thread = threading.Thread(target=hear)
    thread.start()
    assert asyncio.run(say()) == pieces
    thread.join()
    assert heard == pieces


def test_a_voice_that_has_ended_is_an_error_and_what_it_said_last_is_heard(arena: Arena) -> None:
    VoiceEnd(*arena.descriptors).give(Kind.LINE, b"last words")
    arena.tell_ended()

    async def listen() -> None:
        with InstanceEnd(map_arena(arena.descriptors[0]), *arena.descriptors[1:]) as end:
            assert await end.take() == (Kind.LINE, b"last words")
            with pytest.raises(RequestError, match="could not go on"):
                await end.take()

    asyncio.run(listen())


def test_a_fault_is_raised_in_words(arena: Arena) -> None:
    VoiceEnd(*arena.descriptors).give(Kind.FAULT, bytes([Fault.TOO_LONG]))

    async def listen() -> None:
        with InstanceEnd(map_arena(arena.descriptors[0]), *arena.descriptors[1:]) as end:
            with pytest.raises(RequestError, match="limit of 1800 s"):
                await end.take()
            assert end.done

    asyncio.run(listen())


def test_who_has_left_an_arena_looks_there_no_more(arena: Arena) -> None:
    """It may be another voice's by then."""
    memory = map_arena(arena.descriptors[0])

    async def leave() -> None:
        with InstanceEnd(memory, *arena.descriptors[1:]) as end:
            waits = asyncio.create_task(end.take())
            await asyncio.sleep(0)
        VoiceEnd(*arena.descriptors).give(Kind.LINE, b"for another")
        for late in (waits, end.take(), end.give(Kind.END)):
            with pytest.raises(RequestError, match="could not go on"):
                await late

    asyncio.run(leave())
    assert counters(memory, 0)[0] == 0, "nothing was written"
    assert counters(memory, 1)[1] == 0, "nothing was read"


@pytest.mark.parametrize("counts", [(1, 2), (RING_BYTES + 1, 0), (2**63, 0)])
def test_counters_that_cannot_be_are_not_followed(arena: Arena, counts: tuple[int, int]) -> None:
    memory = map_arena(arena.descriptors[0])
    for at, count in enumerate(counts):
        counters(memory, 1)[at] = count
    with pytest.raises(EngineError, match="form"):
        Ring(memory, 1).read()


def test_a_frame_over_its_bound_is_not_waited_for(arena: Arena) -> None:
    ring = Ring(map_arena(arena.descriptors[0]), 1)
    ring.write(memoryview(bytes([Kind.SPOKEN]) + (MOST_FRAME_BYTES + 1).to_bytes(4, "little")))
    with pytest.raises(EngineError, match="form"):
        Frames(ring).take()


def test_the_mark_of_the_end_is_the_reapers(arena: Arena) -> None:
    memory = map_arena(arena.descriptors[0])
    assert not memory[ENDED]
    arena.tell_ended()
    assert memory[ENDED]


def steps_back(write: Callable[[int], object], read: Callable[[], int]) -> int:
    """How often a number that another process only makes larger is seen to become smaller."""
    writer = os.fork()
    if not writer:
        for number in range(0, LOOKS << 7, 1 << 7):
            write(number)
        os._exit(0)
    last, back = 0, 0
    while not os.waitpid(writer, os.WNOHANG)[0]:
        for _ in range(1000):
            now = read()
            back, last = back + (now < last), now
    return back


def test_a_counter_is_never_seen_half_written(arena: Arena) -> None:
    memory = map_arena(arena.descriptors[0])
    numbers, struct_of = counters(memory, 0), struct.Struct("<Q")

    def put(number: int) -> None:
        numbers[0] = number

    assert steps_back(put, lambda: int(numbers[0])) == 0
    at = COUNTERS[1]
    slowly = steps_back(
        lambda number: struct_of.pack_into(memory, at, number), lambda: struct_of.unpack_from(memory, at)[0]
    )
    assert slowly > 0 or len(os.sched_getaffinity(0)) == 1, "control: byte by byte, it is"
