"""The configuration file of `noghost serve --config FILE`: TOML, read once, before anything starts.

    port = 8462                 # every key of settings.py
    [[model]]                   # in the place of the keys model and on_demand
    name = "default"            # a known name, or a path
    [[model]]
    name = "large.gguf"
    load = "on-demand"          # or "always"
    [limit]
    queue = 8
    [[template]]
    name = "support"
    system = "support.txt"      # paths are relative to the folder of the file
    tools = "tools.json"        # optional
    model = "default"           # optional
    [[upstream]]
    name = "z-ai/glm-4.7"
    url = "https://openrouter.ai/api/v1"
    key_file = "openrouter.key" # optional, like the others of UPSTREAM_KEYS: docs/upstream.md

What it does not know is an error, never ignored; every error names the line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from noghost.config import TemplateSource
from noghost.errors import ConfigError
from noghost.settings import BY_NAME, KINDS, LIMIT, Key, Setting, Settings, unknown, wrong
from noghost.toml_lines import Place, lines_of
from noghost.upstream import Upstream

MOST_BYTES = 1 << 16
MOST_TEXT_BYTES = 4 << 20
TEMPLATE_KEYS: dict[str, type] = dict.fromkeys(("name", "system", "tools", "model"), str)
UPSTREAM_KEYS: dict[str, type] = {
    **dict.fromkeys(("name", "url", "model", "key_env"), str),
    **dict.fromkeys(("key_file", "ca"), Path),
    "silence_s": float,
    "loosen": bool,
}
MODEL_KEYS: dict[str, type] = dict.fromkeys(("name", "load"), str)
TABLE, TEMPLATES, UPSTREAMS, MODELS = LIMIT.removesuffix("."), "template", "upstream", "model"
NAMES_OR_PATHS = ("model", "on_demand", "mouth")
LOADS = {"always": "model", "on-demand": "on_demand"}  # the key that says the same


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
        templates, upstreams = self._tables(TEMPLATES), self._tables(UPSTREAMS)
        settings = {key.name: self._setting(key, place, value) for key, place, value in self._found()}
        return Settings(
            settings | (self._models(settings) if self._has_model_tables else {}),
            tuple(self._template(table, place) for place, table in templates),
            tuple(self._at(place) for place, _ in templates),
            tuple(self._upstream(table, place) for place, table in upstreams),
            tuple(self._at(place) for place, _ in upstreams),
        )

    def _found(self) -> list[tuple[Key, Place, Any]]:
        """Every key with its place and value, arrays of tables left out. Raises ConfigError for one that is none."""
        limits = self._document.get(TABLE, {})
        if not isinstance(limits, dict):
            raise wrong(self._at((TABLE,)), TABLE, "a table: write [limit]")
        tables = (TABLE, TEMPLATES, UPSTREAMS, *((MODELS,) if self._has_model_tables else ()))
        top = [(name, (name,), value) for name, value in self._document.items() if name not in tables]
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
        """Paths are relative to the folder of the file; so is a model or a mouth, if it is there."""
        if key.kind is Path:
            return self._path.parent / Path(value).expanduser()
        if key.name in NAMES_OR_PATHS and (self._path.parent / value).is_file():
            return str(self._path.parent / value)
        return float(value) if key.kind is float else value

    @property
    def _has_model_tables(self) -> bool:
        """`model` is an array of tables, and not of names."""
        found = self._document.get(MODELS)
        return isinstance(found, list) and any(isinstance(one, dict) for one in found)

    def _models(self, settings: Mapping[str, Setting]) -> dict[str, Setting]:
        """The settings that the `[[model]]` tables stand for. Raises ConfigError."""
        tables = self._tables(MODELS)
        if "on_demand" in settings:
            both = f"{settings['on_demand'].source}: on_demand stands beside [[model]]"
            raise ConfigError(both, 'write a [[model]] with load = "on-demand" in its place')
        names: dict[str, list[str]] = {key: [] for key in LOADS.values()}
        for place, table in tables:
            self._check(table, place, MODEL_KEYS, needed=("name",))
            load = table.get("load", "always")
            if load not in LOADS:
                raise wrong(self._at((*place, "load")), "load", " or ".join(f'"{one}"' for one in LOADS))
            key = BY_NAME[LOADS[load]]
            names[key.name].append(self._converted(key, table["name"]))
        source = self._at(tables[0][0])
        return {key: Setting(tuple(found), source) for key, found in names.items() if found}

    def _tables(self, name: str) -> list[tuple[Place, dict[str, Any]]]:
        """The tables of an array, each with its place."""
        tables = self._document.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise wrong(self._at((name,)), name, f"an array of tables: write [[{name}]]")
        return [((name, index), table) for index, table in enumerate(tables)]

    def _upstream(self, table: Mapping[str, Any], place: Place) -> Upstream:
        """An `[[upstream]]` table; paths are relative to the folder of the file."""
        self._check(table, place, UPSTREAM_KEYS, needed=("name", "url"))
        paths = {key: self._path.parent / Path(table[key]).expanduser() for key in ("key_file", "ca") if key in table}
        try:
            return Upstream(**{**table, **paths})
        except ConfigError as error:
            raise ConfigError(f"{self._at(place)}: {error.message}", error.hint) from error

    def _check(self, table: Mapping[str, Any], place: Place, kinds: Mapping[str, type], needed: Iterable[str]) -> None:
        """Raise ConfigError for a key of a table that is none, is of another kind, or is missing."""
        for key, value in table.items():
            source = self._at((*place, key))
            if key not in kinds:
                raise unknown(source, key, kinds)
            if not fits(kinds[key], value):
                raise wrong(source, key, KINDS[kinds[key]])
        for key in needed:
            if key not in table:
                missing = f"{self._at(place)}: this {place[0]} has no `{key}`"
                raise ConfigError(missing, f"there are: {', '.join(kinds)}")

    def _template(self, table: Mapping[str, Any], place: Place) -> TemplateSource:
        """A `[[template]]` table, with the files that it names."""
        self._check(table, place, TEMPLATE_KEYS, needed=("name",))
        system, tools = (self._path.parent / table[key] if key in table else None for key in ("system", "tools"))
        try:
            return template_from(table["name"], system, tools, table.get("model"))
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


def template_from(name: str, system: Path | None, tools: Path | None, model: str | None) -> TemplateSource:
    """A template whose texts are in files, the byte order mark and line ends as they are. Raises ConfigError."""
    texts = [read_text(path, MOST_TEXT_BYTES) if path else None for path in (system, tools)]
    return TemplateSource(name, texts[0], texts[1], model)


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
