"""`noghost status`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from noghost.cli.where import ledger_at, options
from noghost.client.length import duration
from noghost.client.status import Status, look


@click.command()
@options
@click.option("--watch", "watch_s", type=click.FloatRange(0, 3600), default=1.0, show_default=True, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(ledger: Path | None, file: Path | None, watch_s: float, as_json: bool) -> None:
    """What lives between invocations, and since when there was none.

    Wake-ups and processor time are measured from outside over --watch seconds.
    """
    seen = look(ledger_at(ledger, file), watch_s)
    click.echo(json.dumps(to_json(seen)) if as_json else to_text(seen))


def to_json(seen: Status) -> dict[str, object]:
    """Everything, with units in the names."""
    return {
        "last_end": None if seen.last_end_s is None else clock(seen.last_end_s),
        "gap_s": None if seen.gap_s is None else round(seen.gap_s, 3),
        "instances": seen.instances,
        "watched_s": seen.watched_s,
        "processes": [
            {
                "pid": process.pid,
                "role": process.role,
                "private_bytes": process.private_bytes,
                **({"wakeups": did.wakeups, "cpu_ms": did.cpu_ms} if (did := seen.activity.get(process.pid)) else {}),
            }
            for process in seen.processes
        ],
    }


def to_text(seen: Status) -> str:
    """A few lines for a person."""
    lines = [gap_line(seen), f"instances alive: {seen.instances}"]
    if not seen.processes:
        return "\n".join([*lines, "in the gap: no process; weights and ledger on the disk"])
    total = sum(process.private_bytes for process in seen.processes if process.role != "instance")
    lines.append(f"in the gap: {total / 1e6:.1f} MB private memory, watched for {seen.watched_s:g} s")
    lines += [
        f"  {process.role:9} pid {process.pid:<8} {process.private_bytes / 1e6:6.1f} MB private  "
        f"{did.wakeups} wake-ups  {did.cpu_ms:g} ms of processor time"
        for process in seen.processes
        if (did := seen.activity.get(process.pid))
    ]
    return "\n".join(lines)


def gap_line(seen: Status) -> str:
    """Since when there has been nothing."""
    if seen.last_end_s is None:
        return "no invocation has ended yet"
    if seen.gap_s is None:
        return f"last invocation ended {clock(seen.last_end_s)}; no gap now"
    return f"last invocation ended {clock(seen.last_end_s)}; the gap since then: {duration(seen.gap_s)}"


def clock(unix_s: float) -> str:
    """UTC to the second."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
