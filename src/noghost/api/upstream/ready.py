"""Read keys and certificates of the upstreams, and go through TLS once. In the warden, before any birth.

Covered: an instance opens no file, so everything that OpenSSL would look for is in its memory; certificates are
checked against this machine's store or the one that is configured, TLS 1.2 or later; no log of session keys; a key
file that others can read is refused.
Not covered: a key is in the warden's memory and so in every instance's; one in the environment is in /proc/PID/environ
too, which this service's user and root can read. A store that changes is read again at the next start.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

import noghost.api.upstream.turn  # noqa: F401  an instance asks for it, and opens no file
from noghost.api.certificate import bare_context, forget_key_log, load, self_signed, shake_hands
from noghost.api.upstream.door import RemoteDoor
from noghost.api.upstream.remote import Remote
from noghost.config import Config
from noghost.errors import ConfigError
from noghost.upstream import Upstream

OPENROUTER_KEY = "OPENROUTER_API_KEY"  # as its documentation calls it
KEY_BYTES = range(0x21, 0x7F)  # of a header's value without spaces
MOST_KEY_BYTES = 4096


def remotes_of(config: Config, taken: Iterable[str]) -> tuple[Remote, ...]:
    """The remote models of a service, whose own models have the names `taken`. Raises ConfigError."""
    for name in {upstream.name for upstream in config.upstreams} & set(taken):
        raise ConfigError(f"two models are called {name}", "give the upstream another name, and its own as model")
    remotes = tuple(Remote(upstream, trusting(upstream), key_of(upstream)) for upstream in config.upstreams)
    if remotes:
        rehearse(remotes[0].tls)
    return remotes


def trusting(upstream: Upstream) -> ssl.SSLContext:
    """TLS towards it. The store is read whole: a folder of certificates OpenSSL would search in the instance."""
    forget_key_log()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    where = ssl.get_default_verify_paths()
    files = [upstream.ca] if upstream.ca else [Path(where.cafile)] if where.cafile else folder_of(where.capath)
    for file in files:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ssl.SSLError):
            if upstream.ca:
                raise ConfigError(f"there are no certificates in {file}", "give a PEM file in ca") from None
    if not context.cert_store_stats()["x509"]:
        raise ConfigError(
            "this machine has no store of certificates", "install ca-certificates, or give a PEM file in ca"
        )
    return context


def folder_of(path: str | None) -> list[Path]:
    """The files of a store that is a folder, each once."""
    return sorted({file.resolve() for file in Path(path).iterdir() if file.is_file()}) if path else []


def key_of(upstream: Upstream) -> bytes | None:
    """The provider's key; None where none is asked for. Raises ConfigError, without a word of the key."""
    variable = upstream.key_env or (OPENROUTER_KEY if upstream.is_openrouter and not upstream.key_file else None)
    if upstream.key_file:
        key, where = key_in(upstream.key_file), str(upstream.key_file)
    elif variable:
        key, where = os.environ.get(variable, "").encode(), f"the environment variable {variable}"
    else:
        return None
    if not 0 < len(key) <= MOST_KEY_BYTES or not all(byte in KEY_BYTES for byte in key):
        raise ConfigError(f"there is no key in {where}", f"the upstream {upstream.name} is asked with it")
    return key


def key_in(path: Path) -> bytes:
    """The only line of a file that is its owner's alone. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(f"others can read the key in {path}", f"chmod 600 {path}")
            return file.read(MOST_KEY_BYTES + 2).strip()
    except OSError as refused:
        raise ConfigError(f"cannot read {path} ({refused.strerror})", "check key_file") from None


def install(app: Starlette) -> None:
    """Let `app` pass on what is for a remote model: behind all else, so that the body was read and the key checked."""
    app.user_middleware.append(Middleware(RemoteDoor))  # the list is in the order in which they come


def rehearse(context: ssl.SSLContext) -> None:
    """A handshake in memory with somebody nobody vouches for: OpenSSL loads much at its first."""
    server = bare_context()
    load(server, self_signed("localhost"))
    shake_hands(context, server, name="localhost")
