"""`noghost config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from noghost.cli.settings import Effective, effective, options
from noghost.cli.where import FILE
from noghost.settings import KEYS, LIMIT

ARRAYS = ("template", "upstream")  # of tables in a file


@click.group()
def config() -> None:
    """Show and check the configuration of a service."""


@config.command()
@options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(as_json: bool, **flags: Any) -> None:
    """What `noghost serve` would do with the same options here: every setting, and where it came from.

    The text is TOML, fit for a file; what is decided at start stands there as it was decided. Of templates and keys it
    shows names and paths, never what is in them.
    """
    found = effective(**flags)
    click.echo(json.dumps(to_json(found)) if as_json else "\n".join(to_toml(found)))


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False, envvar=FILE)
def check(file: Path | None) -> None:
    """Whether `noghost serve --config FILE` would take its configuration, the environment included.

    A mistake is shown with its line, and the exit status is 1. Models, certificates and addresses are not tried.
    """
    effective(file)
    click.echo(f"ok: {file or 'the environment'}")


def to_json(found: Effective) -> dict[str, Any]:
    """Each setting by its name: value and source; of tables what names them."""
    settings = {
        key.name: {"value": plain(found.value(key.name)), "source": found.settings[key.name].source} for key in KEYS
    }
    tables = {
        f"{kind}s_in_file": [{"value": name, "source": source} for name, source in in_file(found, kind)]
        for kind in ARRAYS
    }
    return settings | tables


def to_toml(found: Effective) -> Iterator[str]:
    """The same as lines of a file."""
    bare = [key.name for key in KEYS if not key.name.startswith(LIMIT) and key.name not in ARRAYS]
    yield from (line(found, name, name) for name in bare)
    for kind in ARRAYS:
        for value in found.settings[kind].value:
            yield f"# {kind} {value}  # {found.settings[kind].source}"
        for name, source in in_file(found, kind):
            yield f"# {kind} {name}  # {source}"
    yield f"[{LIMIT.removesuffix('.')}]"
    limits = [key.name for key in KEYS if key.name.startswith(LIMIT)]
    yield from (line(found, name, name.removeprefix(LIMIT)) for name in limits)


def in_file(found: Effective, kind: str) -> Iterator[tuple[str, str]]:
    """(name, FILE:LINE) of the file's own."""
    file = found.file
    if kind == "template":
        return zip((template.name for template in file.templates), file.template_sources, strict=True)
    return zip((f"{one.name}={one.url}" for one in file.upstreams), file.upstream_sources, strict=True)


def line(found: Effective, name: str, shown: str) -> str:
    """One setting as TOML; JSON's texts, numbers and lists of texts are TOML's too."""
    value, source = plain(found.value(name)), found.settings[name].source
    if value is None:
        return f"# {shown} is not set  # {source}"
    return f"{shown} = {json.dumps(value, ensure_ascii=False)}  # {source}"


def plain(value: Any) -> Any:
    """As JSON has it; a path is the same in any folder."""
    return str(value.absolute()) if isinstance(value, Path) else value
