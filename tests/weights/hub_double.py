"""A hub on loopback: its file API, and the other host that it sends every download to.

    GET /api/models/OWNER/REPO?blobs=…            the list of files, with sizes and digests, and the card's licence
    GET /OWNER/REPO/resolve/REVISION/PATH         302 to the other host, with a signature in its query
    GET /PATH?signature=…                         at the other host: the file, whole, from a position on, or a part

What it answers can be bad: see File and Hub. Every request is kept, with its headers.
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

REVISION = "c0ffee" * 6 + "c0ff"
SIGNATURE = "Signature=only-for-this-download"
PIECE_BYTES = 1 << 16


@dataclass
class File:
    """A file as it is listed, and as it is sent."""

    data: bytes
    sent: bytes | None = None  # what comes in its place
    sha256: object = None  # what is listed as its digest; None: the right one
    size_bytes: int | None = None  # what is listed as its size; None: the right one
    cut_after: int | None = None  # bytes of each answer after which the connection ends
    waits_after: int | None = None  # bytes after which nothing comes until `go_on` is set
    ranges: bool = True  # whether a part can be asked for
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def listed(self) -> dict[str, object]:
        """Its digest and size in the list."""
        sha256 = hashlib.sha256(self.data).hexdigest() if self.sha256 is None else self.sha256
        return {"sha256": sha256, "size": self.size_bytes or len(self.data), "pointerSize": 134}


@dataclass(frozen=True)
class Request:
    """One that came: to the hub or to the other host."""

    host: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Hub:
    """What it has; a test may change all of it at any time."""

    files: dict[str, File] = field(default_factory=dict)
    licence: str | None = "apache-2.0"
    status: int = 200  # of the list
    file_status: int = 200  # of a file, at the other host
    headers: dict[str, str] = field(default_factory=dict)  # with a status that is not 200
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    other: str = ""

    def asked(self, host: str) -> list[Request]:
        """The requests that came to one of the two."""
        return [request for request in self.requests if request.host == host]


class Handler(BaseHTTPRequestHandler):
    """One connection to one of the two hosts."""

    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, host: str, *arguments: object) -> None:
        self.hub, self.host = hub, host
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, *arguments: object) -> None:
        """Nothing on standard error."""

    def handle_one_request(self) -> None:
        """Who leaves in the middle of an answer is no error here."""
        with suppress(ConnectionResetError):
            super().handle_one_request()

    def do_GET(self) -> None:
        self.hub.requests.append(Request(self.host, self.path, dict(self.headers)))
        path = unquote(urlsplit(self.path).path)
        if self.host == "other":
            self.send_file(self.hub.files[path.removeprefix("/")])
        elif path.startswith("/api/models/"):
            self.send_list(path.removeprefix("/api/models/"))
        elif found := re.fullmatch(r"/[^/]+/[^/]+/resolve/([^/]+)/(.+)", path):
            assert found[1] == REVISION, "of the very revision that was listed"
            self.answer(302, {"Location": f"{self.hub.other}/{quote(found[2])}?{SIGNATURE}"})
        else:
            self.answer(404)

    def send_list(self, repository: str) -> None:
        if self.hub.status != 200:
            self.answer(self.hub.status, self.hub.headers)
            return
        siblings = [
            {"rfilename": path, "blobId": "0" * 40, "size": file.listed["size"], "lfs": file.listed}
            for path, file in self.hub.files.items()
        ]
        card = {"license": self.hub.licence} if self.hub.licence else {}
        document = {"id": repository, "modelId": repository, "sha": REVISION, "siblings": siblings, "cardData": card}
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def send_file(self, file: File) -> None:
        if self.hub.file_status != 200:
            self.answer(self.hub.file_status, self.hub.headers)
            return
        data = file.data if file.sent is None else file.sent
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if file.ranges else None
        begin = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, len(data)) if asked and asked[2] else len(data)
        if asked and begin >= len(data):
            self.answer(416)
            return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        self.send_body(file, data[begin:end])

    def send_body(self, file: File, data: bytes) -> None:
        for at in range(0, len(data), PIECE_BYTES):
            if file.cut_after is not None and at >= file.cut_after:
                self.close_connection = True
                return
            if file.waits_after is not None and at >= file.waits_after:
                file.go_on.wait(60)
            try:
                self.wfile.write(data[at : at + PIECE_BYTES])
            except OSError:  # the caller was killed
                self.close_connection = True
                return

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(hub: Hub, tls: tuple[Path, Path] | None = None) -> Iterator[Hub]:
    """Both hosts on free ports; `tls`: certificate and key of the other host, which then speaks TLS."""
    with host_of(hub, "hub", None) as hub.url, host_of(hub, "other", tls) as hub.other:
        yield hub


@contextmanager
def host_of(hub: Hub, name: str, tls: tuple[Path, Path] | None) -> Iterator[str]:
    """One of the two; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub, name))
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        for file in hub.files.values():
            file.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
