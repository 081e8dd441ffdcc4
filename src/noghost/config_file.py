"""The configuration file of `noghost serve --config FILE`: TOML, read once, before anything starts.

    [[template]]
    name = "support"
    system = "support.txt"      # paths are relative to the folder of the file
    tools = "tools.json"        # optional
    model = "default"           # optional

What it does not know is an error, never ignored.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noghost.config import TemplateSource
from noghost.errors import ConfigError

MOST_BYTES = 1 << 20
MOST_TEXT_BYTES = 4 << 20
TEMPLATE_KEYS = {"name": True, "system": True, "tools": False, "model": False}  # whether it must be there


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file sets."""

    templates: tuple[TemplateSource, ...] = ()


def read_settings(path: Path) -> Settings:
    """The settings of a file. Raises ConfigError with the file, the table and the key."""
    try:
        document = tomllib.loads(read_text(path, MOST_BYTES))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}", "see docs/templates.md for an example") from error
    readers: dict[str, Callable[[Any], Any]] = {"template": lambda value: templates_of(value, path)}
    check_keys(document, dict.fromkeys(readers, False), str(path))
    fields = {"template": "templates"}
    return Settings(**{fields[key]: readers[key](value) for key, value in document.items()})


def templates_of(tables: Any, path: Path) -> tuple[TemplateSource, ...]:
    """The `[[template]]` tables."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"template in {path} is no array of tables", "write [[template]]")
    return tuple(template_of(table, path, f"template {number} of {path}") for number, table in enumerate(tables, 1))


def template_of(table: Mapping[str, Any], path: Path, where: str) -> TemplateSource:
    """One `[[template]]` table, with the files that it names."""
    check_keys(table, TEMPLATE_KEYS, where)
    for key, value in table.items():
        if not isinstance(value, str):
            raise ConfigError(f"{key} in {where} is no text", f'write {key} = "…"')
    return template_from(
        table["name"],
        path.parent / table["system"],
        path.parent / table["tools"] if "tools" in table else None,
        table.get("model"),
    )


def template_from(name: str, system: Path, tools: Path | None, model: str | None) -> TemplateSource:
    """A template whose texts are in files, the byte order mark and line ends as they are. Raises ConfigError."""
    texts = [read_text(path, MOST_TEXT_BYTES) if path else None for path in (system, tools)]
    return TemplateSource(name, texts[0] or "", texts[1], model)


def check_keys(table: Mapping[str, Any], known: Mapping[str, bool], where: str) -> None:
    """Raise ConfigError for a key that is not known, or one that is missing."""
    there_are = f"there are: {', '.join(known)}"
    for key in table:
        if key not in known:
            raise ConfigError(f"{where} has the unknown key {key!r}", there_are)
    for key, needed in known.items():
        if needed and key not in table:
            raise ConfigError(f"{where} has no {key}", there_are)


def read_text(path: Path, most_bytes: int) -> str:
    """A file as UTF-8, its line ends as they are. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise ConfigError(f"{path} is over {most_bytes} bytes", "give a shorter one")
        return data.decode()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid UTF-8 at byte {error.start}", "save it as UTF-8") from None
