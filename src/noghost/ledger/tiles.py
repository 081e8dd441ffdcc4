"""The part of the log that no longer changes: full entry bundles and Merkle tiles, 256 wide.

Paths are those of https://c2sp.org/tlog-tiles: tile/<L>/<N>, tile/<L>/<N>.p/<W>, tile/entries/<N>.
Partial tiles exist for levels 1 and up; the partial level 0 is the tail file (tail.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from noghost.errors import LedgerError
from noghost.ledger.files import make_directory, replace
from noghost.ledger.tree import HASH_BYTES, Frontier, fold, node_hash

WIDTH = 256
LEVEL_BITS = 8


def index_path(index: int) -> str:
    """A tile index as zero-padded groups of 3 digits: 1234067 is "x001/x234/067"."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups))


def split_records(data: bytes) -> tuple[list[bytes], int]:
    """The whole records of an entry bundle, and how many bytes they take up.

    A record is a big-endian uint16 length, never 0, and that many bytes.
    """
    records, position = [], 0
    while position + 2 <= len(data):
        stop = position + 2 + int.from_bytes(data[position : position + 2], "big")
        if stop == position + 2 or stop > len(data):
            break
        records.append(data[position + 2 : stop])
        position = stop
    return records, position


def join_record(data: bytes) -> bytes:
    """One record of an entry bundle."""
    return len(data).to_bytes(2, "big") + data


def join_records(records: Sequence[bytes]) -> bytes:
    """A whole entry bundle, or a tail."""
    return b"".join(map(join_record, records))


class Tiles:
    """Tiles and bundles under one ledger directory. Methods raise LedgerError for a damaged file."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def bundle_path(self, number: int) -> Path:
        return self._root / "tile" / "entries" / index_path(number)

    def tile_path(self, level: int, number: int, width: int = WIDTH) -> Path:
        full = self._root / "tile" / str(level) / index_path(number)
        return full if width == WIDTH else full.with_name(full.name + ".p") / str(width)

    def count_bundles(self, guess: int) -> int:
        """How many bundles there are from 0 on; quick if `guess` is close."""
        while guess and not self.bundle_path(guess - 1).exists():
            guess -= 1
        while self.bundle_path(guess).exists():
            guess += 1
        return guess

    def bundle(self, number: int) -> list[bytes]:
        """The 256 records of a bundle."""
        data = _read(self.bundle_path(number))
        records, used = split_records(data)
        if len(records) != WIDTH or used != len(data):
            raise damaged(f"entry bundle {number}")
        return records

    def tile(self, level: int, number: int, width: int = WIDTH) -> bytes:
        """The hashes of a tile, `width` * 32 bytes."""
        data = _read(self.tile_path(level, number, width)) if width else b""
        if len(data) != width * HASH_BYTES:
            raise damaged(f"tile {level}/{number}")
        return data

    def write(self, number: int, leaves: bytes) -> None:
        """Write the full level-0 tile `number` (256 * 32 bytes) and what it adds to the levels above.

        Idempotent: a crash in the middle is mended by doing it again. Raises OSError.
        """
        level, hashes = 0, leaves
        while True:
            path = self.tile_path(level, number, len(hashes) // HASH_BYTES)
            make_directory(path.parent)
            replace(path, hashes)
            if len(hashes) < WIDTH * HASH_BYTES:
                return
            number, slot = divmod(number, WIDTH)
            level, root = level + 1, fold(split_hashes(hashes))
            hashes = self.tile(level, number, slot) + root

    def prune(self, number: int) -> None:
        """Remove the partial tiles that bundle `number` made superfluous."""
        level, slot = 0, WIDTH - 1
        while slot == WIDTH - 1:
            level, (number, slot) = level + 1, divmod(number, WIDTH)
            stale = self.tile_path(level, number, slot)
            with suppress(OSError):
                stale.unlink(missing_ok=True)
                stale.parent.rmdir()

    def frontier(self, bundles: int) -> Frontier:
        """The frontier over that many full bundles; reads one partial tile a level."""
        pushes = []
        level, count = 1, bundles
        while count:
            hashes = split_hashes(self.tile(level, count // WIDTH, count % WIDTH))
            pushes.append((level * LEVEL_BITS, hashes))
            level, count = level + 1, count // WIDTH
        frontier = Frontier()
        for height, hashes in reversed(pushes):
            for digest in hashes:
                frontier = frontier.push(height, digest)
        return frontier

    def records(self, bundles: int) -> Iterator[bytes]:
        """Every record of the full bundles, in order, one bundle in memory at a time."""
        for number in range(bundles):
            yield from self.bundle(number)


class Hashes:
    """A `tree.Node` over full tiles and the leaf hashes of the tail; short-lived, caches its tiles."""

    def __init__(self, tiles: Tiles, bundles: int, tail: Sequence[bytes]) -> None:
        self._tiles, self._bundles, self._tail = tiles, bundles, tail
        self._cache: dict[tuple[int, int], bytes] = {}

    def __call__(self, height: int, index: int) -> bytes:
        """The hash of the complete subtree over [index * 2^height, (index + 1) * 2^height)."""
        level, rest = divmod(height, LEVEL_BITS)
        first, width = index << rest, 1 << rest
        stored = (self._bundles * WIDTH) >> (level * LEVEL_BITS)
        if first + width <= stored:
            return fold(self._stored(level, first, width, stored))
        if height == 0:
            return self._tail[index - self._bundles * WIDTH]
        return node_hash(self(height - 1, 2 * index), self(height - 1, 2 * index + 1))

    def _stored(self, level: int, first: int, width: int, stored: int) -> list[bytes]:
        number, start = divmod(first, WIDTH)
        if (level, number) not in self._cache:
            self._cache[level, number] = self._tiles.tile(level, number, min(WIDTH, stored - number * WIDTH))
        data = self._cache[level, number]
        return split_hashes(data[start * HASH_BYTES : (start + width) * HASH_BYTES])


def split_hashes(data: bytes) -> list[bytes]:
    """32 bytes each."""
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def damaged(what: str) -> LedgerError:
    """The error for a file that is missing, cut or not what it must be."""
    return LedgerError(
        f"cannot trust the ledger: {what} is missing or damaged",
        "the ledger was truncated or rewritten; restore it from a backup and keep this copy as evidence",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise damaged(f"the file {path.name} in {path.parent}") from error
