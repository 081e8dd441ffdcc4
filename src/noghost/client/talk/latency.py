"""How long each part of a turn took, for the person who waited. Times are time.monotonic's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Latency:
    """When each thing was there; None: it never was."""

    released_s: float | None = None  # the key, or the last sound of a voice
    text_s: float | None = None  # what was said is known
    word_s: float | None = None  # of the answer
    sound_s: float | None = None  # of the answer, that is no silence

    def line(self) -> str:
        """Its parts and the whole; "" where nothing was measured."""
        steps = (("release → text", self.text_s), ("→ first word", self.word_s), ("→ first sound", self.sound_s))
        told, last_s = list[str](), self.released_s
        for name, at_s in steps:
            if at_s is None or last_s is None:
                return ", ".join(told)
            told.append(f"{name} {at_s - last_s:.2f} s")
            last_s = at_s
        return f"{', '.join(told)}; voice to voice {(last_s or 0.0) - (self.released_s or 0.0):.2f} s"
