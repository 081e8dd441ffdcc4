"""Which text of an answer was heard, when its sound is cut. PURE, in an instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

CHARACTERS_PER_S = 15.0  # of a sentence whose length is not known yet, since it was cut while it was made
NEAR_S = 0.05  # of its end, a sentence was heard


@dataclass(slots=True)
class Spoken:
    """The sentences of an answer, and how long each is that is whole."""

    sentences: list[str] = field(default_factory=list)
    said_s: Sequence[float] = ()
    sent_s: float = 0.0  # of sound that went to the caller

    def heard(self, until_s: float) -> str:
        """What was said until then: whole sentences, and of the one that was cut as many words as fit."""
        kept: list[str] = []
        for number, sentence in enumerate(self.sentences):
            is_known = number < len(self.said_s)
            length_s = self.said_s[number] if is_known else len(sentence) / CHARACTERS_PER_S
            if until_s < length_s - NEAR_S:
                words = sentence.split()
                kept += words[: int(len(words) * max(0.0, until_s) / length_s)]
                break
            kept.append(sentence)
            until_s -= length_s
        return " ".join(kept)
