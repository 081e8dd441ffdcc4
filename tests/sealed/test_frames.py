"""WebSocket frames: what is carried arrives, however it is cut; anything else is an error."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noghost.errors import SealedError
from noghost.sealed.frames import BINARY, CLOSE, MORE, PING, TEXT, Frames, accept_of, close, frame

MOST = 1 << 17


def test_the_handshake_of_the_rfc() -> None:
    assert accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 50), st.booleans())
def test_messages_arrive_however_they_are_cut(messages: list[bytes], step: int, masks: bool) -> None:
    wire = b"".join(frame(BINARY, one, masks=masks) for one in messages)
    frames = Frames(MOST, masked=masks)
    assert [m for at in range(0, len(wire), step) for m in frames.take(wire[at : at + step])] == messages


@pytest.mark.parametrize("length", [125, 126, 65535, 65536, 70000])
@pytest.mark.parametrize("masks", [True, False])
def test_every_form_of_length(length: int, masks: bool) -> None:
    message = bytes(i % 251 for i in range(length))
    assert list(Frames(MOST, masked=masks).take(frame(BINARY, message, masks=masks))) == [message]


def test_a_message_in_several_frames_with_a_ping_between() -> None:
    parts = (
        bytes([BINARY, 2]) + b"ab" + frame(PING, b"?", masks=False) + bytes([MORE, 1]) + b"c" + bytes([0x80, 1]) + b"d"
    )
    frames = Frames(MOST, masked=False)
    assert list(frames.take(parts)) == [b"abcd"]
    assert frames.pings == [b"?"]


def test_text_where_text_is_carried_and_nothing_else() -> None:
    assert list(Frames(MOST, masked=False, carries=TEXT).take(frame(TEXT, b"{}", masks=False))) == [b"{}"]
    with pytest.raises(SealedError, match="no frame"):
        list(Frames(MOST, masked=False, carries=TEXT).take(frame(BINARY, b"{}", masks=False)))


def test_the_end_has_its_code_and_nothing_comes_after_it() -> None:
    frames = Frames(MOST, masked=True)
    wire = close(4409, "key_used", masks=True) + frame(BINARY, b"late", masks=True)
    assert list(frames.take(wire)) == []
    assert frames.closed == (4409, "key_used")


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(BINARY, b"not masked", masks=False), "frame_malformed"),
        (frame(1, b"text", masks=True), "frame_malformed"),
        (frame(MORE, b"of nothing", masks=True), "frame_malformed"),
        (b"\xc2" + frame(BINARY, b"compressed", masks=True)[1:], "frame_malformed"),
        (b"\x08" + frame(CLOSE, b"", masks=True)[1:], "frame_malformed"),
        (frame(CLOSE, b"x", masks=True), "frame_malformed"),
        (frame(PING, bytes(126), masks=True), "frame_malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "frame_malformed"),
        (struct.pack(">BBQ", 0x82, 0xFF, MOST + 1), "too_large"),
        (struct.pack(">BBQ", 0x82, 0xFF, 2**63), "too_large"),
    ],
)
def test_anything_else_is_an_error(wire: bytes, code: str) -> None:
    with pytest.raises(SealedError) as caught:
        list(Frames(MOST, masked=True).take(wire))
    assert caught.value.code == code


def test_parts_together_are_within_the_limit() -> None:
    frames = Frames(10, masked=False)
    assert list(frames.take(bytes([BINARY, 6]) + b"abcdef")) == []
    with pytest.raises(SealedError) as caught:
        list(frames.take(bytes([MORE, 5])))
    assert caught.value.code == "too_large"
