"""What the hunter looks for: one text, cut into windows, in every encoding a server may keep it in.

A copy need not be whole: an allocator overwrites the head of a freed block, a ring buffer cuts it. So each
text is searched in short windows, and windows that lie behind one another are counted as one copy later
(`scan.py`). A window of text is searched as UTF-8, UTF-16 and UTF-32 (CPython keeps text beyond U+FFFF so),
JSON-escaped and base64; a run of token ids as little-endian int32 and int64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

TEXT_WIDTH_CHARS = 24
# More than one word has, so that the words given to `/tokenize` one by one hold no window (`tokenise.py`).
TOKEN_WIDTH_IDS = 12
# Tokenisation depends on the neighbours, so the ids at both edges are not evidence.
TOKEN_EDGE_IDS = 2
# Each window is one pass over the memory for each encoding; evenly spread ones tell as much as all.
MAX_WINDOWS = 8
# Shorter windows could stand somewhere by chance.
MIN_CHARS = 12
MIN_IDS = 5
MIN_DISTINCT = 5

TEXT, TOKENS = "text", "token ids"
# Encodings that share most bytes with UTF-8: one such window names the encoding of the whole copy.
TELLING = ("json", "latin-1")


@dataclass(frozen=True, slots=True)
class Needle:
    """One window in one encoding. `raw` stays out of the repr, since it is content.

    `index` is the window's place in its text; `extent_bytes` the length of the whole text in this encoding;
    `source` tells texts of the same `what` apart; encodings of one `family` can overlap in one copy.
    """

    raw: bytes = field(repr=False)
    encoding: str
    what: str
    index: int
    extent_bytes: int
    source: int = 0
    family: str = TEXT


def needles_for(
    text: str,
    tokens: Sequence[int] | None = None,
    *,
    what: str = "canary",
    source: int = 0,
    width_chars: int = TEXT_WIDTH_CHARS,
    exclude: Sequence[str] = (),
) -> list[Needle]:
    """Every needle for `text` and, if given, for its token ids.

    Windows that stand in one of the `exclude` texts, repeat in the text or hardly vary are left out.
    Returns an empty list when nothing in the text is distinctive enough.
    """
    needles: dict[bytes, Needle] = {}
    for index, window in windows_of(text, width_chars, exclude):
        for encoding, family, raw, stretch in _encoded(window):
            extent = int(len(text.encode()) * stretch) + 8
            needles.setdefault(raw, Needle(raw, encoding, what, index, extent, source, family))
    for needle in _token_needles(tokens or (), what, source):
        needles.setdefault(needle.raw, needle)
    return list(needles.values())


def windows_of(text: str, width_chars: int, exclude: Sequence[str] = ()) -> list[tuple[int, str]]:
    """At most MAX_WINDOWS distinctive windows of `text`, non-overlapping, with their index."""
    cut = (text[at : at + width_chars] for at in range(0, len(text), width_chars))
    windows = [
        (index, window)
        for index, window in enumerate(cut)
        if len(window) >= MIN_CHARS
        and len(set(window)) >= MIN_DISTINCT
        and text.count(window) == 1
        and not any(window in other for other in exclude)
    ]
    return windows[:: -(-len(windows) // MAX_WINDOWS) or 1]


def _encoded(window: str) -> Iterator[tuple[str, str, bytes, float]]:
    """Yield (encoding, family, bytes, bytes of this encoding for one byte of UTF-8, at most)."""
    utf8 = window.encode()
    yield "utf-8", TEXT, utf8, 6.0
    # 6: a JSON-escaped copy holds windows that read the same in UTF-8, and they belong to that one copy.
    for escaped in _json_forms(window):
        yield "json", TEXT, escaped, 6.0
    if not window.isascii() and max(window) <= "\xff":  # CPython keeps such text as one byte a character
        yield "latin-1", TEXT, window.encode("latin-1"), 6.0
    yield "utf-16-le", "utf-16", window.encode("utf-16-le"), 2.0
    yield "utf-16-be", "utf-16", window.encode("utf-16-be"), 2.0
    yield "utf-32-le", "utf-32-le", window.encode("utf-32-le"), 4.0
    for encoded in _base64_forms(utf8):
        yield "base64", "base64", encoded, 1.4


def _json_forms(window: str) -> Iterator[bytes]:
    """The three ways in which JSON writers differ: \\u00e9, \\u00E9, or only quotes and control codes."""
    for ascii_only in (True, False):
        yield json.dumps(window, ensure_ascii=ascii_only)[1:-1].encode()
    yield "".join(_json_upper(char) for char in window).encode()


def _json_upper(char: str) -> str:
    escaped = json.dumps(char)[1:-1]
    return "\\u" + escaped[2:].upper() if escaped.startswith("\\u") and len(escaped) == 6 else escaped


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """Both alphabets at all three alignments, without the characters that depend on the neighbours.

    With s bytes before it in the quantum, the first characters that mix in foreign bits are 0, 2 or 3 (RFC
    4648, section 4); at the end it is the last character and the padding.
    """
    for shift, foreign in ((0, 0), (1, 2), (2, 3)):
        padded = base64.b64encode(b"\0" * shift + raw)
        tail = {0: 0, 1: 3, 2: 2}[(shift + len(raw)) % 3]
        kept = padded[foreign : len(padded) - tail]
        yield kept
        yield kept.translate(bytes.maketrans(b"+/", b"-_"))


def _token_needles(tokens: Sequence[int], what: str, source: int) -> Iterator[Needle]:
    core = tokens[TOKEN_EDGE_IDS : len(tokens) - TOKEN_EDGE_IDS]
    for index, at in enumerate(range(0, len(core), TOKEN_WIDTH_IDS)):
        window = core[at : at + TOKEN_WIDTH_IDS]
        whole = len(window) == TOKEN_WIDTH_IDS or (index == 0 and len(window) >= MIN_IDS)
        if whole and len(set(window)) >= MIN_IDS:
            for size_bytes in (4, 8):
                name = f"{TOKENS} int{size_bytes * 8}"
                raw = b"".join(token.to_bytes(size_bytes, "little") for token in window)
                yield Needle(raw, name, what, index, len(tokens) * size_bytes, source, name)
