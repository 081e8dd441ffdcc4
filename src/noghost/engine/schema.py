"""A JSON Schema that an answer can be held to: what of it is taken, and the place of what is not.

PURE, in an instance. What is taken is put together anew from known words, so that no option of the library's comes
through (`x-guidance`). A place is a JSON pointer (RFC 6901) in which a name of the caller's stands as its number among
its neighbours: /properties/{0}/not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import unquote

from noghost.engine import schema_words as words
from noghost.engine.rules import Rules
from noghost.engine.schema_words import refused
from noghost.errors import RequestError

SCHEMA_BYTES = 1 << 17
TAKEN_BYTES = 1 << 19  # what `$ref` refers to is written out once more
MOST_STEPS = 64  # of a place: about as deep is the JSON, and the library's parser ends at 128
BLAME_S = 1.0  # of looking for what is wrong

Path = tuple[str, ...]


class Schema:
    """A checked schema; `text` is what was taken of it, as JSON.

    Raises RequestError, which names the place and no word of the caller's, for one that an answer cannot be held to.
    """

    param = "response_format"

    def __init__(self, document: dict[str, Any]) -> None:
        """Look at each schema in `document` once."""
        if len(written(document)) > SCHEMA_BYTES:
            raise refused("", f"is larger than {SCHEMA_BYTES} bytes")
        self._taken: dict[Path, Any] = {}
        self._places: dict[Path, str] = {}
        self._below: dict[Path, list[Path]] = defaultdict(list)  # and what it refers to
        self._references: dict[Path, tuple[str, str]] = {}  # what is referred to: its new name, and from where
        self._multiples: set[Any] = set()
        self._take(document, (), (), "")
        for path, (_name, place) in self._references.items():
            if path not in self._taken:
                raise refused(place, "refers to no schema in this document")
        self.text = self._written(self._taken[()])
        if len(self.text) > TAKEN_BYTES:
            raise refused("", f"is larger than {TAKEN_BYTES} bytes with what it refers to")

    def lark(self, rules: Rules) -> str:
        """The grammar of JSON of this schema."""
        return rules.text(rules.json(json.loads(self.text)))

    def blame(self, fails: Callable[[str], bool]) -> RequestError:
        """The error for the innermost place of which `fails` is true; `fails` takes a schema as `text` is."""
        until = monotonic() + BLAME_S

        def tried(part: Any) -> bool | None:
            return fails(self._written(part)) if monotonic() < until else None

        return refused(self._culprit((), {()}, tried), "cannot be held to")

    def _culprit(self, path: Path, seen: set[Path], tried: Callable[[Any], bool | None]) -> str:
        taken = self._taken[path]
        for child in self._below[path]:
            if child not in seen and isinstance(self._taken[child], dict) and tried(self._taken[child]):
                return self._culprit(child, seen | {child}, tried)
        for word in sorted(taken, key="type".__eq__):  # most others mean something with a type alone
            if tried({other: value for other, value in taken.items() if other != word}) is False:
                return f"{self._places[path]}/{word}"
        return self._places[path]

    def _take(self, schema: Any, parent: Path, step: Path, place: str) -> Any:
        """What is taken of the schema that is `step` below its parent."""
        if not isinstance(schema, (dict, bool)):
            raise refused(place, "is not a schema")
        if place.count("/") > MOST_STEPS:
            raise refused("", f"is more than {MOST_STEPS} steps deep")
        path = (*parent, *step)
        self._places[path] = place
        self._below[parent].append(path)
        self._taken[path] = self._words(schema, path, place) if isinstance(schema, dict) else schema
        return self._taken[path]

    def _words(self, schema: dict[str, Any], path: Path, place: str) -> dict[str, Any]:
        spoken = [(at, word) for at, word in enumerate(schema) if not words.is_silent(word, place)]
        taken = {word: self._value(word, schema[word], path, words.place_of(word, at, place)) for at, word in spoken}
        return {word: value for word, value in taken.items() if word not in words.LIBRARIES}

    def _value(self, word: str, value: Any, path: Path, place: str) -> Any:
        """What is taken of a word's value; one of the wrong type is left to the library, which says so."""
        if word == "$ref":
            return self._refer(value, path, place)
        if word in words.ONE:
            return self._take(value, path, (word,), place)
        if word in words.SEVERAL and isinstance(value, list):
            return [self._take(one, path, (word, str(at)), f"{place}/{at}") for at, one in enumerate(value)]
        if word in words.NAMED and isinstance(value, dict):
            return self._named(word, value, path, place)
        words.check_value(word, value, place)
        if word == "multipleOf" and isinstance(value, (int, float)):
            self._multiples.add(value)
            words.check_multiples(self._multiples, place)
        return value

    def _named(self, word: str, value: dict[str, Any], path: Path, place: str) -> dict[str, Any]:
        taken = {}
        for at, (name, schema) in enumerate(value.items()):
            here = f"{place}/{{{at}}}"
            words.check_name(word, name, at, here)
            taken[name] = self._take(schema, path, (word, name), here)
        return taken

    def _refer(self, reference: Any, path: Path, place: str) -> str:
        """A `$ref` to the new name of what it refers to, which is looked for when everything was seen."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise refused(place, "does not begin with #/")
        steps = unquote(reference[2:]).split("/") if reference != "#" else ()
        target = tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
        self._below[path].append(target)
        name, _place = self._references.setdefault(target, (str(len(self._references)), place))
        return f"#/$defs/{name}"

    def _written(self, part: dict[str, Any]) -> str:
        """A part with what it, or another part, refers to."""
        return json.dumps(part | {"$defs": {name: self._taken[path] for path, (name, _) in self._references.items()}})


def written(document: Any) -> bytes:
    """A document as JSON. Raises RequestError for what Python reads as JSON and JSON is not."""
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # from None: the error holds the text
        raise refused("", "is too deep, or has a number or a character that is none") from None
