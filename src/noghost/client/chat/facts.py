"""What the service told of an answer, as one line."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = ("instance", "prompt_tokens", "capsule_tokens", "prefill_ms", "first_token_ms", "tokens_per_second")


def line_of(told: Mapping[str, object]) -> str:
    """Its figures, to nobody but the caller."""
    return ", ".join(f"{name} {told[name]}" for name in NAMES if name in told)
