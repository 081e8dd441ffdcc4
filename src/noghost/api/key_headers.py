"""Headers that hold 32 bytes as hex: commitments and keys of the caller's. In an instance.

Covered: 64 lower-case digits, once, or a 400 that names the header and does not repeat it.
Not covered: what the bytes are.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.datastructures import Headers

from noghost.errors import RequestError

HEX_32_BYTES = re.compile(r"[0-9a-f]{64}")


def described(name: str, what: str) -> dict[str, Any]:
    """A header in the document, as OpenAPI describes it."""
    schema = {"type": "string", "pattern": f"^{HEX_32_BYTES.pattern}$"}
    return {"name": name, "in": "header", "required": False, "description": what, "schema": schema}


def bytes_of(headers: Headers, name: str) -> bytes | None:
    """The 32 bytes that a header holds, or None without it; RequestError."""
    sent = headers.getlist(name)
    if not sent:
        return None
    if len(sent) > 1 or not HEX_32_BYTES.fullmatch(sent[0]):
        message = f"the header {name} is not 64 lower-case hexadecimal digits"
        raise RequestError(message, code="invalid_value", param=name)
    return bytes.fromhex(sent[0])
