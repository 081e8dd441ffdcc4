"""What a verified receipt proves, in words, for whoever asked."""

from __future__ import annotations

from noghost.ledger.receipt import Since, Verified

SINCE_TEXT: dict[Since, str] = {
    "first": "no checkpoint of this log was seen before; its key is pinned from now on",
    "same": "the log is the one seen before",
    "proved": "the log has only grown since it was seen before",
    "unchecked": "whether the log only grew is not checkable from this file alone",
}
FIRST_LOOK = "no checkpoint of this log was seen before, and this one is not remembered"


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
