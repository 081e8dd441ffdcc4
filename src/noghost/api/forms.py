"""A form with a file in it (RFC 7578), read from memory. In an instance.

Starlette's parser spools a file over 1 MiB to the disk, which an instance cannot; here the file stays where it was
received, and what is read of it is a view.

Covered: a body that is anything else is refused; no field's value is in an error. Not covered: what the file holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from noghost.api.parts import BOUNDARY, KIND, MOST_HEADER_BYTES
from noghost.errors import RequestError

PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations")
GIVEN = "noghost.form"  # in the scope: the form
NAME = re.compile(rb'form-data\s*;(?:.*;)?\s*name="([^"]*)"', re.IGNORECASE | re.DOTALL)
FILE = re.compile(rb";\s*filename\*?=", re.IGNORECASE)
MOST_FIELDS = 64
MOST_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """Its texts, each name's in order, and its files."""

    texts: Mapping[str, list[str]]
    files: Mapping[str, memoryview]


def form_of(request: Request) -> Form:
    """The form that this request is. RequestError where it is none."""
    found: Form | None = request.scope.get(GIVEN)
    if found is None:
        raise not_a_form("its content-type is not multipart/form-data with a boundary")
    return found


def with_form(scope: Scope, body: bytearray) -> Scope:
    """The scope with the form that the body is, where it says that it is one. RequestError for one that is broken."""
    kind = KIND.fullmatch(Headers(scope=scope).get("content-type", ""))
    found = BOUNDARY.fullmatch(kind[1]) if kind else None
    return {**scope, GIVEN: read_form(body, found[2].encode())} if found else scope


def read_form(body: bytearray, boundary: bytes) -> Form:
    """Raises RequestError."""
    texts: dict[str, list[str]] = {}
    files: dict[str, memoryview] = {}
    for count, (head, data) in enumerate(parts_of(body, boundary)):
        named = NAME.search(head)
        if named is None or count >= MOST_FIELDS:
            raise not_a_form("a part has no name, or there are too many")
        name = named[1].decode("latin-1")
        if FILE.search(head):
            if name in files:
                raise not_a_form("two files have one name")
            files[name] = data
        else:
            texts.setdefault(name, []).append(text_of(data))
    return Form(texts, files)


def parts_of(body: bytearray, boundary: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(header, content) of each part."""
    mark = b"--" + boundary
    if not body.startswith(mark):
        raise not_a_form("it does not begin with its boundary")
    at = len(mark)
    while body[at : at + 2] == b"\r\n":
        end = body.find(b"\r\n" + mark, at)
        if end < 0:
            raise not_a_form("it breaks off")
        head, blank, _ = bytes(body[at : at + MOST_HEADER_BYTES]).partition(b"\r\n\r\n")
        if not blank or at + len(head) + len(blank) > end + len(blank):
            raise not_a_form("a part has no header, or a long one")
        yield head, memoryview(body)[min(at + len(head) + len(blank), end) : end]
        at = end + len(mark) + 2
    if body[at : at + 2] != b"--":
        raise not_a_form("its boundaries are not where they should be")


def text_of(data: memoryview) -> str:
    """A field that is no file."""
    if len(data) > MOST_TEXT_BYTES:
        raise not_a_form("a field that is no file is over 64 KiB")
    try:
        return data.tobytes().decode()
    except UnicodeDecodeError:
        raise not_a_form("a field is not UTF-8") from None


def not_a_form(why: str) -> RequestError:
    """`why` is one of our own sentences."""
    return RequestError(f"this is not a form with a file: {why}", code="invalid_form")
