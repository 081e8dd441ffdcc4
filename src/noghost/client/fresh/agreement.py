"""How far several answers agree: to the character, and by the angle between their vectors. Pure.

What a model says of itself is best heard more than once. Two measures, over all pairs of answers to one question:
the share of pairs that are the same to the character, and the mean cosine of the vectors that the model itself makes of
them. Vectors of one model lie close together whatever the texts say, so a cosine means little by itself: where several
questions were asked, `between` gives what it is for answers to different ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from operator import mul
from statistics import fmean

Vector = Sequence[float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the answers to one question; None where there is nothing to compare."""

    different: int  # texts
    pairs: int
    same_pairs: int
    similarity: float | None  # mean cosine over the pairs, -1 to 1
    similarity_least: float | None

    @property
    def exact(self) -> float | None:
        """Share of the pairs that are the same to the character."""
        return self.same_pairs / self.pairs if self.pairs else None


def agreement(texts: Sequence[str], vectors: Sequence[Vector | None]) -> Agreement:
    """Of answers and their vectors of length 1; None for one without a vector, whose pairs have no cosine."""
    pairs = list(combinations(texts, 2))
    cosines = [cosine(*two) for two in combinations([vector for vector in vectors if vector is not None], 2)]
    return Agreement(
        different=len(set(texts)),
        pairs=len(pairs),
        same_pairs=sum(one == other for one, other in pairs),
        similarity=fmean(cosines) if cosines else None,
        similarity_least=min(cosines, default=None),
    )


def between(groups: Sequence[Sequence[Vector | None]]) -> float | None:
    """Mean cosine of answers to different questions; None where there are none."""
    some = [[vector for vector in group if vector is not None] for group in groups]
    cosines = [cosine(*two) for one, other in combinations(some, 2) for two in product(one, other)]
    return fmean(cosines) if cosines else None


def unit(vector: Vector) -> Vector | None:
    """The same direction, of length 1; None for what has none."""
    length = math.hypot(*vector)
    return [value / length for value in vector] if length and math.isfinite(length) else None


def cosine(one: Vector, other: Vector) -> float:
    """Of two vectors of length 1."""
    return math.fsum(map(mul, one, other))
