"""`noghost models ls`: what can be served by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from noghost.cli.models.table import HEAD, document, row_of, row_of_source, size, table, unmeasured
from noghost.errors import WeightsError
from noghost.weights import prepared, store, unfinished
from noghost.weights.find import DEFAULT_NAME, DEFAULT_PREPARED, find, stands_in
from noghost.weights.prepared import Prepared

T = TypeVar("T")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(as_json: bool) -> None:
    """List the default model, what was pulled or added, and what was prepared, with what was measured then.

    Nothing is hashed: `noghost models verify` does that.
    """
    broken: list[str] = []
    stored = readable(store.names(), store.get, broken)
    made = readable(prepared.names(), prepared.get, broken)
    default = default_name(made)
    if as_json:
        listed = [default_document(), *map(asdict, stored), *map(document, made)]
        click.echo(json.dumps([{**one, "default": one["name"] == default} for one in listed]))
    else:
        others = [unmeasured(one.name, one.size_bytes) for one in stored]
        for line in table(HEAD, [row_of_default(made), *others, *map(row_of, made)]):
            click.echo(line)
        if default != DEFAULT_NAME:
            click.echo(f"\ndefault: {default}")
    if leftover := unfinished.leftover_bytes():
        broken.append(
            f"{size(leftover)} of downloads that are not complete in {unfinished.folder()}: pull again, or remove them"
        )
    for message in broken:
        click.echo(f"noghost: {message}", err=True)


def readable(names: Iterable[str], get: Callable[[str], T], broken: list[str]) -> list[T]:
    """What is known of each; `broken` gets a message for what cannot be read."""
    found = []
    for name in names:
        try:
            found.append(get(name))
        except WeightsError as error:
            broken.append(error.message)
    return found


def default_document() -> dict[str, Any]:
    """The default model as it was published: name, digest, size; the latter None where it is not installed."""
    try:
        file = find(as_published=True)
    except WeightsError:
        return {"name": DEFAULT_NAME, "sha256": None, "size_bytes": None}
    return {"name": file.name, "sha256": file.sha256, "size_bytes": file.path.stat().st_size}


def default_name(made: Sequence[Prepared]) -> str:
    """What "default" means."""
    return DEFAULT_PREPARED if any(map(stands_in, made)) else DEFAULT_NAME


def row_of_default(made: Sequence[Prepared]) -> Sequence[str]:
    """With the speeds from the newest comparison that it took part in."""
    known = default_document()
    of_default = [one for one in made if one.source_sha256 == known["sha256"]]
    if of_default:
        return row_of_source(max(of_default, key=lambda one: modified(one.path)))
    return unmeasured(known["name"], known["size_bytes"])


def modified(path: Path) -> float:
    """When a file was made; 0 where there is none."""
    return path.stat().st_mtime if path.is_file() else 0.0
