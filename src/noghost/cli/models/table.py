"""Models as lines of a table: what is known of each, and what was measured when it was prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from noghost.weights.prepared import Prepared

HEAD = ("", "size", "prefill", "decode", "perplexity", "same answers")
NONE = "-"


def document(made: Prepared) -> dict[str, Any]:
    """All that is known of a prepared one."""
    return {**asdict(made), "size_bytes": made.size_bytes}


def row_of_source(made: Prepared) -> Sequence[str]:
    """What it was made of."""
    return (made.source, *figures(made.measured["source"]), NONE)


def row_of(made: Prepared) -> Sequence[str]:
    """The prepared one."""
    same = f"{made.measured['same_answers']} of {made.measured['answers']}"
    return (made.name, *figures(made.measured["prepared"]), same)


def unmeasured(name: str, size_bytes: int | None) -> Sequence[str]:
    """One that took part in no comparison."""
    return (name, NONE if size_bytes is None else size(size_bytes), *[NONE] * (len(HEAD) - 2))


def figures(measured: Mapping[str, float]) -> Sequence[str]:
    """Size, speeds, perplexity."""
    speeds = (f"{measured[key]:.0f} tok/s" for key in ("prefill_tok_s", "decode_tok_s"))
    return (size(measured["size_bytes"]), *speeds, f"{measured['perplexity']:.1f}")


def size(size_bytes: float) -> str:
    """Decimal megabytes, or gigabytes from ten of them on."""
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes < 1e10 else f"{size_bytes / 1e9:.1f} GB"


def millions(parameters: int) -> str:
    """Parameters in words."""
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; the first to the left, numbers to the right."""
    lines = (head, *rows)
    widths = [max(len(row[column]) for row in lines) for column in range(len(head))]
    return [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in ([*zip(row, widths, strict=True)] for row in lines)
    ]
