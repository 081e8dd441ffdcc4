"""On what terms a request leaves: what OpenRouter is told about keeping and training. In an instance.

OpenRouter hands a request on to others, and lets the request say to whom it may (its documentation, "Provider
routing" and "Zero data retention"): `provider.data_collection: "deny"` leaves out who may train on it, `provider.zdr:
true` who keeps it.

Covered: both are set where the host is OpenRouter's; a caller can ask for more of its other fields, and for less of
these only where the operator allows that (`loosen`). What would carry the text to others than the model's provider, or
another policy in by a name (plugins, server tools, presets, other models), is refused in the same way.
Not covered: whether the provider, or OpenRouter itself, keeps to it; the settings of the operator's account there.
"""

from __future__ import annotations

from typing import Any

from noghost.errors import RequestError

STRICT = {"data_collection": "deny", "zdr": True}
BYPASSES = ("models", "preset", "plugins", "web_search_options")


def on_terms(body: dict[str, Any], *, loosen: bool) -> dict[str, Any]:
    """The request with OpenRouter's fields as they have to be; RequestError for one that asks for less."""
    provider = body.get("provider") or {}
    if not isinstance(provider, dict):
        raise RequestError("provider is not an object", param="provider")
    said = {name: value for name, value in provider.items() if value is not None}
    if not loosen:
        check(body, said)
    return body | {"provider": STRICT | said}


def check(body: dict[str, Any], provider: dict[str, Any]) -> None:
    """RequestError for what the operator has not allowed."""
    for name, value in STRICT.items():
        if provider.get(name, value) != value:
            raise not_allowed(f"provider.{name}")
    for name in BYPASSES:
        if body.get(name):
            raise not_allowed(name)
    tools = body.get("tools") or []
    if not isinstance(tools, list) or any(
        not isinstance(tool, dict) or tool.get("type") != "function" for tool in tools
    ):
        raise not_allowed("tools")


def not_allowed(param: str) -> RequestError:
    """The error for it."""
    message = f"{param} asks for less than this service grants: nobody may keep what is sent, nor train on it"
    return RequestError(message, code="unsupported_parameter", param=param)
