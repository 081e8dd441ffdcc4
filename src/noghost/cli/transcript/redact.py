"""`noghost transcript redact`: a transcript without what should not be passed on."""

from __future__ import annotations

from pathlib import Path

import click

from noghost.client.transcript import TranscriptFile
from noghost.client.transcript import redact as redacting
from noghost.client.transcript.file import encoded


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--turn", "numbers", type=click.IntRange(min=1), multiple=True, help="A turn's number; again for more.")
@click.option("--all", "every", is_flag=True, help="Every turn.")
@click.option("--keys", is_flag=True, help="Leave the texts, and take the keys out of every turn.")
@click.option("--in-place", is_flag=True, help="Write FILE anew, instead of to standard output.")
def redact(path: Path, numbers: tuple[int, ...], every: bool, keys: bool, in_place: bool) -> None:
    """Take the texts of turns out of a transcript, and what could give them away. Roles, times and receipts stay.

    With a turn go its seed, options and key, and the keys of all turns after it, which are of requests that have its
    text in them. An answer to a question that stays can be computed again at temperature 0. --in-place leaves the old
    text in the disk's free blocks, and in every copy.
    """
    if not (numbers or every or keys):
        raise click.UsageError("say what to take out: --turn N, --all or --keys")
    file = TranscriptFile(path)
    transcript = file.read()
    count = len(transcript.turns)
    if too_high := [number for number in numbers if number > count]:
        raise click.UsageError(f"there is no turn {too_high[0]}: the transcript has {count}")
    if keys:
        redacting.drop_keys(transcript)
    if chosen := set(range(1, count + 1)) if every else set(numbers):
        redacting.redact(transcript, chosen)
    if in_place:
        file.replace(transcript)
    else:
        click.echo(encoded(transcript.render()), nl=False)
