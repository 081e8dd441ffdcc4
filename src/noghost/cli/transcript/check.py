"""`noghost transcript check`: is each file a transcript, and are the facts in it what they should be."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from noghost.client.transcript import Transcript, TranscriptError, TranscriptFile
from noghost.client.transcript.check import problems


@click.command()
@click.argument("paths", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
def check(paths: tuple[Path, ...]) -> None:
    """Check transcripts: their form, and what is known of each turn. Nothing is changed.

    Exit status 1 if there is anything to say. Whether the receipts hold is for `noghost receipts verify`.
    """
    if not all([is_right(path) for path in paths]):  # noqa: C419  every file is looked at
        sys.exit(1)


def is_right(path: Path) -> bool:
    """Print what is wrong with a file, or that nothing is."""
    try:
        transcript = TranscriptFile(path).read()
    except TranscriptError as error:
        click.echo(f"{path}: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        return False
    found = list(problems(transcript))
    for problem in found:
        click.echo(f"{path}: line {problem.line}: turn {problem.turn}: {problem.reason}")
    if not found:
        click.echo(f"{path}: ok, {told(transcript)}")
    return not found


def told(transcript: Transcript) -> str:
    """How many turns there are, and how many of them have what can be checked later."""
    receipts = sum("receipt" in turn.facts for turn in transcript.turns)
    keys = sum("key" in turn.facts for turn in transcript.turns)
    return f"turns: {len(transcript.turns)}, receipts: {receipts}, keys: {keys}"
