"""Endpoints: a path, a method, the function that answers, and what the document says of it. Listed in the warden,
before any fork; a call runs in an instance.

A function is given the request and, where it takes one, its body. What it says otherwise (`said`) is for
`docs/_generate_api.py` alone, which has FastAPI make the document of it: a service imports nothing of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from noghost.api.errors import NOT_AN_OBJECT, NOT_JSON, validated
from noghost.errors import RequestError

JSON_KIND = re.compile(r"\s*application/([^;]*\+)?json\s*(;.*)?", re.IGNORECASE)
Answer = Callable[..., Any]  # (request) or (body, request) -> a coroutine of a response, or of what is sent as JSON


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path with one method."""

    method: str
    path: str
    answer: Answer
    said: dict[str, Any]  # as FastAPI's `add_api_route` takes it

    def route(self) -> Route:
        """For the app."""
        kind = get_type_hints(self.answer).get("body")

        async def serve(request: Request) -> Response:
            given = (validated(kind, await body_of(request)),) if kind else ()
            answered = await self.answer(*given, request)
            return answered if isinstance(answered, Response) else JSONResponse(answered)

        route = Route(self.path, serve)
        route.methods = {self.method}  # no HEAD, which Starlette adds to a GET: it would cost a birth, and tell nothing
        return route


class Endpoints(list[Endpoint]):
    """Those of one family, in the order in which they are looked through."""

    def get(self, path: str, **said: Any) -> Callable[[Answer], Answer]:
        """Decorate what answers a GET."""
        return self._listed("GET", path, said)

    def post(self, path: str, **said: Any) -> Callable[[Answer], Answer]:
        """Decorate what answers a POST."""
        return self._listed("POST", path, said)

    def _listed(self, method: str, path: str, said: dict[str, Any]) -> Callable[[Answer], Answer]:
        def listed(answer: Answer) -> Answer:
            self.append(Endpoint(method, path, answer, said))
            return answer

        return listed


async def body_of(request: Request) -> Any:
    """The body, read as JSON. Raises RequestError where it is none, or not sent as such, which a page of another origin
    can do."""
    data = await request.body()
    if not data or not JSON_KIND.fullmatch(request.headers.get("content-type", "")):
        raise RequestError(NOT_AN_OBJECT, code="invalid_body")
    return parsed(data)


def parsed(data: bytes) -> Any:
    """JSON; RequestError, which is not raised where the decoder's own error is: that one holds what was sent."""
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        wrong = RequestError(f"the body is not valid JSON at character {error.pos}", code="invalid_json")
    except (ValueError, RecursionError):
        wrong = RequestError(NOT_JSON)
    raise wrong
