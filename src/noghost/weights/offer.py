"""What is offered somewhere: files to fetch, and what is known of them before. On the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from noghost.errors import WeightsError
from noghost.weights.download import Remote
from noghost.weights.names import is_sha256, shown

HOW = "give hf:OWNER/REPO, or https://… with --sha256"


@dataclass(frozen=True, slots=True)
class Offer:
    """One model at its source; its files in the order in which they are joined."""

    source: str
    stem: str
    files: tuple[Remote, ...]
    licence: str | None = None

    @property
    def published(self) -> list[str]:
        """The digests of the files."""
        return [file.sha256 for file in self.files]


def at_url(url: str, sha256: str) -> Offer:
    """A file at an address, known by its digest. Raises WeightsError."""
    try:
        parts, source = urlsplit(url), shown(without_secrets(url))
    except ValueError:
        raise WeightsError("could not understand the address", HOW) from None
    if parts.scheme != "https" or not parts.hostname:
        raise WeightsError(f"could not understand {source}", HOW)
    if not is_sha256(sha256.lower()):
        raise WeightsError("--sha256 is no SHA-256", "give its 64 hex digits")
    name = PurePosixPath(unquote(parts.path)).name
    return Offer(source, name.removesuffix(".gguf"), (Remote(url, source, sha256.lower()),))


def without_secrets(url: str) -> str:
    """Scheme, host and path of an address: what is before the host or after the path may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
