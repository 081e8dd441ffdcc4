"""`noghost models add`: a local file into the store."""

from __future__ import annotations

from pathlib import Path

import click

from noghost.cli.models.progress import watch
from noghost.cli.models.pull import tell
from noghost.weights.pull import add as run_add


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it (default: the name of the file).")
def add(file: Path, name: str | None) -> None:
    """Copy a GGUF file into the store, and pin it by its digest. Of a split model give the first part.

    A file can be served by its path as well, without this; it is not pinned then.
    """
    tell(run_add(file, name, watch))
