"""How one loaded model answers: its family, and which of the family's marks are tokens of its own. In the warden, with
the model, before fork: an instance would look for them once more at every request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from noghost.engine.families.family import Family, family_of, told_of
from noghost.engine.model import Model


@dataclass(frozen=True, slots=True)
class Manner:
    """`markers`: control tokens that are text in an answer. `ends`: tokens that end it beside the model's own."""

    family: Family
    markers: Mapping[str, int]
    ends: frozenset[int]


@dataclass(frozen=True, slots=True)
class Manners:
    """`own`: by its template. `told`: where its tools are told in a message, since the template shows none."""

    own: Manner
    told: Manner


def manners_of(template: str, model: Model) -> Manners:
    """Return how `model` answers; `template` is the source of its chat template."""
    return Manners(*(manner_of(family, model) for family in (family_of(template), told_of(template))))


def manner_of(family: Family, model: Model) -> Manner:
    """Return how `model` answers as one of `family`."""
    spelled = ((text, model.control_tokens((text,))) for text in family.markers)
    markers = {text: token for text, found in spelled for token in found}
    return Manner(family, markers, model.control_tokens(family.ends))
