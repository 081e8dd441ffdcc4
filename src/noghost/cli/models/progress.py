"""A progress bar for each step of a pull, on standard error; without a terminal one line a step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def watch(step: str, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """Show a step of so many bytes, None where nobody knows; gives what tells it how many more are done."""
    if size_bytes is None or not sys.stderr.isatty():
        click.echo(f"noghost: {step}", err=True)
        yield lambda _bytes: None
    else:
        with click.progressbar(length=size_bytes, label=step, file=sys.stderr) as bar:
            yield bar.update
