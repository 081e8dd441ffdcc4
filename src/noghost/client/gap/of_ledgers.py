"""The gaps of several nodes together: the time in which nothing existed on any of them, from the ledger of each.

Within one ledger the order of entries is exact; between two only their minutes can be compared, and those by clocks
that may differ. So of several the number of gaps has bounds as well: sure is each stretch in which every ledger has
nothing, and there are at most as many as if no life on one node had overlapped a life on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from noghost.client.gap.of_ledger import walked
from noghost.client.gap.record import Bounds, Gap, Kind, Record, Stretch, joined
from noghost.ledger.entry import Entry

EVER = float("inf")


def of_ledgers(logs: Sequence[Iterable[Entry]]) -> Record:
    """Of one node or of many; a node is nothing before its first entry, and after its last unless an end is missing."""
    told = [walked(entries) for entries in logs]
    records = [record for record, _ in told if record.stretches] or [record for record, _ in told]
    if len(records) == 1:
        return records[0]
    stretches = union([always(record, is_doubtful) for record, is_doubtful in told if record.stretches])
    most = sum(len(record.gaps) + 1 for record in records) - 1
    return Record(
        stretches,
        gaps_of(stretches, most),
        sum(record.instances for record, _ in told),
        sum(record.untold for record, _ in told),
        sum(record.backwards for record, _ in told),
        records[0].step_s,
    )


def always(record: Record, is_doubtful: bool) -> list[Stretch]:
    """Its stretches, with the time before and after."""
    first, last = record.stretches[0], record.stretches[-1]
    after: Kind = "unknown" if is_doubtful else "nothing"
    return [Stretch(-EVER, first.start_s, "nothing"), *record.stretches, Stretch(last.end_s, EVER, after)]


def union(nodes: Sequence[Sequence[Stretch]]) -> tuple[Stretch, ...]:
    """From the first birth to the last end: something where one node has it, nothing where all have."""
    bounds = sorted({stretch.start_s for node in nodes for stretch in node} - {-EVER})
    found, at = [], [0] * len(nodes)
    for start_s, end_s in pairwise(bounds):
        for number, node in enumerate(nodes):
            while node[at[number]].end_s <= start_s:
                at[number] += 1
        found.append(Stretch(start_s, end_s, together({node[now].kind for node, now in zip(nodes, at, strict=True)})))
    return joined(found)


def together(kinds: set[Kind]) -> Kind:
    """Of one stretch on all nodes."""
    order: tuple[Kind, ...] = ("something", "unknown", "nothing")
    return next(kind for kind in order if kind in kinds)


def gaps_of(stretches: Sequence[Stretch], most: int) -> tuple[Gap, ...]:
    """Those that are sure, and as many more as there may be, which lie in what is unknown."""
    lengths = [0.0, *(stretch.length_s if stretch.kind == "unknown" else 0.0 for stretch in stretches), 0.0]
    sure = [
        Gap(Bounds(stretch.length_s, lengths[at] + stretch.length_s + lengths[at + 2]), sure=True)
        for at, stretch in enumerate(stretches)
        if stretch.kind == "nothing"
    ]
    return (*sure, *[Gap(Bounds(0.0, max(lengths)), sure=False)] * (most - len(sure)))
