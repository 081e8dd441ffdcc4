"""Sealed invocations from the caller's side, as a transport of httpx:

    trust = Trust("https://models.example.org")
    http = httpx.Client(transport=SealedTransport(trust))
    client = OpenAI(base_url="https://models.example.org/v1", http_client=http)

and with `AsyncSealedTransport` and `httpx.AsyncClient` likewise.
"""

from noghost.client.sealed.transport import AsyncSealedTransport, SealedTransport
from noghost.client.sealed.trust import Trust

__all__ = ["AsyncSealedTransport", "SealedTransport", "Trust"]
