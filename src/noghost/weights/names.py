"""Names of models AT REST, and the small JSON file beside each that says what is known of it.

Covered: a name is no path, and so is a digest that comes from elsewhere; a damaged or foreign file is refused.
Not covered: who can write files as this user can write these.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from noghost.errors import WeightsError
from noghost.ledger.files import replace

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Record(Protocol):
    """What a file beside a model knows at least."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def sha256(self) -> str:
        """Of its file, in hex."""


R = TypeVar("R", bound=Record)

VERSION = 1
ABOUT = ".json"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_SHOWN = 200
MOST_PLAIN = 100  # of a name that is made of something else: room for a type at its end


def is_name(name: str) -> bool:
    """Whether it is a name, and not a path."""
    return NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise WeightsError for what is no name."""
    if not is_name(name):
        raise WeightsError("this is no name for a model", "take 1 to 128 of a-z, 0-9, '.', - and _")


def is_sha256(value: object) -> bool:
    """Whether it is a SHA-256 in hex, lower case."""
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


def plain(text: str) -> str:
    """A name made of any text, such as a file's stem."""
    return re.sub(r"[^a-z0-9._-]", "-", text.lower()).lstrip("._-")[:MOST_PLAIN] or "model"


def shown(text: str) -> str:
    """Text from elsewhere for a terminal: printable, and not endless."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:MOST_SHOWN])


def names_in(folder: Path) -> list[str]:
    """The names of which something is known there, sorted."""
    return sorted(path.stem for path in folder.glob(f"*{ABOUT}") if is_name(path.stem))


def write_about(path: Path, record: DataclassInstance) -> None:
    """Put what is known of a model into its file, in the place of another. Raises OSError."""
    replace(path, json.dumps({"version": VERSION, **asdict(record)}, indent=1).encode())


def known(path: Path, kind: type[R], name: str, unreadable: WeightsError) -> R:
    """What a file knows of the model of that name. Raises WeightsError: `unreadable` for what is no such record."""
    try:
        found = read_about(path, kind)
    except FileNotFoundError:
        raise WeightsError(f"there is no model named {name}", "`noghost models ls` shows what there is") from None
    except ValueError:
        raise unreadable from None
    if found.name != name or not is_sha256(found.sha256):
        raise unreadable
    return found


def read_about(path: Path, kind: type[R]) -> R:
    """What a file knows, as `kind`. Raises FileNotFoundError, or ValueError for what `write_about` did not write."""
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document.pop("version") != VERSION:
            raise ValueError
        return kind(**document)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not readable") from error
