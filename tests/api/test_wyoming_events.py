"""Wyoming's events as bytes, against the `wyoming` package's own reader and writer."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.api.wyoming.events import Event, read, render
from noghost.config import Limits
from noghost.errors import RequestError

wyoming = pytest.importorskip("wyoming.event", reason="the package `wyoming` is not installed")

LIMITS = Limits(header_bytes=1000, body_bytes=2000)
DATA = st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.booleans()), max_size=5)


def read_from(data: bytes) -> Event | None:
    async def whole() -> Event | None:
        reader = asyncio.StreamReader(LIMITS.header_bytes)
        reader.feed_data(data)
        reader.feed_eof()
        return await read(reader, LIMITS)

    return asyncio.run(whole())


@given(st.text(min_size=1), DATA, st.binary(max_size=99))
def test_the_package_reads_what_is_written_here(kind: str, data: dict[str, object], payload: bytes) -> None:
    found = wyoming.read_event(io.BytesIO(render(kind, data, payload)))
    assert (found.type, found.data, found.payload or b"") == (kind, data, payload)


@given(st.text(min_size=1, max_size=99), DATA, st.binary(max_size=99))
def test_what_the_package_writes_is_read_here(kind: str, data: dict[str, object], payload: bytes) -> None:
    written = io.BytesIO()
    wyoming.write_event(wyoming.Event(kind, data, payload), written)
    if len(written.getvalue()) <= LIMITS.header_bytes:
        found = read_from(written.getvalue())
        assert found
        assert (found.type, found.data, found.payload) == (kind, data, payload)


def test_data_behind_the_line_goes_before_data_in_it() -> None:
    line = {"type": "x", "data": {"a": 1, "b": 1}, "data_length": 8}
    found = read_from(json.dumps(line).encode() + b'\n{"b": 2}')
    assert found
    assert found.data == {"a": 1, "b": 2}


@given(st.binary(max_size=1500))
def test_any_bytes_are_an_event_or_an_error_of_ours(data: bytes) -> None:
    with contextlib.suppress(RequestError):
        found = read_from(data)
        assert found is None or isinstance(found.type, str)


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_part_of_an_event_is_the_end(cut: int) -> None:
    assert read_from(render("x", {"a": 1}, b"sound")[:-cut]) is None


@pytest.mark.parametrize("name", ["data_length", "payload_length"])
def test_more_than_there_may_be_is_refused_before_it_is_read(name: str) -> None:
    with pytest.raises(RequestError, match="limit of 2000 bytes"):
        read_from(json.dumps({"type": "x", name: 2001}).encode() + b"\n")
