"""`noghost gap`: the time in which nothing existed, of a conversation or of a service."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from noghost.cli.status import clock
from noghost.cli.where import CONFIG, ledger_named
from noghost.client.gap.drawing import bar, png, svg
from noghost.client.gap.of_ledger import MINUTE_S
from noghost.client.gap.of_ledgers import of_ledgers
from noghost.client.gap.of_transcript import of_transcript
from noghost.client.gap.record import Bounds, Record
from noghost.client.length import duration
from noghost.client.receipts import open_existing
from noghost.client.transcript import TranscriptFile
from noghost.errors import ConfigError

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("transcript", metavar="[FILE]", type=FILE, required=False)
@click.option(
    "--ledger",
    "ledgers",
    metavar="[DIR]",
    is_flag=False,
    flag_value="",
    multiple=True,
    help="Of the service with the ledger in DIR, or where it would be found, in place of a file. Again for more nodes.",
)
@CONFIG
@click.option("--out", metavar="FILE", type=FILE, help="Draw it into FILE.svg or FILE.png.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gap(
    transcript: Path | None, ledgers: tuple[str, ...], file: Path | None, out: Path | None, *, as_json: bool
) -> None:
    """Tell the gaps of a conversation, from its transcript FILE, or of a service, from its --ledger.

    The bar is the time from the first birth to the last end: a block for what existed (the higher, the larger a part of
    that slice of time), a dot for nothing, a shade where the record does not say. A figure that is not exact has two
    bounds. Of a ledger the times are minutes; it has no entry of what computed nothing. Of several ledgers: the time in
    which nothing existed on any of their nodes, as far as their clocks agree.
    """
    record, of = read(transcript, ledgers, file)
    if out:
        draw(record, f"The gaps of {of}", out)
    click.echo(json.dumps(as_dict(record), indent=2) if as_json else "\n".join([*picture(record), *words(record)]))


def read(transcript: Path | None, ledgers: Sequence[str], file: Path | None) -> tuple[Record, str]:
    """(what is told, of what). `file`: a service's, which may say where the ledger is."""
    if (transcript is not None) == bool(ledgers):
        raise ConfigError("gaps of a file, or of a ledger", "give FILE or --ledger, and not both")
    if transcript is not None:
        return of_transcript(TranscriptFile(transcript).read()), transcript.name
    with ExitStack() as held:
        opened = [held.enter_context(closing(open_existing(ledger_named(name, file)))) for name in ledgers]
        names = [ledger.origin for ledger in opened]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"two of the ledgers are one log, {twice}", "name each node's ledger once")
        return of_ledgers([ledger.entries() for ledger in opened]), ", ".join(names)


def draw(record: Record, head: str, out: Path) -> None:
    """By the name's ending. Raises ConfigError."""
    kind = out.suffix.lower()
    if kind not in (".svg", ".png"):
        raise ConfigError("--out draws SVG or PNG", "name a file that ends in .svg or .png")
    lines = [*([" to ".join(ends(record))] if record.length_s else []), *words(record)]
    data = svg(record, head, lines).encode() if kind == ".svg" else png(record, head, lines)
    try:
        out.write_bytes(data)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"could not write the picture: {reason}", "name another file with --out") from None


def picture(record: Record) -> list[str]:
    """The bar, and when it begins and ends."""
    width = max(44, min(120, shutil.get_terminal_size().columns))
    if not record.length_s:
        return []
    start, end = ends(record)
    return [bar(record, width), f"{start}{end:>{width - len(start)}}"]


def ends(record: Record) -> tuple[str, str]:
    """When the bar begins and ends."""
    return clock(record.stretches[0].start_s), clock(record.stretches[-1].end_s)


def words(record: Record) -> list[str]:
    """The figures, and how exact they are."""
    share = record.share
    if share is None:
        found = f"none of {record.instances} answers has its times" if record.instances else "there was no instance yet"
        return [f"nothing can be told: {found}"]
    minutes = record.step_s == MINUTE_S
    lines = [
        f"gaps       {number(record.count)}, of {record.instances} instances",
        f"longest    {length(record.longest_s)}",
        f"in all     {length(record.total_s)}, of {duration(record.length_s)}",
        f"nothing    in {percent(share)} of that time",
        f"exact to   {'the minute, as the ledger is' if minutes else 'the millisecond, by the clock of who wrote it'}",
    ]
    if record.untold:
        why = "no end in the ledger" if minutes else "no times in the file"
        lines.append(f"untold     {record.untold} with {why}: where they may have lived is in no least figure")
    if record.backwards:
        lines.append(f"backwards  {record.backwards} times before the one that they follow: was the clock set?")
    return lines


def number(bounds: Bounds) -> str:
    """A count, or two."""
    return f"{bounds.least}" if bounds.least == bounds.most else f"{bounds.least} to {bounds.most}"


def length(bounds: Bounds) -> str:
    """A time, or two."""
    if bounds.most - bounds.least < 0.001:
        return duration(bounds.least)
    return f"{duration(bounds.least)} to {duration(bounds.most)}"


def percent(share: Bounds) -> str:
    """Rounded outwards, so that 100 % is never said of less; one that is exact, down."""
    least = math.floor(share.least * 1e4) / 100
    if share.least == share.most:
        return f"{least:g} %"
    return f"{least:g} to {math.ceil(share.most * 1e4) / 100:g} %"


def as_dict(record: Record) -> dict[str, Any]:
    """Everything that is known, with units in the names."""
    figures = {"gaps": record.count, "longest_s": record.longest_s, "total_s": record.total_s, "share": record.share}
    return {
        "ends": ends(record) if record.length_s else None,
        "length_s": record.length_s,
        **{name: bounds and bounds._asdict() for name, bounds in figures.items()},
        "instances": record.instances,
        "untold": record.untold,
        "backwards": record.backwards,
        "exact_to_s": record.step_s,
    }
