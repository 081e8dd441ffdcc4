"""What every request's schema is built on. In an instance."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

# A package that happens to be installed beside this one may bring a plugin, which is shown whatever pydantic validates.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

HALF_PAIR = re.compile("[\ud800-\udfff]")


class UnsupportedError(ValueError):
    """The caller asks for what this service has not. `param` is one of our words, never the caller's."""

    def __init__(self, param: str, message: str = "") -> None:
        super().__init__(message or f"{param} is not supported by this service")
        self.param = param


def refuse(body: Any, fields: Mapping[str, tuple[Any, ...]], why: Mapping[str, str] | None = None) -> Any:
    """Raise for the first field of `fields` whose value is set and is not one of the harmless ones.

    "text.verbosity" is a field of a field. `why` says more of some of them.
    """
    for name, harmless in fields.items():
        value = body
        for word in name.split("."):
            value = value.get(word) if isinstance(value, dict) else None
        if value is not None and value not in harmless:
            raise UnsupportedError(name, (why or {}).get(name, ""))
    return body


FIELDS: set[str] = set()  # the names of all fields of all requests: ours, and so fit for an error


def whole(value: Any, depth: int = 2) -> Any:
    """1 for 1.0, which JSON does not tell apart and some languages write, in lists and lists of lists too; any other
    value as it is."""
    if depth and isinstance(value, list):
        return [whole(one, depth - 1) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def say_null(schema: dict[str, Any]) -> None:
    """In the document: null is the default of whatever has one."""
    for name, field in schema.get("properties", {}).items():
        kinds = field.get("anyOf", [])
        if name not in schema.get("required", ()) and {"type": "null"} not in kinds:
            about = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
            schema["properties"][name] = {"anyOf": [*(kinds or [field]), {"type": "null"}], **about}


class Strict(BaseModel):
    """No value is taken for another type; null is the default, as in OpenAI's API.

    Its schema is built when it is first used: of a service that is being woken one kind of request is waited for. All
    others are built by `build_all`.
    """

    model_config = ConfigDict(strict=True, json_schema_extra=say_null, defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        FIELDS.update(field.alias or name for name, field in cls.model_fields.items())

    @field_validator("*", mode="before")
    @classmethod
    def as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """As JSON is meant: null is the default, 1.0 is 1, and no text holds half of a surrogate pair.

        One function for all three: pydantic makes a step of each, of every field, at every start.
        """
        if value is None:
            field = cls.model_fields[str(info.field_name)]
            return None if field.is_required() else field.default
        if isinstance(value, str) and HALF_PAIR.search(value):  # JSON's escapes can spell it; no tokeniser takes it
            raise ValueError("a text holds half of a surrogate pair, which is not Unicode")
        return whole(value)


def build_all() -> None:
    """Build every schema that was not used yet, in the warden.

    What an instance finds not built it builds for itself, with 2 MB of its own for the smallest. One within another is
    a part of that, too, and is built once more where its own name is called.
    """
    known: list[type[BaseModel]] = [Strict]
    for model in known:
        known += model.__subclasses__()
        model.model_rebuild()
