"""`noghost models rm`: a model out of the store."""

from __future__ import annotations

import sys

import click

from noghost.errors import ConfigError
from noghost.weights import prepared, store


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Remove the model NAME, pulled, added or prepared; its file too, if no other name means it."""
    name = name.lower()
    remove = store.remove if name in store.names() else prepared.remove
    if not yes:
        ask(name)
    remove(name)
    click.echo(f"removed {name}")


def ask(name: str) -> None:
    """Go on only if somebody says so. Raises ConfigError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise ConfigError(f"{name} is not removed without a question", "add --yes, or run it in a terminal")
    click.confirm(f"remove {name}?", abort=True)
