"""Every message survives its datagram, and nothing else gets through."""

import pytest

from noghost.messages import (
    MAX_BYTES,
    Ask,
    Attest,
    Birth,
    Ended,
    Fate,
    Follow,
    Found,
    Gate,
    Open,
    Opened,
    Ready,
    Recall,
    Told,
    pack,
    unpack,
)

ONE_OF_EACH = [
    Birth(4711),
    Gate(1),
    Ask(),
    Ready(6),
    Attest(bytes(range(16)), b"\x07" * 32),
    Open(bytes(range(16)), 2, True, b"\x07" * 32),
    Open(bytes(range(16)), 2, True, b"\x07" * 32, 256, 3, True, 2**32 - 2),
    Follow(b"\x07" * 32, 2**64 - 1, 1),
    Recall(b"\x07" * 32),
    Fate(1, bytes(range(16)), 15, 0, 4000, 4000, 1, 2, 3, 4, 5, 6),
    Found(1, b"a receipt"),
    Ended(0, 3, 4, True, b"\x07" * 32),
    Told(b"\x01" * 16, 0, 1, 2, 3, 4, 5, 6, True),
]


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda m: type(m).__name__)
def test_a_message_survives_its_datagram(message):
    assert unpack(pack(message), type(message)) == message


@pytest.mark.parametrize("message", ONE_OF_EACH[:7], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\xff" + d[1:]])
def test_a_damaged_datagram_raises(message, damage):
    with pytest.raises(ValueError, match="none of"):
        unpack(damage(pack(message)), type(message))


def test_a_message_out_of_place_raises():
    with pytest.raises(ValueError, match="Opened"):
        unpack(pack(Gate(1)), Opened)


def test_an_empty_datagram_raises():
    with pytest.raises(ValueError, match="0 bytes"):
        unpack(b"", Gate)


def test_a_receipt_over_the_limit_is_refused():
    with pytest.raises(ValueError, match="over"):
        pack(Found(1, b"x" * MAX_BYTES))
