"""Entries: one text each, and no room for anything else."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.samples import birth, end
from noghost.errors import LedgerError
from noghost.ledger.entry import (
    ENTRY_MAX_BYTES,
    OUTCOMES,
    SEED_MAX,
    Ended,
    Entry,
    Opened,
    bucket,
    bucket_range,
    parse,
    parse_bytes,
    render,
)

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
minutes = st.datetimes().map(lambda moment: moment.isoformat(timespec="minutes") + "Z")
hosts = st.text(string.ascii_lowercase + string.digits + "=_,.-", min_size=1, max_size=128)
buckets = st.integers(0, 64)
births = st.builds(
    Opened,
    minute=minutes,
    id=ids,
    weights=digests,
    release=st.from_regex(r"\A[0-9A-Za-z.+-]{1,32}\Z"),
    build=digests,
    policy=digests,
    host=hosts,
    processor=st.text(string.ascii_lowercase + string.digits + "_=.", min_size=1, max_size=192),
    context=st.integers(64, 1 << 20).map(str),
    batch=st.sampled_from(["512", "64", "512-aligned"]),
    threads=st.integers(1, 256).map(str) | st.just("free"),
    template=digests | st.just("-"),
    seed=st.integers(0, SEED_MAX).map(str) | st.just("-"),
    commitment=digests | st.just("-"),
)
remote = st.builds(
    replace,
    births,
    weights=st.from_regex(r"\Aremote/[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?\Z"),
    threads=st.just("free"),
    template=st.just("-"),
    seed=st.just("-"),
)
ends = st.builds(
    Ended,
    minute=minutes,
    id=ids,
    outcome=st.sampled_from([word for word in OUTCOMES if word != "lost"]),
    wipe=st.sampled_from(["unverified", "failed"]),
    wiped_pages=buckets,
    verified_pages=buckets,
    prompt_tokens=buckets,
    answer_tokens=buckets,
    commitment=digests | st.just("-"),
)
lost = st.builds(Ended.lost, minutes, ids)


@given(births | remote | ends | lost)
def test_parse_undoes_render(entry: Entry) -> None:
    assert parse(render(entry)) == entry
    assert parse_bytes(render(entry).encode()) == entry


@given(births | remote | ends, st.data())
def test_a_changed_character_gives_another_entry_or_none(entry: Entry, data: st.DataObject) -> None:
    text = render(entry)
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters(exclude_characters=text[at]))
    try:
        other = parse(text[:at] + char + text[at + 1 :])
    except LedgerError:
        return
    assert other != entry


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n",
        lambda text: text[:-1],
        lambda text: text.replace("version 1", "version 2"),
        lambda text: text.replace("wiped_pages 13", "wiped_pages  13"),
        lambda text: text.replace("wiped_pages 13", "wiped_pages 1٣"),
        lambda text: text.replace("wiped_pages 13", "wiped_pages 65"),
        lambda text: text.replace("wiped_pages 13", "wiped_pages +13"),
        lambda text: text.replace("kind closed", "kind lost"),
        lambda text: text.replace("outcome", "prompt hello\noutcome"),
        lambda text: "".join(sorted(text.splitlines(keepends=True))),
        lambda text: text * 8,
    ],
)
def test_only_the_canonical_text_is_read(spoil) -> None:
    assert parse(render(end(1)))
    with pytest.raises(LedgerError):
        parse(spoil(render(end(1))))


@pytest.mark.parametrize(
    "claims",
    [
        {"outcome": "lost", "wipe": "verified"},
        {"outcome": "lost", "wipe": "unseen", "commitment": "ab" * 32},
        {"outcome": "answered", "wipe": "failed", "commitment": "an answer"},
        {"outcome": "answered", "wipe": "unseen", "wiped_pages": 1},
        {"outcome": "answered", "wipe": "verified", "wiped_pages": 3, "verified_pages": 2},
        {"outcome": "answered", "wipe": "wiped"},
        {"outcome": "answered", "wipe": "failed", "prompt_tokens": True},
        {"outcome": "answered", "wipe": "failed", "prompt_tokens": -1},
    ],
)
def test_an_end_cannot_contradict_itself(claims) -> None:
    with pytest.raises(LedgerError):
        Ended(birth(1).minute, birth(1).id, **claims)


def test_content_does_not_fit_and_does_not_show() -> None:
    with pytest.raises(LedgerError) as caught:
        replace(birth(1), host="Marker Prompt")
    assert "Marker" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("threads", value) for value in ("0", "257", "1000", "01", "-", "")),
        *(("seed", value) for value in ("4294967295", "9999999999", "00", "-1", "free", "")),
        *(("template", value) for value in ("AA" * 32, "1", "marker", "")),
        *(("context", value) for value in ("0", "99999999", "")),
        *(("batch", value) for value in ("a marker", "5" * 17, "")),
        *(("processor", value) for value in ("a marker", "a" * 193, "")),
    ],
)
def test_what_a_repeat_needs_has_bounds(field: str, value: str) -> None:
    with pytest.raises(LedgerError, match=field):
        replace(birth(1), **{field: value})


def test_the_longest_birth_fits() -> None:
    digest = "f" * 64
    longest = Opened(
        *("9999-12-31T23:59Z", "f" * 32, digest, "r" * 32, digest, digest, "h" * 128),
        *("p" * 192, "1048576", "b" * 16, "256", digest, str(SEED_MAX), digest),
    )
    assert len(render(longest)) <= ENTRY_MAX_BYTES
    assert parse(render(longest)) == longest


def test_an_entry_from_before_a_repeat_could_be_shown_is_refused_with_the_way_out() -> None:
    older = "".join(line for line in render(birth(1)).splitlines(keepends=True) if not line.startswith("threads"))
    with pytest.raises(LedgerError, match="no field threads") as caught:
        parse(older)
    assert "move that ledger away" in caught.value.hint


@given(st.integers(0, 2**63))
def test_bucket_holds_its_count(count: int) -> None:
    exponent = bucket(count)
    assert count == 0 if exponent == 0 else 2 ** (exponent - 1) <= count < 2**exponent


def test_bucket_range() -> None:
    assert [bucket_range(bucket(n)) for n in (0, 1, 2, 3, 33, 64)] == ["0", "1", "2-3", "2-3", "32-63", "64-127"]
    with pytest.raises(LedgerError):
        bucket(-1)
