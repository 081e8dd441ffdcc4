"""`noghost transcript show`: a transcript in the terminal, or as JSON."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import click

from noghost.client.transcript import Transcript, TranscriptFile, Turn

INDENT = "    "


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all that is known of each turn.")
def show(path: Path, as_json: bool) -> None:
    """Show the turns of a transcript with their numbers, and when they were. Keys are shown with --json alone."""
    transcript = TranscriptFile(path).read()
    if as_json:
        click.echo(json.dumps(to_json(transcript), indent=1))
        return
    click.echo(f"{transcript.title}: {transcript.model}, {transcript.started}")
    for number, turn in enumerate(transcript.turns, start=1):
        click.echo(f"\n{head(number, turn)}\n{textwrap.indent(turn.text, INDENT)}")


def head(number: int, turn: Turn) -> str:
    """Number and role; when it was, and what else is known of it, by name."""
    when = [str(turn.facts[name]) for name in ("began", "ended") if name in turn.facts]
    others = sorted(turn.facts.keys() - {"began", "ended"})
    return "  ".join(part for part in (f"{number:>2}  {turn.role}", " – ".join(when), ", ".join(others)) if part)


def to_json(transcript: Transcript) -> dict[str, object]:
    """The transcript as an object; `unread` is a comment that is no JSON object."""
    turns = [
        {"role": turn.role, "text": turn.text, "facts": turn.facts} | ({"unread": turn.unread} if turn.unread else {})
        for turn in transcript.turns
    ]
    started = transcript.started.isoformat(" ")
    return {"title": transcript.title, "model": transcript.model, "started": started, "turns": turns}
