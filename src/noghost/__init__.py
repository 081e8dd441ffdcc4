"""noghost: language models that exist only when invoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noghost.client.transcript import Transcript

__version__ = "0.1.0"
__all__ = ["Transcript", "__version__"]


def __getattr__(name: str) -> type[Transcript]:
    """`noghost.Transcript`, imported when a caller asks for it: every process of the service imports this package."""
    if name != "Transcript":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from noghost.client.transcript import Transcript

    return Transcript
