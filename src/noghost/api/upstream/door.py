"""Take out of the app's requests those for a remote model. In an instance; not there in a service without one.

Covered: a request for any other model, or that is not understood, goes on to the app as it came.
Not covered: endpoints that give an answer a form of their own (api/conversation.py), and those that need a tokeniser:
for these a remote model is none.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from noghost.api.body import replay
from noghost.api.commitment import commit_to_answer, commitment_of
from noghost.api.here import Here
from noghost.api.upstream.call import Call
from noghost.api.upstream.passing import CHAT, TEXT, Passing, Shape, embed
from noghost.api.upstream.remote import Remote
from noghost.api.upstream.request import RemoteChat, RemoteEmbedding, RemoteText, checked, object_of, outgoing

COMPLETIONS: dict[str, tuple[type[RemoteChat] | type[RemoteText], Shape]] = {
    "/v1/chat/completions": (RemoteChat, CHAT),
    "/v1/completions": (RemoteText, TEXT),
}
CALLS = {"tools", "functions"}  # what an answer can be calls by, now and in OpenAI's older form
EMBEDDINGS = "/v1/embeddings"


class RemoteDoor:
    """ASGI middleware, behind WholeBody: the body comes in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        now: Here = scope["app"].state.here
        path = scope["path"]
        if not now.remotes or scope["method"] != "POST" or (path not in COMPLETIONS and path != EMBEDDINGS):
            await self._app(scope, receive, send)
            return
        data = (await receive())["body"]
        body = object_of(scope, data)
        remote = now.remote_called(body.get("model"))
        if remote is None:
            await self._app(scope, replay(data, receive), send)
            return
        response = await answered(now, remote, body, scope)
        await response(scope, receive, send)


async def answered(now: Here, remote: Remote, body: dict[str, Any], scope: Scope) -> Response:
    """The provider's answer. Raises RequestError, LedgerError and UpstreamError."""
    call, request = Call(now, remote), Request(scope)
    if scope["path"] == EMBEDDINGS:
        checked(RemoteEmbedding, body, scope)
        commit_to_answer(now.tally, request, is_one_text=False)
        now.timeline.reach("request")
        return await embed(call, outgoing(body, remote.upstream), commitment_of(request))
    kind, shape = COMPLETIONS[scope["path"]]
    asked = checked(kind, body, scope)
    commit_to_answer(now.tally, request, is_one_text=asked.is_one_text and not CALLS & set(body))
    now.timeline.reach("request")
    return await Passing(call, asked, shape).respond(outgoing(body, remote.upstream), commitment_of(request))
