"""One file over HTTPS into the store, where it ended the last time, and its digest checked. On the command line.

Covered: a download that is cut goes on, in this run as long as something comes, and in the next; what is not the file
with the digest that was promised is removed, and so is more than was promised; a server that falls silent is left; a
redirect to another host takes no token along. Of an address only host and path are told: the rest may be secret.
Not covered: who sees the connection sees which host it goes to, and how much comes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx

from noghost import __version__
from noghost.errors import WeightsError
from noghost.weights.unfinished import Unfinished

CHUNK_BYTES = 1 << 20
SILENCE_S = 30.0
MOST_REDIRECTS = 5
GO_ON = "run the same command again: it goes on where it ended"
# The answers of a server that have a meaning of their own here, and what to do about them.
HINTS = {
    HTTPStatus.UNAUTHORIZED: "check the name; for a private or gated model set HF_TOKEN",
    HTTPStatus.FORBIDDEN: "accept the licence on the model's page, and set HF_TOKEN to a token that may read it",
    HTTPStatus.NOT_FOUND: "check the name; a private model is not there either without its HF_TOKEN",
    HTTPStatus.TOO_MANY_REQUESTS: "wait; then " + GO_ON,
}
Advance = Callable[[int], None]  # so many bytes more are there; fewer, if it is negative


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as it was published. `headers` may hold a token."""

    url: str = field(repr=False)
    shown: str  # the file in words, for messages
    sha256: str
    size_bytes: int | None = None  # None: the server says it
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Part:
    """What there is of a file, and the hash of that."""

    def __init__(self, file: Unfinished, advance: Advance) -> None:
        """Hash what an earlier run has left."""
        self.file, self.advance = file, advance
        self.hash, self.size_bytes = hashlib.sha256(), 0
        while piece := file.read(CHUNK_BYTES, self.size_bytes):
            self._count(piece)

    @property
    def sha256(self) -> str:
        """Of what is there, in hex."""
        return self.hash.hexdigest()

    def append(self, piece: bytes) -> None:
        """Write and hash a piece. Raises WeightsError, with a full disk above all."""
        self.file.write(piece, self.size_bytes)
        self._count(piece)

    def restart(self) -> None:
        """Forget what is there."""
        self.file.truncate()
        self.advance(-self.size_bytes)
        self.hash, self.size_bytes = hashlib.sha256(), 0

    def _count(self, piece: bytes) -> None:
        self.hash.update(piece)
        self.size_bytes += len(piece)
        self.advance(len(piece))


def download(remote: Remote, file: Unfinished, advance: Advance) -> None:
    """Make `file` the whole of `remote`. Raises WeightsError; what came until then stays, if it may be right."""
    part = Part(file, advance)
    with fetching() as client:
        while remote.sha256 != part.sha256 and remote.size_bytes != part.size_bytes:
            if fetch_rest(client, remote, part):
                break
    if part.sha256 != remote.sha256:
        if part.size_bytes < (remote.size_bytes or 0):
            raise WeightsError(f"the server sent {part.size_bytes} bytes of {remote.size_bytes}", GO_ON)
        refuse_digest(remote, part)


def fetching() -> httpx.Client:
    """What asks for files, as they are; a redirect to another host takes no token along."""
    return httpx.Client(
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
        timeout=SILENCE_S,
        headers={"User-Agent": f"noghost/{__version__}", "Accept-Encoding": "identity"},
    )


def fetch_rest(client: httpx.Client, remote: Remote, part: Part) -> bool:
    """Ask for what is missing, once; whether the answer came to its end. Raises WeightsError if nothing came of it."""
    before = part.size_bytes
    headers = dict(remote.headers) | ({"Range": f"bytes={before}-"} if before else {})
    try:
        with client.stream("GET", remote.url, headers=headers) as response:
            check_status(response, remote, part)
            for piece in response.iter_raw():
                part.append(piece)
                refuse_more(remote, part)
        return True
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if part.size_bytes > before:
            return False
        raise WeightsError(f"could not get {remote.shown}: {words(error)}", GO_ON) from None


def check_status(response: httpx.Response, remote: Remote, part: Part) -> None:
    """Whether the answer is the rest of the file, or all of it anew. Raises WeightsError."""
    if response.status_code == HTTPStatus.OK or response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.restart()
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise WeightsError(f"what is there of {remote.shown} is not its beginning", "run the same command again")
    if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise refusal(response.status_code, remote.shown, response.headers.get("retry-after"))
    if response.status_code == HTTPStatus.PARTIAL_CONTENT and not begins_at(response, part.size_bytes):
        raise WeightsError(f"the server sent another part of {remote.shown} than was asked for", GO_ON)
    check_space(part.file.path.parent, (remote.size_bytes or part.size_bytes + length(response)) - part.size_bytes)


def refusal(status: int, shown: str, retry_after: str | None = None) -> WeightsError:
    """What an answer that is none means."""
    hint = HINTS.get(HTTPStatus(status), GO_ON) if status in list(HTTPStatus) else GO_ON
    if status == HTTPStatus.TOO_MANY_REQUESTS and retry_after and retry_after.isdecimal():
        hint = hint.replace("wait;", f"wait {retry_after} s;")
    phrase = HTTPStatus(status).phrase.lower() if status in list(HTTPStatus) else "unknown"
    return WeightsError(f"could not get {shown}: the server said {status}, {phrase}", hint)


def begins_at(response: httpx.Response, at: int) -> bool:
    """Whether a partial answer begins where it should."""
    said: str = response.headers.get("content-range", "")
    return said.startswith(f"bytes {at}-")


def length(response: httpx.Response) -> int:
    """What the server says that is to come, in bytes; 0 if it does not."""
    said: str = response.headers.get("content-length", "")
    return int(said) if said.isdecimal() else 0


def check_space(folder: Path, needed_bytes: int) -> None:
    """Raise WeightsError unless so much can be written there."""
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise WeightsError(
            f"the disk has no room: {needed_bytes} bytes are to come, {free} are free",
            f"free some in {folder}, or set XDG_DATA_HOME to a larger disk",
        )


def refuse_more(remote: Remote, part: Part) -> None:
    """Raise WeightsError for more than was promised."""
    if remote.size_bytes is not None and part.size_bytes > remote.size_bytes:
        part.restart()
        raise WeightsError(f"the server sent more of {remote.shown} than the {remote.size_bytes} bytes that it has")


def refuse_digest(remote: Remote, part: Part) -> None:
    """Remove what is not the file, and raise WeightsError, with both digests."""
    found = part.sha256
    part.restart()
    part.file.path.unlink(missing_ok=True)
    raise WeightsError(
        f"what came is not {remote.shown}: its sha256 is {found}, not {remote.sha256}",
        "nothing of it was kept; try again, and if it stays so, do not trust the source",
    )


def words(error: Exception) -> str:
    """What went wrong on the way. The library's own words may hold an address with a secret in it."""
    if isinstance(error, httpx.TimeoutException):
        return f"the server said nothing for {SILENCE_S:.0f} s"
    if isinstance(error, httpx.ConnectError):
        return f"no connection to the server ({error})"
    if isinstance(error, httpx.TooManyRedirects):
        return "the server sends in a circle"
    return "the connection was cut"
