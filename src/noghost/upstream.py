"""A model that somebody else serves: what a person may set about it. Read once, before anything starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from noghost.errors import ConfigError

HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?")  # as a receipt can hold it
MOST_SILENCE_S = 86_400
HTTPS_PORT = 443
EXAMPLE = "write https://HOST/PATH, as in https://openrouter.ai/api/v1"
REMOTE = "remote/"  # in a receipt, in the place of a digest of weights: the host's name follows


@dataclass(frozen=True, slots=True)
class Upstream:
    """One model of an OpenAI-compatible API over TLS. Raises ConfigError."""

    name: str  # what callers of this service call it
    url: str  # of the API, without an endpoint
    model: str = ""  # what the provider calls it; empty: the same
    key_env: str | None = None  # the provider's key is in this variable of the environment
    key_file: Path | None = None  # or in this file, which its owner alone may read
    ca: Path | None = None  # whom to believe who the host is: a PEM file, in the place of this machine's store
    silence_s: float = 120  # without a byte from it, until its answer is given up
    loosen: bool = False  # callers may ask for less than what terms.py sets

    def __post_init__(self) -> None:
        if not self.name or self.name == "default":
            raise ConfigError("an upstream has no name of its own", "give a name that no other model has")
        if self.key_env and self.key_file:
            raise ConfigError(f"the upstream {self.name} has key_env and key_file", "give one of them")
        if not 0 < self.silence_s <= MOST_SILENCE_S:
            limits = f"it takes seconds up to {MOST_SILENCE_S}"
            raise ConfigError(f"silence_s of the upstream {self.name} is out of range", limits)
        check_url(self.name, self.url)

    @classmethod
    def of(cls, text: str) -> Upstream:
        """From NAME=URL. Raises ConfigError."""
        name, _, url = text.partition("=")
        return cls(name, url)

    @property
    def theirs(self) -> str:
        """What the provider calls the model."""
        return self.model or self.name

    @property
    def host(self) -> str:
        """Whose it is: the name that its certificate must have."""
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or HTTPS_PORT

    @property
    def has_default_port(self) -> bool:
        """It is left out where the host is named."""
        return self.port == HTTPS_PORT

    @property
    def path(self) -> str:
        """What stands before every endpoint."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def is_openrouter(self) -> bool:
        """It is OpenRouter's, of any region."""
        return self.host == "openrouter.ai" or self.host.endswith(".openrouter.ai")

    @property
    def mark(self) -> str:
        """What receipts name it by."""
        return f"{REMOTE}{self.host}"


def check_url(name: str, url: str) -> None:
    """Raise ConfigError for what is no https URL of a host, or holds more than that; the URL is not repeated, since it
    may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"the url of the upstream {name} is no URL", EXAMPLE) from None
    if parts.scheme != "https":
        raise ConfigError(f"the url of the upstream {name} does not begin with https://", EXAMPLE)
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"the url of the upstream {name} holds more than host and path", f"{EXAMPLE}; a key stands in key_env"
        )
    if not HOST.fullmatch(parts.hostname or "") or port == 0 or not re.fullmatch(r"[!-~]*", parts.path):
        raise ConfigError(f"the url of the upstream {name} names no host that can be asked for", EXAMPLE)
