"""A key lets in who has every character of it, and nobody else; nothing but its hash is kept."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noghost.keys.key import KEY, Cost, Entry, Keys, digest, mint

MINUTE = "2026-01-31T23:59Z"


def keys_of(*texts: str) -> Keys:
    entries = [Entry.of(text, "someone", MINUTE) for text in texts]
    return Keys({entry.id: entry for entry in entries})


def test_a_key_has_its_form_and_is_never_the_same() -> None:
    minted = {mint() for _ in range(1000)}
    assert len(minted) == 1000
    assert all(KEY.fullmatch(key) and len(key) == 55 for key in minted)


def test_each_of_several_keys_is_held_and_a_foreign_one_is_not() -> None:
    texts = [mint() for _ in range(3)]
    keys = keys_of(*texts)
    assert [keys.holds(text) for text in texts] == [True] * 3
    assert not keys.holds(mint())
    assert not Keys().holds(texts[0])


def test_every_character_counts() -> None:
    """One character changed anywhere: in the prefix, the id, the secret and its last, whose low bits base64 ignores."""
    key = mint()
    keys = keys_of(key)
    for at, old in enumerate(key):
        changed = key[:at] + ("b" if old != "b" else "c") + key[at + 1 :]
        assert not keys.holds(changed), at
    for odd in (key[:-1], key + "A", key + "\n", " " + key, key.upper(), ""):
        assert not keys.holds(odd)
    assert keys.holds(key)


@pytest.mark.slow
@given(st.one_of(st.text(), st.from_regex(KEY, fullmatch=True)))
@settings(max_examples=200, deadline=None)
def test_no_text_is_a_key_by_chance_or_an_error(text: str) -> None:
    keys = keys_of("ng-aaaaaaaa-" + "A" * 43)
    assert keys.holds(text) == (text == "ng-aaaaaaaa-" + "A" * 43)


def test_two_entries_of_one_key_differ_and_neither_shows_a_secret() -> None:
    key = mint()
    one, two = Entry.of(key, "x", MINUTE), Entry.of(key, "x", MINUTE)
    assert one.salt != two.salt
    assert one.digest != two.digest
    assert one.matches(key)
    assert two.matches(key)
    shown = repr((one, Keys({one.id: one})))
    assert "someone" not in shown
    for secret in (key[12:], one.salt.hex(), one.digest.hex(), repr(one.salt), repr(one.digest)):
        assert secret not in shown


def test_the_hash_is_scrypt_as_rfc_7914_has_it() -> None:
    """The second vector of its section 12, the first 32 of its 64 bytes: the last step is PBKDF2-SHA256, whose first
    block is the same for every length."""
    expected = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
    assert digest("password", b"NaCl", Cost(1024, 8, 16)).hex() == expected


def work(keys: Keys, key: str) -> tuple[int, int]:
    """(scrypts, comparisons in constant time) that one check costs, as the interpreter saw them."""
    seen = {"digest": 0, "compare_digest": 0}

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        name = frame.f_code.co_name if event == "call" else getattr(argument, "__name__", "")
        if event in ("call", "c_call") and name in seen:
            seen[name] += 1

    sys.setprofile(profile)
    try:
        keys.holds(key)
    finally:
        sys.setprofile(None)
    return seen["digest"], seen["compare_digest"]


def test_a_wrong_id_a_wrong_secret_and_a_right_key_cost_the_same_work() -> None:
    key = mint()
    keys = keys_of(key, mint())
    wrong_secret = key[:12] + mint()[12:]
    assert [work(keys, text) for text in (key, wrong_secret, mint())] == [(1, 1)] * 3
    assert keys.nobody.cost == keys.entries[key[3:11]].cost
    assert work(keys, "no key at all") == (0, 0), "the control: what costs nothing counts nothing"


@pytest.mark.parametrize(
    ("cost", "sane"),
    [
        (Cost(), True),
        (Cost(1 << 14, 8, 4), True),
        (Cost(1 << 15, 8, 1), False),
        (Cost(1000, 8, 1), False),
        (Cost(1, 8, 1), False),
        (Cost(1024, 16, 1), False),
        (Cost(1024, 8, 5), False),
    ],
)
def test_a_cost_that_an_instance_cannot_pay_is_refused(cost: Cost, sane: bool) -> None:
    assert cost.sane == sane
