"""`noghost transcript convert`: from and to what other programs keep."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from zipfile import is_zipfile

import click

from noghost.client.transcript.file import decoded, encoded, reporting
from noghost.client.transcript.forms import READS, WRITERS, read, write
from noghost.client.transcript.forms.archive import texts
from noghost.client.transcript.forms.found import Found
from noghost.errors import TranscriptError
from noghost.ledger.files import FILE_MODE

ENDINGS = {"transcript": ".md", "openai": ".json", "sharegpt": ".json", "text": ".txt"}
NAME_CHARS = 40


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="[OUTPUT]", type=click.Path(path_type=Path), required=False)
@click.option("--from", "form", type=click.Choice(READS), help="The form of INPUT, where it cannot be told from it.")
@click.option("--to", "to", type=click.Choice(list(WRITERS)), default="transcript", show_default=True)
def convert(source: Path, target: Path | None, form: str | None, to: str) -> None:
    """Convert conversations from and to what other programs keep.

    INPUT is a transcript, OpenAI messages, ShareGPT, plain text, or Claude's or ChatGPT's data export: its
    conversations.json, or the zip file as it comes.

    One conversation goes to OUTPUT or standard output; where INPUT has several, OUTPUT is a folder, which gets a file
    for each. Nothing is overwritten. What a transcript cannot hold (images, other branches) is counted on standard
    error.
    """
    with reporting("read the conversations"):
        whole = texts(source) if is_zipfile(source) else [decoded(source.read_bytes())]
    found = [one for text in whole for one in read(text, form)]
    written = [write(one.transcript, to) for one in found]
    if target and (target.is_dir() or len(found) != 1):
        names = unique(name_of(one) for one in found)
        put([target / f"{name}{ENDINGS[to]}" for name in names], written, target)
    elif target:
        put([target], written)
    elif len(written) == 1:
        click.echo(encoded(written[0]), nl=False)
    else:
        raise TranscriptError(f"cannot write {len(written)} conversations to standard output", "name a folder for them")
    tell(found)


def put(paths: list[Path], texts: list[str], folder: Path | None = None) -> None:
    """New files, for their owner alone; none of them if one is there already. Raises TranscriptError."""
    contents = [encoded(text) for text in texts]
    there = [path for path in paths if path.exists()]
    if there:
        raise TranscriptError(f"cannot write {there[0]}: it is there already", "name another file or folder")
    with reporting("write the conversations"):
        if folder:
            folder.mkdir(mode=0o700, exist_ok=True)
        for path, content in zip(paths, contents, strict=True):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
                file.write(content)


def name_of(found: Found) -> str:
    """The day, and the words of its name in the other program."""
    words = re.sub(r"\W+", "-", found.name.lower())[:NAME_CHARS].strip("-_")
    return f"{found.transcript.started.date()}-{words or 'conversation'}"


def unique(names: Iterable[str]) -> list[str]:
    """Each as it is, or with a number."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return told


def tell(found: list[Found]) -> None:
    """How many there were, and what of them is not in the result."""
    left_out = sum((one.left_out for one in found), Counter())
    turns = sum(len(one.transcript.turns) for one in found)
    click.echo(f"conversations: {len(found)}, turns: {turns}", err=True)
    if left_out:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(left_out.items()))
        click.echo(f"left out: {kinds}", err=True)
