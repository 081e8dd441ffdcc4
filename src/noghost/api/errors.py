"""Every error in the API's own shape: {"error": {"message", "type", "param", "code"}}. In an instance.

Covered: no message repeats what the caller sent. Not covered: what the caller does with the answer.
"""

from __future__ import annotations

import http
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from noghost.errors import EngineError, LedgerError, NoghostError, ReceiptNotFound, RequestError

RETRY_AFTER_S = "1"
WORDS = {
    404: "there is nothing at this path; see /docs",
    405: "this path does not take that method; see /docs",
}


def error_body(message: str, status: int, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The JSON body of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: NoghostError) -> JSONResponse:
    """The answer to one of our errors."""
    status, code, param = status_of(error)
    headers = {"retry-after": RETRY_AFTER_S} if status == 503 else None
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return JSONResponse(error_body(message, status, code, param), status, headers)


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


def from_validation(error: RequestValidationError) -> RequestError:
    """The first thing that is wrong with the body, by its place, without repeating it."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return RequestError(f"the body is not valid JSON at byte {first['loc'][-1]}", code="invalid_json")
    place = [part for part in first["loc"] if part != "body"]
    param = ".".join(str(part) for part in place) or None
    if first["type"] == "value_error":
        return RequestError(str(first["ctx"]["error"]), param=param)
    if not place:
        return RequestError("the body is not a JSON object; send one with content-type: application/json")
    return RequestError(f"{param}: {first['msg'].lower()}", param=param)


def install(app: FastAPI) -> None:
    """Teach `app` to answer every error in this shape."""

    @app.exception_handler(NoghostError)
    async def ours(_request: Request, error: NoghostError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(from_validation(error))

    @app.exception_handler(HTTPException)
    async def by_status(_request: Request, error: HTTPException) -> JSONResponse:
        message = WORDS.get(error.status_code) or http.HTTPStatus(error.status_code).phrase.lower()
        return JSONResponse(error_body(message, error.status_code), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse(error_body("something went wrong in this instance; it is gone now", 500), 500)
