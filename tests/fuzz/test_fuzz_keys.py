"""API keys: the file of hashes with something in it changed, and whatever a caller offers as a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.effort import effort
from fuzz.mutation import mutated, mutated_text
from noghost.api.keys import refusal, take_off
from noghost.errors import ConfigError
from noghost.keys.key import Cost, Entry, Keys, digest
from noghost.keys.ring import Ring
from noghost.keys.store import Store, parse, parse_line, render, render_line

NAMED = {
    "Anna's laptop": "ng-aaaaaaa2-" + "A" * 43,
    "zoë 2": "ng-zzzzzzz7-" + "z_-9" * 10 + "abc",
    "x": "ng-k3vq7x2a-" + "Zk0" * 14 + "Z",
}
SALT = bytes(range(16))
ENTRIES = [Entry(key[3:11], "2026-01-31T23:59Z", name, SALT, digest(key, SALT, Cost())) for name, key in NAMED.items()]
FILE = render({entry.id: entry for entry in ENTRIES})
KEYS = Keys({entry.id: entry for entry in ENTRIES})
KEY = NAMED["x"]
PLACE = Path("/somewhere/hashes")
SCHEMES = ("Bearer ", "bearer  ", "BEARER\t", "Basic ", "", "Bearer", "Bearer Bearer ")


@pytest.mark.slow
@effort(800)
@given(data=st.one_of(mutated(FILE), st.binary(max_size=200)))
@example(data=FILE)
@example(data=FILE[:-1])
@example(data=FILE + FILE)
@example(data=FILE.replace(b"scrypt:1024", b"scrypt:999999"))
@example(data=FILE.replace("ë".encode(), b"\xed\xa0\x80"))
def test_a_file_is_read_as_it_stands_or_refused(data: bytes) -> None:
    try:
        entries = parse(data, PLACE)
    except ConfigError as error:
        told = str(error)
        entries = None
    if entries is None:
        assert not any(entry.digest.hex() in told or entry.name in told for entry in ENTRIES[:2])
        return
    assert render(entries) == data
    assert all(entry.cost.sane for entry in entries.values())


@effort(300)
@given(line=mutated_text(render_line(ENTRIES[0])))
def test_a_line_is_read_as_it_stands_or_refused(line: str) -> None:
    entry = parse_line(line)
    assert entry is None or render_line(entry) == line


@effort(150)
@given(offered=st.one_of(mutated_text(KEY, most=1), st.text(max_size=80), st.just(KEY + "\n")))
@example(offered=KEY[:-1] + "\ud800")
@example(offered=KEY.upper())
@example(offered=KEY + "\n")
@example(offered="ng-" + "२" * 8 + KEY[11:])
def test_what_is_not_the_key_is_not_let_in(offered: str) -> None:
    assert KEYS.holds(offered) == (offered == KEY)
    assert (refusal(KEYS, offered) is None) == (offered == KEY)


headers = st.lists(
    st.tuples(
        st.sampled_from((b"authorization", b"x-api-key", b"host", b"x-api-key ")),
        st.one_of(
            st.binary(max_size=60), st.sampled_from(SCHEMES).map(lambda scheme: scheme.encode() + NAMED["x"].encode())
        ),
    ),
    max_size=4,
)


@effort(200)
@given(sent=headers)
@example(sent=[(b"authorization", b"Bearer \xff\xff")])
@example(sent=[(b"x-api-key", KEY.encode()), (b"x-api-key", KEY.encode())])
def test_whatever_the_headers_hold_no_key_is_left_in_them(sent: list[tuple[bytes, bytes]]) -> None:
    scope = {"headers": sent}
    refused = refusal(KEYS, take_off(scope))
    assert {name for name, _ in scope["headers"]} <= {b"host", b"x-api-key "}
    if refused is None:
        assert any(KEY.encode() in value for name, value in sent if name in (b"authorization", b"x-api-key"))
    else:
        assert refused.status == 401
        assert KEY not in str(refused)


@pytest.mark.slow
@effort(100)
@given(data=st.one_of(mutated(FILE, most=2), st.binary(max_size=50)))
def test_a_warden_whose_file_is_changed_lets_nobody_new_in(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("ring") / "hashes"
    write(path, FILE)
    ring = Ring(path)
    assert ring.now.holds(KEY)
    write(path, data)
    ring.refresh()
    known = {entry.id: entry for entry in ENTRIES}
    same = ring.now.readable and ring.now.entries.get(ENTRIES[2].id) == known[ENTRIES[2].id]
    assert ring.now.holds(KEY) == same
    try:
        assert ring.now.readable == (render(Store(path).entries()) == data)
    except ConfigError:
        assert not ring.now.readable
    write(path, FILE)
    ring.refresh()
    assert ring.now.holds(KEY)


def write(path: Path, data: bytes) -> None:
    """In the place of the file, as the store does it."""
    new = path.with_name("new")
    new.write_bytes(data)
    new.chmod(0o600)
    new.replace(path)
