"""A remote model as an instance needs it. Made in the warden, before any fork, by ready.py."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from noghost.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Remote:
    """One upstream, with what it takes to speak with it. The key is in no repr."""

    upstream: Upstream
    tls: ssl.SSLContext
    key: bytes | None = field(repr=False)  # the provider's: it lets this service in

    def listed(self) -> dict[str, Any]:
        """As OpenAI lists a model."""
        host = self.upstream.host
        return {
            "id": self.upstream.name,
            "object": "model",
            "created": 0,
            "owned_by": host,
            "noghost": {"remote": host, "loaded": False},
        }
