"""Every error in the API's own shape: {"error": {"message", "type", "param", "code"}}. In an instance.

Under MESSAGES, which is Anthropic's, in that API's: {"type": "error", "error": {"type", "message"}}.

Covered: no message repeats what the caller sent. Not covered: what the caller does with the answer.
"""

from __future__ import annotations

import http
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from noghost.api.strict import FIELDS, UnsupportedError
from noghost.errors import EngineError, LedgerError, NoghostError, ReceiptNotFound, RequestError

M = TypeVar("M", bound=BaseModel)

RETRY_AFTER_S = "1"
MESSAGES = "/v1/messages"
# Anthropic's names of statuses (docs.claude.com, "Errors"); it has 529 where HTTP has 503.
ANTHROPICS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
WORDS = {
    404: "there is nothing at this path; see /docs",
    405: "this path does not take that method; see /docs",
}

TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
AUDIO = ("/v1/audio/", "/v1/realtime")
NO_VOICE = "this service neither hears nor speaks; start it with --voice"
NOT_JSON = "the body could not be read as JSON"
NOT_AN_OBJECT = "the body is not a JSON object; send one with the header content-type: application/json"


def error_body(
    message: str, status: int, path: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """The JSON body of an error, as the API that `path` is of has it."""
    if is_anthropics(path):
        kind = ANTHROPICS.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def is_anthropics(path: str) -> bool:
    """Whether a path is one of Anthropic's API."""
    return path == MESSAGES or path.startswith(f"{MESSAGES}/")


def error_response(error: Exception, path: str) -> JSONResponse:
    """The answer to an error of a request for `path`."""
    status, body = told(error, path)
    wait_s = error.wait_s if isinstance(error, RequestError) and error.wait_s else RETRY_AFTER_S * (status == 503)
    return JSONResponse(body, status, {"retry-after": wait_s} if wait_s else None)


def told(error: Exception, path: str = "") -> tuple[int, dict[str, Any]]:
    """(HTTP status, JSON body) of any error; of one that is not ours nothing is told, since it may hold content."""
    if not isinstance(error, NoghostError):
        error = NoghostError("something went wrong in this instance; it is gone now")
    status, code, param = status_of(error)
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return status, error_body(message, status, path, code, param)


def status_of(error: NoghostError) -> tuple[int, str | None, str | None]:
    """(HTTP status, code, param) of one of our errors."""
    match error:
        case RequestError():
            return error.status, error.code, error.param
        case ReceiptNotFound():
            return 404, "receipt_not_found", "id"
        case LedgerError():
            return 503, "ledger_failed", None
        case EngineError():
            return 500, "engine_failed", None
        case _:
            return 500, None, None


def from_validation(found: Sequence[ErrorDetails]) -> RequestError:
    """What is wrong with the body, by its place, without repeating it. Of a union's several errors (a text, or a
    list of parts) the innermost says most."""
    first = max(found, key=lambda one: len(one["loc"]))
    param = place(first["loc"])
    if first["type"] == "value_error":
        reason = first["ctx"]["error"]
        if isinstance(reason, UnsupportedError):
            return RequestError(str(reason), code="unsupported_parameter", param=reason.param)
        return RequestError(str(reason), param=param)
    if not param:
        return RequestError(NOT_AN_OBJECT, code="invalid_body")
    return RequestError(f"{param}: {first['msg'].lower()}", param=param)


def validated(kind: type[M], fields: Any) -> M:
    """A body, or what one stands for, as `kind`; RequestError for what that does not take."""
    try:
        return kind.model_validate(fields, from_attributes=True)  # for its words: "a valid dictionary or object"
    except ValidationError as error:
        found = error.errors(include_url=False)
    raise from_validation(found)  # not in the handler: its exception holds what was sent


def place(parts: tuple[int | str, ...]) -> str | None:
    """A field's place as OpenAI writes it: messages[0].content. A name that is not one of our fields is the
    caller's own, or pydantic's for a branch of a union: left out."""
    known = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in parts
        if isinstance(part, int) or part in FIELDS
    )
    return known.removeprefix(".") or None


def install(app: Starlette) -> None:
    """Teach `app` to answer every error in this shape."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        return error_response(error, request.scope["path"])

    async def by_status(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        silent = error.status_code == 404 and request.scope["path"].startswith(AUDIO)
        message = (
            NO_VOICE if silent else WORDS.get(error.status_code) or http.HTTPStatus(error.status_code).phrase.lower()
        )
        body = error_body(message, error.status_code, request.scope["path"])
        return JSONResponse(body, error.status_code, error.headers)

    for kind, handler in ((NoghostError, ours), (HTTPException, by_status)):
        app.add_exception_handler(kind, handler)


def describe(schema: dict[str, Any]) -> None:
    """Say in the OpenAPI document what errors look like here, in the place of the framework's own. When it is made."""
    schemas = schema["components"]["schemas"]
    schemas["Error"] = object_of({"error": object_of(dict.fromkeys(("message", "type", "param", "code"), MAYBE_TEXT))})
    schemas["AnthropicError"] = object_of(
        {"type": {"const": "error"}, "error": object_of(dict.fromkeys(("type", "message"), TEXT))}
    )
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in schema["paths"].items():
        name = "AnthropicError" if is_anthropics(path) else "Error"
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["4XX"] = {"description": "The request cannot be taken", "content": content}
            operation["responses"]["5XX"] = {"description": "The service cannot answer", "content": content}


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}
