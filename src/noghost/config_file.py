"""The configuration file of `noghost serve --config FILE`: TOML, read once, before anything starts.

    port = 8462                 # every key of settings.py
    [limit]
    queue = 8
    [[template]]
    name = "support"
    system = "support.txt"      # paths are relative to the folder of the file
    tools = "tools.json"        # optional
    model = "default"           # optional

What it does not know is an error, never ignored; every error names the line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noghost.config import TemplateSource
from noghost.errors import ConfigError
from noghost.settings import BY_NAME, LIMIT, Key, Setting, Settings, unknown, wrong
from noghost.toml_lines import Place, lines_of

MOST_BYTES = 1 << 16
MOST_TEXT_BYTES = 4 << 20
TEMPLATE_KEYS = {"name": True, "system": True, "tools": False, "model": False}  # whether it must be there
TABLE, TEMPLATES = LIMIT.removesuffix("."), "template"


class Reader:
    """One file: a document, and the line of each of its keys."""

    def __init__(self, path: Path) -> None:
        self._path = path
        text = read_text(path, MOST_BYTES)
        try:
            self._document = tomllib.loads(text + "\n")  # so that what is wrong in the last line has a line
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is no TOML: {error}", "see docs/configuration.md for an example") from error
        self._lines = lines_of(text)

    def settings(self) -> Settings:
        """All of it; raises ConfigError."""
        templates = self._document.get(TEMPLATES, [])
        return Settings(
            {key.name: self._setting(key, place, value) for key, place, value in self._found()},
            self._templates(templates),
            tuple(self._at((TEMPLATES, index)) for index in range(len(templates))),
        )

    def _found(self) -> list[tuple[Key, Place, Any]]:
        """Every key with its place and value, templates left out. Raises ConfigError for one that is none."""
        limits = self._document.get(TABLE, {})
        if not isinstance(limits, dict):
            raise wrong(self._at((TABLE,)), TABLE, "a table: write [limit]")
        top = [(name, (name,), value) for name, value in self._document.items() if name not in (TABLE, TEMPLATES)]
        found = top + [(f"{LIMIT}{name}", (TABLE, name), value) for name, value in limits.items()]
        for name, place, _ in found:
            if name not in BY_NAME or ("." in name and len(place) == 1):
                raise unknown(self._at(place), name, BY_NAME)
        return [(BY_NAME[name], place, value) for name, place, value in found]

    def _setting(self, key: Key, place: Place, value: Any) -> Setting:
        """One value of the right kind. Raises ConfigError."""
        source = self._at(place)
        parts = value if key.many and isinstance(value, list) else [value]
        if key.many != isinstance(value, list) or not all(fits(key.kind, part) for part in parts):
            raise wrong(source, key.name, key.wanted)
        made = tuple(self._converted(key, part) for part in parts)
        return Setting(made if key.many else made[0], source)

    def _converted(self, key: Key, value: Any) -> Any:
        """Paths are relative to the folder of the file; so is a model, if it is there."""
        if key.kind is Path:
            return self._path.parent / Path(value).expanduser()
        if key.name == "model" and (self._path.parent / value).is_file():
            return str(self._path.parent / value)
        return float(value) if key.kind is float else value

    def _templates(self, tables: Any) -> tuple[TemplateSource, ...]:
        """The `[[template]]` tables, with the files that they name."""
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise wrong(self._at((TEMPLATES,)), TEMPLATES, "an array of tables: write [[template]]")
        return tuple(self._template(table, (TEMPLATES, index)) for index, table in enumerate(tables))

    def _template(self, table: Mapping[str, Any], place: Place) -> TemplateSource:
        for key, value in table.items():
            source = self._at((*place, key))
            if key not in TEMPLATE_KEYS:
                raise unknown(source, key, TEMPLATE_KEYS)
            if not isinstance(value, str):
                raise wrong(source, key, "text")
        for key, needed in TEMPLATE_KEYS.items():
            if needed and key not in table:
                missing = f"{self._at(place)}: this template has no `{key}`"
                raise ConfigError(missing, f"there are: {', '.join(TEMPLATE_KEYS)}")
        folder = self._path.parent
        tools = folder / table["tools"] if "tools" in table else None
        try:
            return template_from(table["name"], folder / table["system"], tools, table.get("model"))
        except ConfigError as error:
            raise ConfigError(f"{self._at(place)}: {error.message}", error.hint) from error

    def _at(self, place: Place) -> str:
        """FILE:LINE of a key; of one that stands inside another's value, that one's."""
        while place and place not in self._lines:
            place = place[:-1]
        return f"{self._path}:{self._lines[place]}" if place else str(self._path)


def read_settings(path: Path) -> Settings:
    """The settings of a file. Raises ConfigError with file and line."""
    return Reader(path).settings()


def fits(kind: type, value: Any) -> bool:
    """Whether a value of TOML is of a kind; in TOML true is no number."""
    if kind in (bool, str):
        return isinstance(value, kind)
    if kind is Path:
        return isinstance(value, str)
    return isinstance(value, (int, kind)) and not isinstance(value, bool)


def template_from(name: str, system: Path, tools: Path | None, model: str | None) -> TemplateSource:
    """A template whose texts are in files, the byte order mark and line ends as they are. Raises ConfigError."""
    texts = [read_text(path, MOST_TEXT_BYTES) if path else None for path in (system, tools)]
    return TemplateSource(name, texts[0] or "", texts[1], model)


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
