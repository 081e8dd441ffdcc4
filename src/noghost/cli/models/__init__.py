"""`noghost models`: what can be served by name, where it comes from, and forms that this processor computes faster."""

from __future__ import annotations

import click

from noghost.cli.models.add import add
from noghost.cli.models.ls import ls
from noghost.cli.models.prepare import prepare
from noghost.cli.models.pull import pull
from noghost.cli.models.rm import rm
from noghost.cli.models.show import show
from noghost.cli.models.verify import verify


@click.group()
def models() -> None:
    """Pull, list, check and remove models; prepare one for this processor.

    Without any of it there is the default model. Another is used where it is named; of the default model, what was
    prepared may take its place.
    """


for command in (ls, show, pull, add, verify, rm, prepare):
    models.add_command(command)
