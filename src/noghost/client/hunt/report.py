"""A hunt's result for people (a table) and for machines (JSON); neither holds content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from noghost.client.hunt.scan import Find
from noghost.client.hunt.search import HuntResult

_HEADER = ("place", "kind", "encoding", "what", "copies", "first address")


def render(result: HuntResult) -> str:
    """The table and its closing line, without a newline at the end."""
    rows = [[*key, str(len(finds)), f"{finds[0].address:#x}"] for key, finds in _grouped(result.finds)]
    rows += [["everywhere", "-", *_split(missing), "not searched", "-"] for missing in result.not_searched]
    summary = f"searched {result.processes} processes and {result.files} files in {result.took_s:.1f} s"
    return "\n".join([*_columns([_HEADER, *rows] if rows else []), summary, closing_line(result)])


def closing_line(result: HuntResult) -> str:
    return f"hunt: {result.copies} copies in {result.places} places"


def to_json(result: HuntResult) -> str:
    """One JSON object: copies, places, processes, files, took_s, not_searched, finds."""
    finds = [
        dict(zip(("place", "kind", "encoding", "what"), key, strict=True))
        | {"copies": len(found), "first_address": found[0].address}
        for key, found in _grouped(result.finds)
    ]
    return json.dumps(
        {
            "copies": result.copies,
            "places": result.places,
            "processes": result.processes,
            "files": result.files,
            "took_s": round(result.took_s, 3),
            "not_searched": list(result.not_searched),
            "finds": finds,
        }
    )


def _grouped(finds: Iterable[Find]) -> list[tuple[tuple[str, str, str, str], list[Find]]]:
    groups: dict[tuple[str, str, str, str], list[Find]] = {}
    for find in sorted(finds, key=lambda find: find.address):
        groups.setdefault((find.place, find.kind, find.encoding, find.what), []).append(find)
    return sorted(groups.items())


def _split(missing: str) -> tuple[str, str]:
    """`token ids: why` as the columns encoding and what."""
    head, _, why = missing.partition(": ")
    return head, why


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADER))] if rows else []
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
