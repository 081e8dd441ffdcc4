"""`noghost models verify`: hash models again, and compare with the digests that they are pinned by."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from noghost.errors import WeightsError
from noghost.weights import digest, prepared, store
from noghost.weights.find import find

BAD = 1


@click.command()
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Hash NAME again, or all models that have a name, and compare. Exit status 1 if one is not what it was."""
    failed = False
    for one in [name] if name is not None else all_names():
        try:
            file = find(one, as_published=one is None)
            found = digest.verify(file, use_cache=False)
            click.echo(f"{file.name}: {'OK' if file.sha256 else 'not pinned'}, sha256 {found}")
        except WeightsError as error:
            failed = True
            click.echo(f"noghost: {error}", err=True)
    if failed:
        sys.exit(BAD)


def all_names() -> Iterator[str | None]:
    """The default model where it is installed, and all others."""
    try:
        find(as_published=True)
        yield None
    except WeightsError:
        pass
    yield from (*store.names(), *prepared.names())
