"""What a parent of voices is to do: made by the service, read by the program. PURE."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from noghost.config import Limits

READY = b"ready"  # a parent's word when it has loaded; any other is what is wrong


@dataclass(frozen=True, slots=True)
class Plan:
    """As it stands in the program's one argument: nothing of a request, since there is none yet."""

    births: int  # descriptor: where the reaper asks for a child, and is told of its birth
    ready: int  # descriptor: written to once, when all is loaded or cannot be
    reaper_pid: int
    model: int  # what the record calls the weights: index into the service's models
    weights: tuple[str, ...]  # paths
    digest: str  # SHA-256 in hex, as the record has it
    without: tuple[str, ...]  # steps of the confinement
    limits: Limits

    def render(self) -> str:
        """As an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Plan:
        """From an argument."""
        fields: dict[str, Any] = json.loads(text)
        limits = Limits(**fields.pop("limits"))
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**fields | lists, limits=limits)
