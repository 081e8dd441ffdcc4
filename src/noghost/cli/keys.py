"""`noghost keys`: make, list and revoke API keys. A new key goes to standard output alone, once; its hash is kept."""

from __future__ import annotations

import json

import click

from noghost.keys.key import Entry
from noghost.keys.store import Store, default_path

MADE = """\
This is the key of {name} (id {id}). It is shown once: a salted hash of it is kept, nothing else.
Callers send it as `Authorization: Bearer KEY` or `x-api-key: KEY`. A running service takes it from its next \
connection on."""


@click.group()
def keys() -> None:
    """Make, list and revoke the keys that callers of a service need.

    A service asks for them where others can reach it, and with `noghost serve --keys` anywhere.
    """


@keys.command()
@click.argument("name")
def add(name: str) -> None:
    """Make a key for NAME and print it, once.

    The key alone goes to standard output, so that it can be piped to where it is kept.
    """
    key, entry = Store(default_path()).add(name)
    click.echo(MADE.format(name=entry.name, id=entry.id), err=True)
    click.echo(key)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List id, minute of making (UTC) and name of each key."""
    entries = Store(default_path()).entries().values()
    if as_json:
        click.echo(json.dumps([to_json(entry) for entry in entries], indent=2))
        return
    click.echo("ID        CREATED            NAME")
    for entry in entries:
        click.echo(f"{entry.id}  {entry.minute}  {entry.name}")


@keys.command()
@click.argument("id_or_name")
def revoke(id_or_name: str) -> None:
    """Take a key away: no connection from now on is let in with it."""
    entry = Store(default_path()).revoke(id_or_name)
    click.echo(f"revoked {entry.id} ({entry.name})", err=True)


def to_json(entry: Entry) -> dict[str, str]:
    """What may be shown of a key."""
    return {"id": entry.id, "name": entry.name, "created": entry.minute}
