"""What `noghost ask` tells of the life that has just ended."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from noghost.messages import Outcome, Wipe

if TYPE_CHECKING:
    from noghost.service import Lived

INTERRUPTED = 130
FAILED = 1


def finish(lived: Lived, as_json: bool) -> None:
    """Say the rest, and end with its status."""
    report(lived, as_json)
    sys.exit(exit_status(lived))


def report(lived: Lived, as_json: bool) -> None:
    """The rest of the JSON object, or one line about the life where standard error is a terminal."""
    if as_json and lived.told:
        sys.stdout.write("," + json.dumps(figures(lived))[1:] + "\n")
        sys.stdout.flush()
    elif not as_json and sys.stderr.isatty():
        sys.stderr.write(life_line(lived) + "\n")


def figures(lived: Lived) -> dict[str, Any]:
    """Everything that is known, with units in the names."""
    told, gone = lived.told, lived.gone
    assert told is not None
    decode_s = told.decode_us / 1e6
    return {
        "instance": told.invocation.hex(),
        "outcome": Outcome(gone.outcome).name.lower(),
        "finish_reason": "length" if told.cut else "stop",
        "prompt_tokens": told.prompt_tokens,
        "answer_tokens": told.answer_tokens,
        "seed": told.seed,
        "birth_ms": ms(told.born_ns - lived.knock_ns),
        "first_token_ms": ms(told.first_ns - lived.knock_ns),
        "tokens_per_second": round((told.answer_tokens - 1) / decode_s, 1) if decode_s else None,
        "wipe": Wipe(gone.wipe).name.lower(),
        "zeroed_bytes": gone.wiped_bytes,
        "verified_bytes": gone.verified_bytes,
        "gone_ms": ms(gone.gone_ns - gone.stop_ns),
    }


def life_line(lived: Lived) -> str:
    """One line about the life that has just ended."""
    if not lived.told:
        return f"noghost: {Outcome(lived.gone.outcome).name.lower()} before the answer was complete; {wiped(lived)}"
    facts = figures(lived)
    speed = f"{facts['tokens_per_second']} tokens/s, " if facts["tokens_per_second"] else ""
    return (
        f"{facts['instance']}: born in {facts['birth_ms']:.1f} ms, first token after {facts['first_token_ms']:.0f} ms, "
        f"{speed}{wiped(lived)}"
    )


def wiped(lived: Lived) -> str:
    """What became of the memory."""
    gone = lived.gone
    if gone.wipe != Wipe.VERIFIED:
        return f"memory {Wipe(gone.wipe).name.lower()}: see the receipt"
    zeroed, verified = gone.wiped_bytes / 1e6, gone.verified_bytes / 1e6
    return f"{zeroed:.1f} MB zeroed, {verified:.1f} MB verified, gone in {ms(gone.gone_ns - gone.stop_ns):.0f} ms"


def ms(nanoseconds: int) -> float:
    """Milliseconds, to the microsecond."""
    return round(nanoseconds / 1e6, 3)


def exit_status(lived: Lived) -> int:
    """0 for an answer, 130 for Ctrl-C as shells expect, else 1."""
    if lived.answered:
        return 0
    return INTERRUPTED if lived.gone.outcome == Outcome.KILLED else FAILED
