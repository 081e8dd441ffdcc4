"""A comparison's result for people (a plain table) and for machines (JSON)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from noghost.client.bench.peer import Peer
from noghost.client.bench.ratio import quartiles, ratio
from noghost.client.bench.rounds import Plan

# measure, what it is called, scale, unit, which way is better
MEASURES = (
    ("ttft_s", "TTFT, {} prompt tokens", 1e3, "ms", "lower"),
    ("decode_tok_s", "decode, {} caller", 1.0, "tok/s", "higher"),
    ("total_tok_s", "throughput, {} at once", 1.0, "tok/s", "higher"),
)


def rows(base: Peer, subject: Peer) -> Iterator[dict[str, Any]]:
    """One measure of one size: median and quartiles of each, their ratio and its 95 % interval."""
    for measure, label, scale, unit, better in MEASURES:
        for size in sorted(base.samples[measure]):
            sides = [[value * scale for value in peer.samples[measure][size]] for peer in (base, subject)]
            middle, low, high = ratio(*sides)
            yield {
                "measure": label.format(size),
                "unit": unit,
                "better": better,
                **{peer.name: _spread(side) for peer, side in zip((base, subject), sides, strict=True)},
                "ratio": middle,
                "interval_95": [low, high],
            }


def to_json(base: Peer, subject: Peer, plan: Plan) -> str:
    """One object: what was compared, how, the rows, what to bear in mind, and every sample."""
    return json.dumps(
        {
            "peers": {peer.name: {"url": peer.server.url, "model": peer.model} for peer in (base, subject)},
            "rounds": plan.rounds,
            "answer_tokens": plan.answer_tokens,
            "rows": list(rows(base, subject)),
            "notes": notes(base, subject, plan),
            "samples": {peer.name: peer.samples for peer in (base, subject)},
        }
    )


def render(base: Peer, subject: Peer, plan: Plan) -> str:
    """The table and the notes; without a newline at the end."""
    head = ("", "unit", base.name, subject.name, f"{subject.name} / {base.name}")
    cells = [
        (
            row["measure"],
            row["unit"],
            *(_cell(row[peer.name]) for peer in (base, subject)),
            f"{row['ratio']:.2f} ({row['interval_95'][0]:.2f} to {row['interval_95'][1]:.2f})",
        )
        for row in rows(base, subject)
    ]
    named = [f"{peer.name}: {peer.model} at {peer.server.url}" for peer in (base, subject)]
    return "\n".join([*named, "", *_aligned([head, *cells]), "", *notes(base, subject, plan)])


def notes(base: Peer, subject: Peer, plan: Plan) -> list[str]:
    """What the figures are, and what makes them less than a fair comparison."""
    told = [
        f"Medians (quartiles) of {plan.rounds} rounds; ratios of medians (95 % interval, rounds resampled in pairs).",
        "TTFT: lower is better; the others: higher is better. Tokens are each server's own count.",
    ]
    if base.model != subject.model:
        told.append("The models have different names: unless they are one file, the work is not the same.")
    for peer in (base, subject):
        told += _counted_otherwise(peer, plan)
        answers = [tokens for side in peer.samples["answer_tokens"].values() for tokens in side]
        if min(answers) < plan.answer_tokens:
            told.append(
                f"{peer.name} does not ignore the end of text: {statistics.mean(answers):.1f} tokens an answer on "
                f"average, not {plan.answer_tokens}."
            )
    return told


def _counted_otherwise(peer: Peer, plan: Plan) -> Iterator[str]:
    for length in plan.lengths:
        low, high = min(peer.samples["prompt_tokens"][length]), max(peer.samples["prompt_tokens"][length])
        if (low, high) != (length, length):
            yield f"{peer.name} counted prompts of {length} tokens as {low:g} to {high:g}."


def _spread(side: Sequence[float]) -> dict[str, float]:
    low, high = quartiles(side)
    return {"median": statistics.median(side), "low": low, "high": high}


def _cell(spread: dict[str, float]) -> str:
    digits = 0 if spread["median"] >= 100 else 1
    return f"{spread['median']:.{digits}f} ({spread['low']:.{digits}f} to {spread['high']:.{digits}f})"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
