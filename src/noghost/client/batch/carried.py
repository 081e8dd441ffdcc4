"""A sealed invocation, carried by Ray to the agent of a node and back: a transport of httpx under the sealed one. On
the caller's side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h11
import httpx

from noghost.client.batch.node import ANSWER_S
from noghost.errors import NoghostError


class RayTransport(httpx.BaseTransport):
    """Opens connections through an agent. Raises httpx's own errors."""

    def __init__(self, ray: Any, agent: Any) -> None:
        self._ray, self._agent = ray, agent

    def call(self, method: str, *arguments: object) -> Any:
        """One of the agent's methods."""
        try:
            return self._ray.get(getattr(self._agent, method).remote(*arguments), timeout=ANSWER_S)
        except (self._ray.exceptions.RayError, NoghostError) as error:
            raise httpx.ConnectError(type(error).__name__) from None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The upgrade of a sealed invocation, and nothing else."""
        http = h11.Connection(h11.CLIENT)
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        upgrade = b"".join(http.send(event) or b"" for event in (head, h11.EndOfMessage()))
        number, said = self.call("begin", upgrade)
        http.receive_data(said)
        answer = http.next_event()
        if not isinstance(answer, (h11.Response, h11.InformationalResponse)):
            raise httpx.RemoteProtocolError("no answer to the upgrade")
        carried = Carried(self, number, http.trailing_data[0])
        return httpx.Response(
            answer.status_code,
            headers=list(answer.headers),
            stream=carried,
            extensions={"network_stream": carried},
        )


class Carried(httpx.SyncByteStream):
    """A connection, as far as one sealed invocation needs it: one thing comes, one is said, the rest comes."""

    def __init__(self, transport: RayTransport, number: int, first: bytes) -> None:
        self._transport, self._number = transport, number
        self._come, self._done = first, False

    def read(self, _most_bytes: int, timeout: float | None = None) -> bytes:
        """All that has come; nothing: it has ended."""
        come, self._come = self._come, b""
        return come

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """The sealed request; the whole answer has come when it returns."""
        if not self._done:  # what is said after it (the end, a pong) nobody waits for
            self._done = True
            self._come += self._transport.call("finish", self._number, data)

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """The instance ends, if it has not."""
        if not self._done:
            self._done = True
            self._transport.call("leave", self._number)
