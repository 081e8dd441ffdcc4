"""The hunter's eyes: what is planted in a real process is found, exactly; what was zeroed is not."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from noghost.client.hunt import Find, count_in_fd, count_in_pid, needles_for, new_canary, regions_of
from noghost.client.hunt.needle import TOKEN_EDGE_IDS
from noghost.client.hunt.processes import tree
from noghost.errors import HuntError

# Reads each payload from the pipe straight into the mapping, so that there is one copy and no more.
HOLDER = """
import mmap, os, sys
kind, path, *sizes = sys.argv[1:]
if kind == "anon":
    memory = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
else:
    fd = os.open(path, os.O_RDWR)
    flags = {"private": mmap.MAP_PRIVATE, "shared": mmap.MAP_SHARED, "public": mmap.MAP_SHARED}[kind]
    memory = mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ | (0 if kind == "public" else mmap.PROT_WRITE))
    if kind == "public":
        memory[0]
at = 4096
for size in map(int, sizes):
    part = memoryview(memory)[at : at + size]
    filled = 0
    while filled < size:
        filled += os.readv(0, [part[filled:]])
    at += size + 6002
os.write(1, b"r")
while os.read(0, 1) == b"z":
    memory[:] = bytes(len(memory))
    os.write(1, b"r")
"""


@dataclass
class Holder:
    """A process that holds what it was given."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    def zero(self) -> None:
        self.say(b"z")

    def say(self, message: bytes) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        os.write(self.process.stdin.fileno(), message)
        assert os.read(self.process.stdout.fileno(), 1) == b"r"


@contextlib.contextmanager
def holding(payloads: Sequence[bytes], kind: str = "anon", path: Path | None = None) -> Iterator[Holder]:
    sizes = [str(len(payload)) for payload in payloads]
    command = [sys.executable, "-c", HOLDER, kind, str(path or "-"), *sizes]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        holder = Holder(process)
        holder.say(b"".join(payloads))
        yield holder
        process.terminate()


def spread(finds: Sequence[Find]) -> list[tuple[str, str]]:
    return [(find.kind, find.encoding) for find in finds]


def escaped(text: str) -> bytes:
    return json.dumps(text).encode()


def escaped_upper(text: str) -> bytes:
    units = ((char, f"\\u{ord(char):04X}") for char in text)
    return "".join(char if char.isascii() else code for char, code in units).encode()


