"""The caller's commitment to its request: a header, for the body that it is made over cannot hold it. In an instance.

Covered: one header of 32 bytes in hex, or a 400 that names it. Not covered: whether it is an HMAC at all; only the
caller, who has the key, can know.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request

from noghost.errors import RequestError

HEADER = "noghost-commitment"
HEX_32_BYTES = re.compile(r"[0-9a-f]{64}")
# In the document, as OpenAPI describes a header.
PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "an HMAC-SHA-256 over the body's bytes, under a key that only the caller has, as hex",
            "schema": {"type": "string", "pattern": f"^{HEX_32_BYTES.pattern}$"},
        }
    ]
}


def commitment_of(request: Request) -> bytes | None:
    """The 32 bytes for the ledger, or None; raises RequestError for anything else."""
    sent = request.headers.getlist(HEADER)
    if not sent:
        return None
    if len(sent) > 1 or not HEX_32_BYTES.fullmatch(sent[0]):
        message = f"the header {HEADER} is not 64 lower-case hexadecimal digits"
        raise RequestError(message, code="invalid_value", param=HEADER)
    return bytes.fromhex(sent[0])
