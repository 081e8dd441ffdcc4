"""`noghost transcript`: conversations that the caller keeps as files, and those of other programs."""

from __future__ import annotations

import click

from noghost.cli.transcript.check import check
from noghost.cli.transcript.convert import convert
from noghost.cli.transcript.redact import redact
from noghost.cli.transcript.show import show


@click.group()
def transcript() -> None:
    """Convert, check, show and redact transcripts: conversations as Markdown files that are yours alone."""


for command in (convert, check, show, redact):
    transcript.add_command(command)
