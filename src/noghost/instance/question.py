"""What was asked on the command line. Made in the command's process, read in its instance; imports no engine."""

from __future__ import annotations

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
