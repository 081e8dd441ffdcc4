"""The head of a published GGUF file, asked for as a part of it: no more is read than its tables. On the command line.

Covered: a server that sends no parts, another part, something that is no GGUF, an answer that ends too early, falls
silent or is slow without end; a header that is longer than MOST_BYTES; what structure.py covers.
Not covered: the tensors' data is not looked at, and its digest not checked: a pull does that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple, NoReturn

import httpx

from noghost.errors import WeightsError
from noghost.weights.download import Remote, begins_at, refusal, words
from noghost.weights.gguf import HEADER, check_first_bytes, parts_of
from noghost.weights.structure import BrokenError, CutError, Structure, read_structure

FIRST_BYTES = 1 << 16  # after so many it is tried first whether all is there, then after half as many more each time
MOST_BYTES = 1 << 25  # a vocabulary of 300,000 tokens and as many merges fits
PATIENCE_S = 300.0  # for one header, however slowly it comes
ELSEWHERE = "choose another file or repository"
LATER = "run the same command again"


class Head(NamedTuple):
    """What came of one file, to the end of its tensor table at least."""

    data: bytes
    structure: Structure


def read_head(client: httpx.Client, remote: Remote, parts: int) -> Head:
    """The head of one file of a model that has so many `parts`. Raises WeightsError."""
    most = min(MOST_BYTES, remote.size_bytes or MOST_BYTES)
    headers = dict(remote.headers) | {"Range": f"bytes=0-{most - 1}"}
    try:
        with client.stream("GET", remote.url, headers=headers) as response:
            check_partial(response, remote)
            return first_whole(response.iter_raw(), remote, most, parts)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        refuse(remote, words(error), LATER)


def check_partial(response: httpx.Response, remote: Remote) -> None:
    """Raise WeightsError unless the answer is the part that was asked for."""
    if response.status_code == HTTPStatus.OK:
        refuse(remote, "the server sends whole files only, and no part of one", ELSEWHERE)
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        raise refusal(response.status_code, remote.shown, response.headers.get("retry-after"))
    if not begins_at(response, 0):
        refuse(remote, "the server sent another part than was asked for", LATER)


def first_whole(pieces: Iterator[bytes], remote: Remote, most: int, parts: int) -> Head:
    """Take pieces until they hold a head. Raises WeightsError."""
    data, next_try, end = bytearray(), FIRST_BYTES, time.monotonic() + PATIENCE_S
    for piece in pieces:
        data += piece
        if len(data) >= min(next_try, most):
            if head := head_in(bytes(data), remote, parts):
                return head
            next_try = len(data) * 3 // 2
        if len(data) >= most:
            refuse(remote, f"its header does not end within {most} bytes", ELSEWHERE)
        if time.monotonic() > end:
            refuse(remote, f"its header did not come within {PATIENCE_S:.0f} s", LATER)
    return head_in(bytes(data), remote, parts) or refuse(remote, f"it ended after {len(data)} bytes", LATER)


def head_in(data: bytes, remote: Remote, parts: int) -> Head | None:
    """What these bytes begin with; None if more of them are needed. Raises WeightsError."""
    size_bytes = remote.size_bytes or len(data)
    check_first_bytes(remote.shown, data[: HEADER.size], size_bytes, 0 if parts > 1 else 1)
    _magic, _version, tensors, pairs = HEADER.unpack_from(data)
    with memoryview(data) as view:
        try:
            structure = read_structure(view, HEADER.size, tensors, pairs, size_bytes)
        except CutError:
            return None
        except BrokenError as broken:
            refuse(remote, broken.what, ELSEWHERE)
        said = parts_of(view, structure) or 1
    if said != parts:
        refuse(remote, f"it says that it is one of {said} parts, and there are {parts}", ELSEWHERE)
    return Head(data, structure)


def refuse(remote: Remote, what: str, hint: str) -> NoReturn:
    """Raise WeightsError."""
    raise WeightsError(f"could not read the header of {remote.shown}: {what}", hint)
