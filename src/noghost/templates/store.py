"""Templates by name: the public texts given to `noghost templates add`, one JSON file each. On the command line.

$XDG_DATA_HOME/noghost/templates/NAME.json       mode 0600, in a folder of mode 0700
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from noghost.config import TemplateSource, data_dir, is_template_name
from noghost.errors import ConfigError
from noghost.ledger.files import make_directory, replace
from noghost.templates.state import path_of

VERSION = 1
SUFFIX_OF_TEXT = ".json"


def folder() -> Path:
    """Where texts and states lie."""
    return data_dir() / "templates"


@dataclass(frozen=True, slots=True)
class Stored:
    """A template by name; its tokens and the digest of its state, as they were when it was added."""

    source: TemplateSource
    tokens: int
    digest: str

    @property
    def state_bytes(self) -> int:
        """The size of its state at rest; 0 where it is not there."""
        path = path_of(folder(), self.digest)
        return path.stat().st_size if path.is_file() else 0


def add(stored: Stored) -> None:
    """Keep it under its name, in the place of another of that name. Raises ConfigError."""
    data = json.dumps({"version": VERSION, **asdict(stored)}, ensure_ascii=False).encode()
    try:
        make_directory(folder())
        replace(_path(stored.source.name), data)
    except OSError as error:
        raise ConfigError(f"cannot write a template: {error.strerror}", f"check the folder {folder()}") from error


def get(name: str) -> Stored:
    """The template of that name. Raises ConfigError."""
    try:
        document = json.loads(_path(name).read_bytes())
        if document.pop("version") != VERSION:
            raise ValueError
        return Stored(TemplateSource(**document["source"]), int(document["tokens"]), str(document["digest"]))
    except FileNotFoundError:
        raise ConfigError(f"there is no template named {name}", "`noghost templates list` shows them") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"cannot read the template {name}", "add it again with `noghost templates add`") from None


def names() -> list[str]:
    """All names, sorted."""
    return sorted(path.stem for path in folder().glob(f"*{SUFFIX_OF_TEXT}") if is_template_name(path.stem))


def remove(name: str) -> None:
    """Remove the text and, unless another template has the same, its state. Raises ConfigError."""
    digest = ""
    if _path(name).is_file():
        with suppress(ConfigError):  # one that cannot be read can still be removed
            digest = get(name).digest
    try:
        _path(name).unlink()
    except FileNotFoundError:
        get(name)
    except OSError as error:
        raise ConfigError(f"cannot remove the template {name}: {error.strerror}") from error
    if digest and digest not in {_digest(other) for other in names()}:
        path_of(folder(), digest).unlink(missing_ok=True)


def _digest(name: str) -> str:
    with suppress(ConfigError):
        return get(name).digest
    return ""


def _path(name: str) -> Path:
    if not is_template_name(name):
        raise ConfigError("this is no name for a template", "take 1 to 64 of a-z, 0-9, - and _, a letter first")
    return folder() / f"{name}{SUFFIX_OF_TEXT}"
