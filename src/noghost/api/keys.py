"""Ask for an API key before anything else of a request is looked at. In an instance.

The key comes as OpenAI's clients send it (`Authorization: Bearer KEY`) or as Anthropic's do (`x-api-key: KEY`).

Covered: without a key that holds, not a byte of the body is read and nothing is told but that; the headers that carry
keys are taken off before the app sees the request, whether a key is asked for or not. Which key it was is written
nowhere: not into the log, not into the ledger.
Not covered: `/healthz`, `/readyz` and the page at `/`, which are open; the bytes of the header, which are parsed
first; how often somebody tries (keys/key.py says why that needs no limit).
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from noghost.api.body import marked
from noghost.api.errors import error_response
from noghost.api.here import Here
from noghost.errors import RequestError
from noghost.keys.key import Keys

OPEN_PATHS = ("/", "/healthz", "/readyz")
CREDENTIALS = (b"authorization", b"x-api-key")
MISSING = "this service asks for an API key; send one in the header Authorization: Bearer KEY, or x-api-key: KEY"
SUBPROTOCOL = "openai-insecure-api-key."  # a page's WebSocket has no headers of its own: OpenAI's way to send a key
WRONG = "this API key is not one of this service's"
UNREADABLE = RequestError("this service cannot read its API keys at the moment", status=503, code="keys_unreadable")


class AsksKey:
    """ASGI middleware, the outermost: lets in who has a key; adds the invocation's id to what it says itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        now: Here = scope["app"].state.here
        offered = take_off(scope)
        refused: Exception | None
        try:
            refused = None if now.keys is None or scope["path"] in OPEN_PATHS else refusal(now.keys, offered)
        except Exception as fault:  # noqa: BLE001  such as no memory for scrypt: whoever was not checked stays out
            refused = fault
        if refused is None:
            await self._app(scope, receive, send)
            return
        response = error_response(refused, scope["path"])
        if response.status_code == 401:
            response.headers["www-authenticate"] = "Bearer"
        await response(scope, receive, marked(send, now))


def take_off(scope: Scope) -> str | None:
    """Remove the headers that carry a key from the request; the key, None when there is none, empty when there are
    several headers of a kind or another scheme than Bearer."""
    headers = scope["headers"]
    scope["headers"] = [(name, value) for name, value in headers if name not in CREDENTIALS]
    bearer, plain = ([value for name, value in headers if name == kind] for kind in CREDENTIALS)
    if bearer:
        scheme, _, key = bearer[0].decode("latin-1").partition(" ")
        return key.strip() if len(bearer) == 1 and scheme.lower() == "bearer" else ""
    if plain:
        return plain[0].decode("latin-1") if len(plain) == 1 else ""
    return of_a_page(scope)


def of_a_page(scope: Scope) -> str | None:
    """The key that a page sends among the subprotocols of its WebSocket; taken off."""
    named = scope.get("subprotocols", [])
    if found := [name for name in named if name.startswith(SUBPROTOCOL)]:
        scope["subprotocols"] = [name for name in named if name not in found]
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
    return found[0].removeprefix(SUBPROTOCOL) if found else None


def refusal(keys: Keys, offered: str | None) -> RequestError | None:
    """Why this caller is not let in; None for one who is."""
    if not keys.readable:
        return UNREADABLE
    if offered is None:
        return RequestError(MISSING, status=401, code="invalid_api_key")
    return None if keys.holds(offered) else RequestError(WRONG, status=401, code="invalid_api_key")
