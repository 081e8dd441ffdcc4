"""What was asked on the command line. Made in the command's process, read in its instance; imports no engine."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds content
class Question:
    """One `noghost ask`."""

    instruction: str
    system: str | None
    material: bool  # standard input is the material
    temperature: float
    top_p: float
    seed: int
    max_tokens: int | None
    stops: tuple[str, ...]
    as_json: bool

    def most_tokens(self) -> int | None:
        """At most so many tokens are in question and answer, a template's words aside; None: nobody knows yet."""
        status = os.fstat(0) if self.material else None
        if self.max_tokens is None or (status and not stat.S_ISREG(status.st_mode)):
            return None
        said = len(f"{self.instruction}{self.system or ''}".encode("utf-8", "replace"))  # a token is at least a byte
        return said + (status.st_size if status else 0) + self.max_tokens
