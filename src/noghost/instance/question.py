"""What was asked on the command line. Made in the command's process, read in its instance; imports no engine."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from noghost.errors import RequestError


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


def messages(question: Question, material: str) -> list[dict[str, str]]:
    """The conversation: a system message if there is one, then instruction and material. RequestError for nothing."""
    text = "\n\n".join(part for part in (question.instruction, material) if part)
    if not text:
        raise RequestError("there is nothing to ask: give a question, or material on standard input")
    system = [{"role": "system", "content": question.system}] if question.system else []
    return [*system, {"role": "user", "content": text}]


def material(question: Question) -> str:
    """Standard input as UTF-8 where it is the material, else ""; raises RequestError with the byte where it is not."""
    data = b"".join(iter(lambda: os.read(0, 65536), b"")) if question.material else b""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"standard input is not valid UTF-8 at byte {error.start}") from None
