"""What a wipe takes, by its size; and how fast another process's memory is read, by where in a page the buffer begins.

    python bench/wipe.py [--rounds N] [--quick] [--out DIR]

A child writes so many bytes, in runs of 1 to 48 pages as an instance's own pages lie, and stops; the reaper's own
`wipe` zeroes and verifies them. The order of the sizes changes from round to round. The second half reads the memory of
such a child into a buffer that begins so many bytes after a page does, all places in turns. Processor time of this
process.
Writes DIR/benchmarks/wipe.md and wipe.json (every sample), DIR/img/wipe.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from facts import ROOT, facts, publish
from plots import figure

from noghost.client.bench.ratio import ratio
from noghost.reaper.trace import Windows, open_windows
from noghost.reaper.wipe import CHUNK_BYTES, PAGE_BYTES, own_runs, wipe
from noghost.weights.find import find

MB = 1 << 20
SIZES_MB = (4, 16, 64)
OFFSETS = (0, 8, 16, 24, 32, 64, 256, 1024, 2048, 4080)  # bytes
READ_MB = 16
RUN_PAGES = (1, 1, 1, 2, 2, 3, 4, 6, 10, 48)
GAP_PAGES = (1, 2, 3)


def main() -> None:
    """Measure, then write the table and the plot."""
    options = parse()
    rounds = 3 if options.quick else options.rounds
    wipes_ms: dict[int, list[float]] = {size: [] for size in SIZES_MB}
    reads_ms: dict[int, list[float]] = {offset: [] for offset in OFFSETS}
    for turn in range(rounds):
        for size in SIZES_MB[:: 1 if turn % 2 else -1]:
            wipes_ms[size].append(wiped_ms(size * MB))
        read_all(reads_ms, turn)
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    described = facts(find(as_published=True).path, ()) | {"rounds": str(rounds)}
    publish(options.out, "wipe", "Wipe: zeroing and reading back", table(wipes_ms, reads_ms), described)
    text = json.dumps({"facts": described, "wipe_ms": wipes_ms, "read_ms": reads_ms})
    (options.out / "benchmarks" / "wipe.json").write_text(text)
    plot(wipes_ms, reads_ms, options.out / "img" / "wipe.png")


def wiped_ms(size_bytes: int) -> float:
    """Processor time of the wipe of a child that wrote so much."""
    with stopped_child(size_bytes) as windows:
        begun_s = time.process_time()
        done = wipe(windows)
        took_s = time.process_time() - begun_s
    if not size_bytes <= done.wiped_bytes == done.verified_bytes:
        raise SystemExit(f"of {size_bytes} bytes {done.verified_bytes} were wiped and verified")
    return took_s * 1e3


def read_all(reads_ms: dict[int, list[float]], turn: int) -> None:
    """Read the memory of one child into each buffer."""
    room = mmap.mmap(-1, CHUNK_BYTES + 2 * PAGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = memoryview(room)
    with stopped_child(READ_MB * MB) as windows:
        runs = list(own_runs(windows))
        for offset in OFFSETS[:: 1 if turn % 2 else -1]:
            view[: len(view)] = bytes(len(view))  # as warm as any other
            begun_s = time.process_time()
            for address, length in runs:
                for at in range(0, length, CHUNK_BYTES):
                    part = min(CHUNK_BYTES, length - at)
                    os.preadv(windows.mem, [view[offset : offset + part]], address + at)
            reads_ms[offset].append((time.process_time() - begun_s) * 1e3)


@contextlib.contextmanager
def stopped_child(size_bytes: int) -> Iterator[Windows]:
    """A process that wrote so much of its own memory, in runs, and stopped."""
    pid = os.fork()
    if pid == 0:
        _kept = write_runs(size_bytes)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    windows = open_windows(pid)
    try:
        yield windows
    finally:
        windows.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def write_runs(size_bytes: int) -> mmap.mmap:
    """In the child, which keeps it to its end."""
    memory = mmap.mmap(-1, 3 * size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    chosen = random.Random(1)
    at = written = 0
    while written < size_bytes:
        length = chosen.choice(RUN_PAGES) * PAGE_BYTES
        memory[at : at + length] = b"x" * length
        written += length
        at += length + chosen.choice(GAP_PAGES) * PAGE_BYTES
    return memory


def table(wipes_ms: dict[int, list[float]], reads_ms: dict[int, list[float]]) -> list[str]:
    """Sizes, then places."""
    rows = ["| written, MB | wipe, ms | ms for a MB |", "|---|---|---|"]
    for size, took in wipes_ms.items():
        middle = statistics.median(took)
        rows.append(f"| {size} | {middle:.1f} ({min(took):.1f} to {max(took):.1f}) | {middle / size:.2f} |")
    rows += [
        "",
        "Median (least to most), processor time. Zeroed, read back and compared, in the reaper's own steps.",
        "",
        f"| the buffer begins, bytes after a page | reading {READ_MB} MB, ms | against 0 |",
        "|---|---|---|",
    ]
    for offset, took in reads_ms.items():
        middle, low, high = ratio(reads_ms[0], took)
        against = "" if offset == 0 else f"**{middle:.2f}** ({low:.2f} to {high:.2f})"
        rows.append(f"| {offset} | {statistics.median(took):.1f} ({min(took):.1f} to {max(took):.1f}) | {against} |")
    rows += [
        "",
        "Malloc puts what is large 16 bytes after a page's beginning; the reaper's buffers begin with one.",
        "",
        "![A wipe by its size, and reading by where the buffer begins](../img/wipe.png)",
    ]
    return rows


def plot(wipes_ms: dict[int, list[float]], reads_ms: dict[int, list[float]], path: Path) -> None:
    """Left: the wipe by size. Right: reading by place."""
    with figure(path, 1, 2, size=(9, 3.8)) as (left, right):
        left.plot(list(wipes_ms), [statistics.median(took) for took in wipes_ms.values()], marker="o", color="#1b6ca8")
        left.set(xlabel="MB written", ylabel="ms of processor time", title="A wipe (lower is better)")
        left.set_ylim(bottom=0)
        middles = [statistics.median(took) for took in reads_ms.values()]
        right.bar([str(offset) for offset in reads_ms], middles, color="#1b6ca8")
        right.set(
            xlabel="bytes after a page's beginning", ylabel="ms", title=f"Reading {READ_MB} MB of another process"
        )
        right.tick_params(axis="x", labelsize=8)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what a wipe takes")
    parser.add_argument("--rounds", type=int, default=15, help="rounds; each measures everything")
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where benchmarks/ and img/ are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
