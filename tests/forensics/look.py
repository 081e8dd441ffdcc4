"""Search a guest's physical memory for what was said, and say what each page with a copy is used for.

Covered: every byte of the guest's memory, kernel included, and what it wrote to its disk; as `noghost hunt` does, in
UTF-8, JSON-escaped, UTF-16, UTF-32, base64 and token ids, in windows, so that a cut copy counts.
Not covered: copies smaller than a window, windows across two pages that lie apart in physical memory (their
neighbours count), compressed or encrypted text, activations and the KV cache, registers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from machine import Machine

from noghost.client.hunt import Find, Needle, count_in_file, needles_for
from noghost.client.hunt.talk import CANARY_WINDOW_CHARS, PUBLIC_TEXTS
from noghost.client.hunt.tokenise import ids_from_gguf

PAGE_BYTES = 4096
# Bits of /proc/kpageflags: Linux, Documentation/admin-guide/mm/pagemap.rst
LRU, SLAB, BUDDY, MAPPED, ANONYMOUS, PAGE_TABLE = (1 << bit for bit in (5, 7, 10, 11, 12, 26))
AROUND_BYTES = 192
CHUNK_BYTES, OVERLAP_BYTES = 4 << 20, 1 << 10  # no needle is longer than the overlap


@dataclass(frozen=True)
class Said:
    """One exchange, kept on the host."""

    canary: str = field(repr=False)
    answer: str = field(repr=False, default="")


@dataclass(frozen=True)
class Copy:
    """One copy that was found."""

    frame: int
    offset_bytes: int  # in its page
    encoding: str
    what: str
    where: str
    around: str = field(repr=False, default="")  # printable bytes beside it: canaries are nobody's secret


def needles_of(said: Sequence[Said], weights: Path, *, answers: bool = True) -> list[Needle]:
    """Everything that tells these exchanges, in every encoding."""
    texts = [(source, "canary", one.canary) for source, one in enumerate(said)]
    if answers:
        texts += [(source, "answer", one.answer) for source, one in enumerate(said) if one.answer]
    ids = ids_from_gguf(weights, [text for _, _, text in texts])
    needles: list[Needle] = []
    for (source, what, text), tokens in zip(texts, ids, strict=True):
        width = {"width_chars": CANARY_WINDOW_CHARS} if what == "canary" else {}
        public = () if what == "canary" else (*PUBLIC_TEXTS, said[source].canary)
        needles += needles_for(text, tokens, what=what, source=source, exclude=public, **width)
    return needles


def unknown_before(needles: Sequence[Needle], before: Path) -> list[Needle]:
    """Without those that stood in memory before anything was said: an answer may recite what is public.

    Raises AssertionError when a canary did: then the test itself put it there.
    """
    known = set()
    for chunk in chunks(before):
        known |= {needle for needle in needles if needle.raw in chunk}
    assert not [needle for needle in known if needle.what == "canary"], "a canary was in the guest before it was said"
    return [needle for needle in needles if needle not in known]


def chunks(path: Path) -> Iterator[bytes]:
    """A file in overlapping pieces, without those that are all zero."""
    with path.open("rb") as file:
        while len(chunk := file.read(CHUNK_BYTES)) > OVERLAP_BYTES:
            if chunk.count(0) < len(chunk):
                yield chunk
            file.seek(-OVERLAP_BYTES, 1)


def search(guest: Machine, needles: Sequence[Needle]) -> list[Copy]:
    """Stop the guest, search its memory, let it go on, and ask it what those pages are."""
    with guest.stopped() as memory:
        finds = count_in_file(memory, needles)
        around = [beside(memory, find.address) for find in finds]
    used = uses(guest, sorted({find.address // PAGE_BYTES for find in finds}))
    return [copy(find, used, text) for find, text in zip(finds, around, strict=True)]


def copy(find: Find, used: dict[int, str], around: str) -> Copy:
    frame, offset_bytes = divmod(find.address, PAGE_BYTES)
    return Copy(frame, offset_bytes, find.encoding, find.what, used[frame], around)


def uses(guest: Machine, frames: list[int]) -> dict[int, str]:
    """What each page frame is used for, a moment after."""
    used = {page["frame"]: use(page["flags"], page["owners"]) for page in guest.do("frames", numbers=frames)}
    unclear = [frame for frame, told in used.items() if told == KERNEL]
    if unclear:  # a page free on a processor's own list looks like a kernel's buffer, until those lists are drained
        guest.do("write", path="/proc/sys/vm/compact_memory", text="1")
        again = {page["frame"]: use(page["flags"], page["owners"]) for page in guest.do("frames", numbers=unclear)}
        used |= {frame: FREE for frame, told in again.items() if told == FREE}
    return used


KERNEL, FREE = "kernel: other page in use", "kernel: free page"


def use(flags: int, owners: list[str]) -> str:
    """In words, from the kernel's flags and the processes that have the page mapped."""
    if flags & BUDDY:
        return FREE
    if flags & SLAB:
        return "kernel: slab"
    if flags & PAGE_TABLE:
        return "kernel: page table"
    if flags & MAPPED or owners:
        kind = "memory" if flags & ANONYMOUS else "mapped file"
        return f"{kind} of {' + '.join(sorted(set(owners))) or 'a process'}"
    return "page cache" if flags & LRU else KERNEL


def beside(memory: Path, address: int) -> str:
    """What stands around an address, as far as it can be printed."""
    with memory.open("rb") as file:
        start = max(address - AROUND_BYTES, address // PAGE_BYTES * PAGE_BYTES)
        file.seek(start)
        raw = file.read(address - start + AROUND_BYTES)
    return re.sub(r"\.{4,}", "…", "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw))


def tally(copies: Sequence[Copy]) -> dict[str, int]:
    """How many copies where."""
    return dict(Counter(one.where for one in copies).most_common())
