"""A record as a bar of time: columns for a terminal, SVG, PNG.

SVG is text, and PNG is zlib and four checksums: both are written here, in a few lines, so that nobody needs a plotting
library (and its 30 packages) for one bar. The PNG has no letters in it, for which it would need a font; the figures
stand in its description. In both, a column shows at least a line where something existed for a moment.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from xml.sax.saxutils import escape  # writes only; nothing is parsed

from noghost.client.gap.record import Kind, Record

WIDTH, HEIGHT = 960, 120  # pixels of the bar
MARGIN, LINE = 20, 20  # around it; between lines of text
LEVELS = "▁▂▃▄▅▆▇█"
EMPTY, MAYBE = "·", "░"
BACKGROUND, ALIVE, UNKNOWN = (0xF2, 0xF2, 0xEF), (0x1B, 0x1B, 0x1F), (0xB9, 0xB9, 0xC4)


class Column(NamedTuple):
    """Of one slice of time: the shares of it, 0 to 1, in which something existed, and of which nothing is known."""

    alive: float
    unknown: float


def columns(record: Record, count: int) -> list[Column]:
    """So many slices of equal length, from the first birth to the last end."""
    shares: dict[Kind, list[float]] = {"something": [0.0] * count, "nothing": [0.0] * count, "unknown": [0.0] * count}
    if record.length_s:
        start_s, width_s = record.stretches[0].start_s, record.length_s / count
        for stretch in record.stretches:
            first, last = ((moment - start_s) / width_s for moment in stretch[:2])
            for at in range(int(first), min(count, int(last) + 1)):
                shares[stretch.kind][at] += max(0.0, min(last, at + 1) - max(first, at))
    return [Column(*pair) for pair in zip(shares["something"], shares["unknown"], strict=True)]


def bar(record: Record, count: int) -> str:
    """One line of a terminal. A block's height is the share in which something existed, what is unknown included."""
    return "".join(map(letter, columns(record, count)))


def letter(column: Column) -> str:
    """Of one column; one of which hardly anything is known for certain has a letter of its own."""
    if column.alive == 0 and column.unknown > 0.5:
        return MAYBE
    most = column.alive + column.unknown
    return LEVELS[min(len(LEVELS) - 1, int(most * len(LEVELS)))] if most else EMPTY


def svg(record: Record, head: str, lines: Sequence[str]) -> str:
    """A picture with its figures in words."""
    shapes = "".join(rectangles(columns(record, WIDTH)))
    words = "".join(
        f'<text x="{MARGIN}" y="{MARGIN + HEIGHT + LINE * (at + 1)}">{escape(line)}</text>'
        for at, line in enumerate(lines)
    )
    width, height = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN + LINE * len(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif"'
        f' font-size="14"><title>{escape(head)}</title><desc>{escape(" ".join(lines))}</desc>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="{web(BACKGROUND)}"/>'
        f"{shapes}{words}</svg>\n"
    )


def rectangles(found: Iterable[Column]) -> Iterator[str]:
    """What is alive stands on the ground, what is unknown on top of it; equal neighbours are one."""
    left = MARGIN
    for (alive, unknown), equal in groupby(map(pixels, found)):
        width = len(list(equal))
        for height, foot, color in ((alive, 0, ALIVE), (unknown, alive, UNKNOWN)):
            if height:
                top = MARGIN + HEIGHT - foot - height
                yield f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{web(color)}"/>'
        left += width


def pixels(column: Column) -> tuple[int, int]:
    """Heights of both parts; each is seen, however small."""
    alive, unknown = (max(1, round(share * HEIGHT)) if share else 0 for share in column)
    alive = min(alive, HEIGHT - bool(unknown))
    return alive, min(unknown, HEIGHT - alive)


def web(color: tuple[int, int, int]) -> str:
    """#rrggbb."""
    return "#" + bytes(color).hex()


def png(record: Record, head: str, lines: Sequence[str]) -> bytes:
    """The bar alone: three colours, a byte a pixel, its words in the chunks Title and Description (UTF-8, iTXt)."""
    heights = [pixels(column) for column in columns(record, WIDTH)]
    rows = (
        b"\0" + bytes(1 if up < alive else 2 if up < alive + unknown else 0 for alive, unknown in heights)
        for up in range(HEIGHT - 1, -1, -1)
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)  # 8 bits, palette; W3C PNG, section 11.2.1
    texts = (("Title", head), ("Description", "\n".join(lines)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            chunk(b"IHDR", header),
            chunk(b"PLTE", bytes((*BACKGROUND, *ALIVE, *UNKNOWN))),
            *(chunk(b"iTXt", name.encode() + b"\0\0\0\0\0" + text.encode()) for name, text in texts),
            chunk(b"IDAT", zlib.compress(b"".join(rows))),
            chunk(b"IEND", b""),
        )
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """Length, kind, data, checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
