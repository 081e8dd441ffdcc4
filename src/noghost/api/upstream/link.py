"""TLS over the connection that was handed over: the caller's end, in memory. In an instance.

Covered: certificate and name are checked before anything is sent; an end without a close_notify is an error, so
nobody on the way can cut an answer short; the bound of silence holds for each wait.
Not covered: the sizes and times of the records, which everybody on the way to the provider sees.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from noghost.api.upstream.faults import broken, silent, untrusted
from noghost.api.upstream.remote import Remote

READ_BYTES = 64 * 1024
T = TypeVar("T")


class Link:
    """One connection to one upstream. Everything raises UpstreamError."""

    def __init__(self, connection: socket.socket, remote: Remote) -> None:
        self._connection = connection
        self._silence_s = remote.upstream.silence_s
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = remote.tls.wrap_bio(self._arrived, self._leaving, server_hostname=remote.upstream.host)

    async def shake(self) -> None:
        """The handshake."""
        await self._do(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """All of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[await self._do(lambda: self._tls.write(rest)) :]  # noqa: B023  called before it changes

    async def receive(self) -> bytes:
        """What is there next; empty at the provider's own end."""
        return await self._do(lambda: self._tls.read(READ_BYTES))

    async def _do(self, step: Callable[[], T]) -> T:
        """A step of TLS, as often as it needs more from the other end, which hears what there is to say."""
        try:
            async with asyncio.timeout(self._silence_s):
                while True:
                    try:
                        done = step()
                    except ssl.SSLWantReadError:
                        await self._flush()
                        await self._fill()
                    else:
                        await self._flush()
                        return done
        except TimeoutError:
            raise silent() from None
        except ssl.SSLCertVerificationError:
            raise untrusted() from None
        except OSError:  # of which every error of TLS is one
            raise broken() from None

    async def _flush(self) -> None:
        if records := self._leaving.read():
            await asyncio.get_running_loop().sock_sendall(self._connection, records)

    async def _fill(self) -> None:
        if data := await asyncio.get_running_loop().sock_recv(self._connection, READ_BYTES):
            self._arrived.write(data)
        else:
            self._arrived.write_eof()