ENCODERS = {
    "utf-8": [lambda text: text.encode()],
    "json": [escaped, escaped_upper],
    "utf-16-le": [lambda text: text.encode("utf-16-le")],
    "utf-16-be": [lambda text: text.encode("utf-16-be")],
    "utf-32-le": [lambda text: text.encode("utf-32-le")],
    "base64": [
        lambda text, before=before: base64.b64encode(before + text.encode() + b" and more")
        for before in (b"", b"x", b"xy")
    ],
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_every_planted_copy_of_each_encoding_is_counted_once(encoding: str) -> None:
    canary = new_canary()
    payloads = [encode(canary) for encode in ENCODERS[encoding] for _ in range(3)]
    with holding(payloads) as holder:
        finds = count_in_pid(holder.pid, needles_for(canary, width_chars=16))
    assert spread(finds) == [("anon", encoding)] * len(payloads)


@pytest.mark.parametrize("size_bytes", [4, 8])
def test_token_ids_are_found_without_the_edges(size_bytes: int) -> None:
    tokens = [100_000 + 37 * at for at in range(40)]
    core = tokens[TOKEN_EDGE_IDS:-TOKEN_EDGE_IDS]
    raw = b"".join(token.to_bytes(size_bytes, "little") for token in [1, 2, *core, 3])
    with holding([raw, raw]) as holder:
        finds = count_in_pid(holder.pid, needles_for("", tokens))
    assert spread(finds) == [("anon", f"token ids int{size_bytes * 8}")] * 2


@pytest.mark.parametrize("order", ["le", "be"])
# With ids, since pytest names the test in the environment that the holder inherits, and the hunter sees that.
@pytest.mark.parametrize(
    "text", ["A plain sentence, told once only", "Café à côté, über Ölgötzen"], ids=["ascii", "latin"]
)
def test_one_copy_in_utf_16_is_not_counted_in_both_byte_orders(order: str, text: str) -> None:
    raw = f". {text}. And on".encode(f"utf-16-{order}")
    with holding([raw]) as holder:
        finds = count_in_pid(holder.pid, needles_for(text))
    assert spread(finds) == [("anon", f"utf-16-{order}")]


def test_text_that_python_keeps_in_latin_1_is_found() -> None:
    text = "Café à côté, über Ölgötzen"
    with holding([text.encode("latin-1")]) as holder:
        assert spread(count_in_pid(holder.pid, needles_for(text))) == [("anon", "latin-1")]


def test_json_copy_with_plain_windows_is_one_copy() -> None:
    text = 'The first line is quite plain.\nThe second "quotes" somebody. The third one is plain again.'
    with holding([escaped(text), text.encode()]) as holder:
        finds = count_in_pid(holder.pid, needles_for(text))
    assert sorted(spread(finds)) == [("anon", "json"), ("anon", "utf-8")]


def test_one_window_that_is_left_of_a_copy_is_found() -> None:
    canary = new_canary()
    with holding([canary[12:34].encode()]) as holder:
        assert len(count_in_pid(holder.pid, needles_for(canary, width_chars=16))) == 1


def test_zeroed_copy_is_not_found() -> None:
    canary = new_canary()
    needles = needles_for(canary, width_chars=16)
    with holding([canary.encode()]) as holder:
        assert len(count_in_pid(holder.pid, needles)) == 1
        holder.zero()
        assert count_in_pid(holder.pid, needles) == []


def test_stopped_process_is_searched_through_an_open_descriptor() -> None:
    canary = new_canary()
    with holding([canary.encode()] * 2) as holder:
        proc = Path("/proc", str(holder.pid))
        with (proc / "mem").open("rb", buffering=0) as memory:
            regions = regions_of((proc / "maps").read_text())
            finds = count_in_fd(memory.fileno(), regions, needles_for(canary), place="instance")
    assert [find.place for find in finds] == ["instance", "instance"]


@pytest.mark.parametrize("kind", ["private", "shared"])
def test_written_file_mappings_are_read(kind: str, tmp_path: Path) -> None:
    canary, path = new_canary(), tmp_path / "mapped"
    path.write_bytes(bytes(1 << 20))
    with holding([canary.encode()], kind, path) as holder:
        finds = count_in_pid(holder.pid, needles_for(canary))
    assert spread(finds) == [("file", "utf-8")]


def test_shared_read_only_mapping_is_read_only_when_asked(tmp_path: Path) -> None:
    canary, path = new_canary(), tmp_path / "weights"
    path.write_bytes(canary.encode())
    with holding([], "public", path) as holder:
        assert count_in_pid(holder.pid, needles_for(canary)) == []
        assert len(count_in_pid(holder.pid, needles_for(canary), every=True)) == 1


def test_copy_across_the_edge_of_two_chunks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    canary = new_canary()
    monkeypatch.setattr("noghost.client.hunt.scan.CHUNK_BYTES", 4096)
    payload = b"x" * 4070 + canary.encode() + b"x" * 4100 + canary.encode()
    with holding([payload]) as holder:
        assert len(count_in_pid(holder.pid, needles_for(canary, width_chars=16))) == 2


def test_no_find_or_needle_shows_content() -> None:
    canary = new_canary()
    needles = needles_for(canary)
    with holding([canary.encode()]) as holder:
        shown = repr(count_in_pid(holder.pid, needles)) + repr(needles)
    assert not any(word in shown for word in canary.split())


def test_the_hunter_refuses_itself_its_parents_and_the_dead() -> None:
    for pid in (os.getpid(), os.getppid()):
        with pytest.raises(HuntError, match="know the canary"):
            tree(pid)
    with subprocess.Popen(["true"]) as dead:
        pass
    with pytest.raises(HuntError, match="no such process"):
        tree(dead.pid)
    with pytest.raises(HuntError, match="no such process"):
        count_in_pid(dead.pid, needles_for(new_canary()))


def test_tree_holds_descendants_and_the_session_of_its_leader() -> None:
    # The orphan's parent ends at once, so that only the session still ties it to the root.
    orphan = "import os, sys; os.fork() and os._exit(0); print(os.getpid(), flush=True); sys.stdin.read()"
    script = f"exec 3<&0; {sys.executable} -c '{orphan}' <&3 & cat"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["sh", "-c", script], start_new_session=True, **pipes) as shell:
        assert shell.stdout is not None
        orphan_pid = int(shell.stdout.readline())
        pids = {process.pid for process in tree(shell.pid)}
        assert {shell.pid, orphan_pid} <= pids
        assert os.getpid() not in pids
