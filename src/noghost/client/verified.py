"""What a verified receipt proves, in words, for whoever asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from noghost.ledger.receipt import Since, Verified

SINCE_TEXT: dict[Since, str] = {
    "first": "no checkpoint of this log was seen before; its key is pinned from now on",
    "same": "the log is the one seen before",
    "proved": "the log has only grown since it was seen before",
    "unchecked": "whether the log only grew is not checkable from this file alone",
}
KNOWN = "known before"
UNKNOWN = "taken from the file: whoever made the file up could have made it too"
FIRST_LOOK = "no checkpoint of this log was seen before, and this one is not remembered"


@dataclass(frozen=True, slots=True)
class Log:
    """What is told of a log."""

    origin: str
    vkey: str
    receipts: int
    key_pinned_before: bool
    since: Since


def in_words(verified: Verified, *, remembered: bool = True) -> str:
    """Several lines; `remembered`: the caller keeps the checkpoint, and with it the key."""
    ended, signed = verified.ended, verified.checkpoint
    end = f"{ended.outcome}, wipe {ended.wipe}, {ended.minute}" if ended else "not recorded in this receipt"
    return "\n".join(
        (
            f"ok: {verified.id}",
            f"  opened   {verified.opened.minute}",
            f"  model    {model_text(verified.opened.weights)}",
            f"  end      {end}",
            f"  log      {signed.origin}, {signed.size} entries",
            f"  key      {'known before' if verified.pinned else 'taken from the receipt'}",
            f"  history  {SINCE_TEXT[verified.since] if remembered or verified.since != 'first' else FIRST_LOOK}",
        )
    )


def model_text(weights: str) -> str:
    """Whose weights, or who computed elsewhere."""
    if weights.startswith("remote/"):
        host = weights.removeprefix("remote/")
        return f"computed by {host}; what was sent there is not covered: nothing beyond this machine is proved"
    return f"weights {weights}"


def logs_of(receipts: Sequence[Verified]) -> list[Log]:
    """Each log that signed one of them."""
    by_key: dict[str, list[Verified]] = {}
    for one in receipts:
        by_key.setdefault(one.vkey, []).append(one)
    return [log_of(signed) for signed in by_key.values()]


def log_of(signed: Sequence[Verified]) -> Log:
    """One log: what was known of its key before the first, and whether each growth could be checked."""
    first = signed[0]
    is_unchecked = any(one.since == "unchecked" for one in signed)
    since: Since = "unchecked" if is_unchecked else first.since
    return Log(first.checkpoint.origin, first.vkey, len(signed), first.pinned, since)


def log_lines(told: Log) -> Iterator[str]:
    """For people."""
    yield f"  log      {told.origin}, {told.receipts} receipts"
    yield f"  key      {KNOWN if told.key_pinned_before else UNKNOWN}"
    yield f"  history  {SINCE_TEXT[told.since]}"
