"""The bar of time: what it shows of a known record, and that both pictures are what they say they are."""

from __future__ import annotations

import struct
import zlib
from xml.etree import ElementTree

from noghost.client.gap.drawing import HEIGHT, WIDTH, bar, columns, png, svg
from noghost.client.gap.record import Kind, Record, Stretch, joined

HEAD, LINES = "The gaps of a < b", ["gaps 3 & more", "longest ü"]


def record(*parts: tuple[float, Kind]) -> Record:
    """Stretches of these lengths."""
    found, at = [], 1000.0
    for length, kind in parts:
        found.append(Stretch(at, at + length, kind))
        at += length
    return Record(joined(found), (), 1, 0, 0, 60)


WHOLE = record((10, "something"), (20, "nothing"), (10, "unknown"))


def test_a_column_is_what_happened_in_its_time() -> None:
    assert columns(WHOLE, 4) == [(1, 0), (0, 0), (0, 0), (0, 1)]
    assert columns(WHOLE, 2) == [(0.5, 0), (0, 0.5)]
    assert bar(WHOLE, 4) == "█··░"
    assert columns(record(), 3) == [(0, 0)] * 3


def test_a_moment_is_seen_in_a_year() -> None:
    year = record((1.1e7, "nothing"), (0.01, "something"), (1e7, "nothing"))
    assert bar(year, 60).replace("·", "") == "▁"
    assert pixels_of(png(year, HEAD, LINES)).count(1) == 1


def pixels_of(data: bytes) -> bytes:
    """Of a PNG without filters: the bytes of its pixels, all checksums checked."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, dict[bytes, bytes]()
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        found.setdefault(kind, body)
        at += 12 + length
    assert struct.unpack(">II", found[b"IHDR"][:8]) == (WIDTH, HEIGHT)
    assert found[b"iTXt"] == b"Title\0\0\0\0\0" + HEAD.encode()
    rows = zlib.decompress(found[b"IDAT"])
    assert len(rows) == HEIGHT * (WIDTH + 1)
    assert set(rows[:: WIDTH + 1]) == {0}
    return b"".join(rows[row * (WIDTH + 1) + 1 : (row + 1) * (WIDTH + 1)] for row in range(HEIGHT))


def test_the_png_has_each_kind_in_its_place() -> None:
    pixels = pixels_of(png(WHOLE, HEAD, LINES))
    for row in (pixels[:WIDTH], pixels[-WIDTH:]):
        assert row == b"\1" * 240 + b"\0" * 480 + b"\2" * 240


def test_the_svg_has_them_too_and_its_words_escaped() -> None:
    tree = ElementTree.fromstring(svg(WHOLE, HEAD, LINES))
    name = "{http://www.w3.org/2000/svg}"
    assert tree.findtext(f"{name}title") == HEAD
    assert [text.text for text in tree.iter(f"{name}text")] == LINES
    shapes = [(rect.get("x"), rect.get("width"), rect.get("height")) for rect in tree.iter(f"{name}rect")]
    assert shapes[2:] == [("20", "240", "120"), ("740", "240", "120")]
