"""A model's file, as everything that serves it knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def again(name: str) -> str:
    """What to do about a prepared model that is damaged."""
    return f"prepare it again, or remove it: noghost models rm {name}"


@dataclass(frozen=True)
class WeightsFile:
    """A model's file, the name under which it is served, and its SHA-256 in hex if that is pinned."""

    path: Path
    name: str
    sha256: str | None
    prepared: bool = False  # made by `noghost models prepare`: repacked when it is loaded
    source: str = ""  # the name of the model that it was made of, if so, and its SHA-256
    source_sha256: str = ""
    vouched: bool = False  # llama.cpp is known to survive it: the default model, and what it wrote itself

    @property
    def hold_in(self) -> Path | None:
        """The folder for a file without a name that holds what repacking makes of it; None: it is not repacked."""
        return self.path.parent if self.prepared else None
