"""How a client of ours reaches a service: over http, https, or a Unix socket.

Covered: with a fingerprint, the certificate is that one or nothing is said; without one, it must come from an
authority that this machine's certificates (certifi's) know. Proxies and certificates of the environment are ignored.
Not covered: a fingerprint that was copied from the wrong place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from noghost.errors import ConfigError, HuntError

if TYPE_CHECKING:
    from noghost.client.sealed.trust import Trust

TIMEOUT_S = 300.0  # a cold server may load its model first
SHA256_HEX = re.compile(r"[0-9a-f]{64}")
ANY_NAME = "localhost"  # over a Unix socket a request has to be for somebody


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is."""

    url: str  # http or https, without /v1
    unix: str | None = None  # the socket's path

    def connect(self) -> socket.socket:
        """A connection, nothing said yet; raises OSError."""
        if self.unix:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(TIMEOUT_S)
            connection.connect(self.unix)
            return connection
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return socket.create_connection((parts.hostname, port), TIMEOUT_S)


def place_of(url: str, fingerprint: str | None = None) -> Place:
    """Of a URL with or without /v1, or of unix:PATH, which speaks TLS where a fingerprint is given; ConfigError."""
    if url.startswith("unix:"):
        scheme = "https" if fingerprint else "http"
        return Place(f"{scheme}://{ANY_NAME}", url.removeprefix("unix:").removeprefix("//"))
    place = Place(url.rstrip("/").removesuffix("/v1"))
    if fingerprint and not place.url.startswith("https://"):
        raise ConfigError("a fingerprint, and no TLS", "give an address that begins with https:// or unix:")
    return place


def open_client(
    url: str, api_key: str | None = None, fingerprint: str | None = None, trust: Trust | None = None
) -> httpx.Client:
    """A client for `url`; with `trust`, all that it says is sealed to instances of that service. Raises ConfigError
    for a fingerprint that is none, HuntError where the certificate is another one."""
    place = place_of(url, fingerprint)
    transport: httpx.BaseTransport = httpx.HTTPTransport(
        verify=pinned(place, fingerprint) if fingerprint else True, uds=place.unix
    )
    if trust:
        from noghost.client.sealed.transport import SealedTransport  # with what seals: only where it is used

        transport = SealedTransport(trust, transport)
    return httpx.Client(
        base_url=place.url, timeout=TIMEOUT_S, trust_env=False, headers=key_header(api_key), transport=transport
    )


def open_async_client(url: str, api_key: str | None = None, fingerprint: str | None = None) -> httpx.AsyncClient:
    """The same for what waits for several things at once."""
    place = place_of(url, fingerprint)
    verify = pinned(place, fingerprint) if fingerprint else True
    transport = httpx.AsyncHTTPTransport(verify=verify, uds=place.unix)
    return httpx.AsyncClient(
        base_url=place.url, timeout=TIMEOUT_S, trust_env=False, headers=key_header(api_key), transport=transport
    )


def key_header(api_key: str | None) -> dict[str, str]:
    """Of a service that asks for one."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def url_of(place: Place) -> str:
    """As a person gave it."""
    return f"unix:{place.unix}" if place.unix else place.url


def pinned(place: Place, fingerprint: str) -> ssl.SSLContext:
    """Trusts the one certificate whose SHA-256 is `fingerprint`, whatever name it is for.

    It is fetched first, over a connection that says nothing else; the next one proves that the key is there too.
    """
    wanted = fingerprint.replace(":", "").strip().lower()
    if not SHA256_HEX.fullmatch(wanted):
        raise ConfigError("the fingerprint is not a SHA-256 in hexadecimal", "copy it from the service's second line")
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname, looking.verify_mode = False, ssl.CERT_NONE
    try:
        with place.connect() as connection:
            name = urlsplit(place.url).hostname
            with looking.wrap_socket(connection, server_hostname=name) as secured:
                found = secured.getpeercert(binary_form=True) or b""
    except OSError as error:  # ssl.SSLError is one
        raise HuntError(f"no TLS from {url_of(place)} ({type(error).__name__})", "is it served with --tls?") from None
    if not hmac.compare_digest(hashlib.sha256(found).hexdigest(), wanted):
        raise HuntError(
            f"{url_of(place)} has another certificate than the fingerprint says",
            "a restart without --tls-cert makes a new one; else somebody is in between",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # also one that an authority has signed
    context.load_verify_locations(cadata=found)
    return context
