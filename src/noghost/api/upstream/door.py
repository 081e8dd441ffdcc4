"""Take out of the app's requests those for a remote model. In an instance; not there in a service without one.

Covered: a request for any other model, or that is not understood, goes on to the app as it came.
Not covered: endpoints other than chat and text completions: for these a remote model is none.
"""

from __future__ import annotations

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from noghost.api.body import replay
from noghost.api.commitment import commit_to_answer, commitment_of
from noghost.api.errors import error_response
from noghost.api.here import Here
from noghost.api.upstream.faults import UpstreamError
from noghost.api.upstream.passing import Passing, Shape
from noghost.api.upstream.request import RemoteChat, RemoteText, checked, object_of, outgoing

SHAPES = {
    "/v1/chat/completions": Shape(
        "/chat/completions", RemoteChat, "chatcmpl-", "chat.completion", "chat.completion.chunk"
    ),
    "/v1/completions": Shape("/completions", RemoteText, "cmpl-", "text_completion", "text_completion"),
}
CALLS = {"tools", "functions"}  # what an answer can be calls by, now and in OpenAI's older form


class RemoteDoor:
    """ASGI middleware, behind WholeBody: the body comes in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        now: Here = scope["app"].state.here
        shape = SHAPES.get(scope["path"]) if now.remotes and scope["method"] == "POST" else None
        if shape is None:
            await self._app(scope, receive, send)
            return
        data = (await receive())["body"]
        body = object_of(scope, data)
        remote = next((one for one in now.remotes if one.upstream.name == body.get("model")), None)
        if remote is None:
            await self._app(scope, replay(data, receive), send)
            return
        asked = checked(shape.kind, body, scope)
        commit_to_answer(now.tally, Request(scope), is_one_text=asked.is_one_text and not CALLS & set(body))
        now.timeline.reach("request")
        passing = Passing(now, remote, asked, shape)
        try:
            response = await passing.respond(outgoing(body, remote.upstream), commitment_of(Request(scope)))
        except UpstreamError as error:
            response = error_response(error, scope["path"])
            if error.wait_s:
                response.headers["retry-after"] = error.wait_s
        await response(scope, receive, send)
