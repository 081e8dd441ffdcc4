"""The protocol over HTTP: one path, one method, one thing at a time. In the witness.

Covered: a body is bounded; an error says what is wrong with a submission and nothing of the witness's disk.
Not covered: callers who send slowly; who may call (the protocol lets everybody: a checkpoint is signed).
"""

from __future__ import annotations

import socket
from http import HTTPStatus
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from noghost.config import Address, Tls
from noghost.errors import ConfigError, LedgerError, RequestError
from noghost.ledger.submission import SUBMISSION_MAX_BYTES
from noghost.witness.judge import CONFLICT, Witness

PATH = "/add-checkpoint"
SIZE = "text/x.tlog.size"
MOST_CALLERS = 64  # at once; others are answered 503


def listen(address: Address) -> socket.socket:
    """Raises ConfigError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = "choose another --port, or 0 for a free one"
        raise ConfigError(f"could not listen on {address.host} port {address.port}: {reason}", hint) from None


def serve(witness: Witness, listener: socket.socket, tls: Tls | None) -> None:
    """Until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app_of(witness),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CALLERS,
        ssl_certfile=path_of(tls.certificate if tls else None),
        ssl_keyfile=path_of(tls.key if tls else None),
    )
    uvicorn.Server(config).run([listener])


def app_of(witness: Witness) -> Starlette:
    """The one endpoint."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            # Not in a thread: what is compared and what is kept belong together, and it is a matter of milliseconds.
            return Response(witness.add(await body_of(request)), media_type="text/plain")
        except RequestError as refused:
            kind = SIZE if refused.status == CONFLICT else "text/plain"
            # As a header, since Starlette would add a charset to a text's type.
            return Response(f"{refused.message}\n", refused.status, {"content-type": kind})
        except LedgerError:
            return Response("the witness cannot keep checkpoints now\n", HTTPStatus.INTERNAL_SERVER_ERROR)

    return Starlette(routes=[Route(PATH, add_checkpoint, methods=["POST"])])


async def body_of(request: Request) -> bytes:
    """Raises RequestError 413 for one that no checkpoint needs."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > SUBMISSION_MAX_BYTES:
            raise RequestError("the submission is too long", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return data


def path_of(path: Path | None) -> str | None:
    """As uvicorn takes it."""
    return None if path is None else str(path)
