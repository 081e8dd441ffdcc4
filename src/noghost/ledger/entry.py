"""One ledger entry: a birth or an end, as a small canonical text with exactly one encoding.

Covered: nothing that could be content fits in; every field is a closed word, a digest of something
public, a random id, a minute, a setting or a power of two.
Not covered: whether what the writer states is true: a signature proves who stated it, no more. What the caller
itself asks to have in it: a commitment to its request, a seed, and a commitment to the answer, which are 32, 4 and 32
bytes that it chooses, or can by the choice of a key.

The form is spec/receipt-v1.md, section "Entry".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from noghost.errors import LedgerError

ENTRY_MAX_BYTES = 1024
BUCKET_MAX = 64
WIPES = ("verified", "unverified", "failed", "unseen")
SEED_MAX = 2**32 - 2
OUTCOMES = ("answered", "refused", "disconnected", "timeout", "crashed", "killed", "aborted", "lost")

_DIGEST = r"[0-9a-f]{64}"
_REMOTE = r"remote/[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?"
FORMS = {
    "minute": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z"),
    "id": re.compile(r"[0-9a-f]{32}"),
    "weights": re.compile(rf"{_DIGEST}|{_REMOTE}"),
    "release": re.compile(r"[0-9A-Za-z.+-]{1,32}"),
    "build": re.compile(_DIGEST),
    "policy": re.compile(_DIGEST),
    "host": re.compile(r"[a-z0-9=_,.-]{1,128}"),
    "processor": re.compile(r"[a-z0-9_=.]{1,192}"),
    "context": re.compile(r"[1-9][0-9]{0,6}"),
    "batch": re.compile(r"[a-z0-9-]{1,16}"),
    "threads": re.compile(r"free|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-6]"),
    "template": re.compile(rf"-|{_DIGEST}"),
    "seed": re.compile(r"-|0|[1-9][0-9]{0,9}"),
    "commitment": re.compile(rf"-|{_DIGEST}"),
    "outcome": re.compile("|".join(OUTCOMES)),
    "wipe": re.compile("|".join(WIPES)),
}
_OLDER = "if a noghost from before 0.1.0 wrote it: move that ledger away, and a new one is begun"
_NUMBER = re.compile(r"0|[1-9][0-9]?")


class OlderEntryError(LedgerError):
    """It lacks a field: an earlier release wrote it, or nobody did."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A birth, written before the first token is computed.

    `weights`, `build` and `policy` are SHA-256 in lower-case hex, `weights` or "remote/" and the name of the host that
    computed: nothing beyond this machine is known. `id` is 16 random bytes in hex;
    `commitment` is the caller's own 32 bytes in hex, or "-". `processor` to `seed` are what a repeat needs besides:
    `threads` is a number where the request fixed it, `seed` where the caller asked to have it here.
    Raises LedgerError for any other form.
    """

    minute: str
    id: str
    weights: str
    release: str
    build: str
    policy: str
    host: str
    processor: str
    context: str  # tokens
    batch: str
    threads: str = "free"
    template: str = "-"
    seed: str = "-"
    commitment: str = "-"

    kind: ClassVar[str] = "opened"

    def __post_init__(self) -> None:
        _check_forms(self)
        if self.seed != "-" and int(self.seed) > SEED_MAX:
            raise _malformed("its seed is out of range")
        if self.is_remote and (self.threads, self.template, self.seed) != ("free", "-", "-"):
            raise _malformed("it says how another machine computed")

    @property
    def is_remote(self) -> bool:
        """Somebody else's machine computed."""
        return self.weights.startswith("remote/")


@dataclass(frozen=True, slots=True)
class Ended:
    """An end, as it was seen; or, with the outcome "lost", that nobody saw it.

    The five counts are buckets (see `bucket`), never counts. `commitment` is to the answer: 32 bytes in hex, or "-".
    Raises LedgerError for a field of another form and for a claim that contradicts itself.
    """

    minute: str
    id: str
    outcome: str
    wipe: str
    wiped_pages: int = 0
    verified_pages: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    refused_calls: int = 0  # system calls that the confinement refused
    commitment: str = "-"

    def __post_init__(self) -> None:
        _check_forms(self)
        _check_claims(self)

    @property
    def kind(self) -> str:
        return "lost" if self.outcome == "lost" else "closed"

    @classmethod
    def lost(cls, minute: str, invocation_id: str) -> Ended:
        """The end of an opened invocation that nobody saw: it claims nothing."""
        return cls(minute, invocation_id, "lost", "unseen")


Entry = Opened | Ended

_CLASS_BY_KIND: dict[str, type[Opened] | type[Ended]] = {"opened": Opened, "closed": Ended, "lost": Ended}


def bucket(n: int) -> int:
    """The power-of-two bucket of a count: 0 for 0, k for 2^(k-1) <= n < 2^k."""
    if n < 0:
        raise LedgerError("cannot put a negative count in a bucket", "counts start at 0")
    return min(n.bit_length(), BUCKET_MAX)


def bucket_range(exponent: int) -> str:
    """A bucket as people read it: "0", "1", "2-3", "32-63"."""
    if exponent < 2:
        return str(exponent)
    return f"{1 << (exponent - 1)}-{(1 << exponent) - 1}"


def render(entry: Entry) -> str:
    """The one text of this entry; ASCII, each line ends with a newline."""
    pairs = [("version", "1"), ("kind", entry.kind)]
    pairs += [(field.name, str(getattr(entry, field.name))) for field in fields(entry)]
    return "".join(f"{key} {value}\n" for key, value in pairs)


def parse(text: str) -> Entry:
    """The entry that renders to exactly `text`. Raises LedgerError for every other text."""
    if len(text) > ENTRY_MAX_BYTES:
        raise _malformed("it is too long")
    pairs = [line.partition(" ") for line in text.split("\n")]
    values = {key: value for key, _, value in pairs}
    cls = _CLASS_BY_KIND.get(values.get("kind", ""))
    if cls is None:
        raise _malformed("its kind is unknown")
    for field in fields(cls):
        if field.name not in values:
            raise OlderEntryError(f"cannot use this ledger entry: it has no field {field.name}", _OLDER)
    arguments: dict[str, Any] = {f.name: _read(f.name, f.type, values) for f in fields(cls)}
    entry: Entry = cls(**arguments)
    if render(entry) != text:
        raise _malformed("it is not in canonical form")
    return entry


def parse_bytes(data: bytes) -> Entry:
    """As `parse`, from the bytes of a bundle record."""
    try:
        return parse(data.decode("ascii"))
    except UnicodeDecodeError:
        raise _malformed("it is not ascii") from None


def _read(name: str, field_type: object, values: dict[str, str]) -> str | int:
    value = values[name]
    if field_type != "int":
        return value
    if not _NUMBER.fullmatch(value):
        raise _malformed(f"its field {name} is not a bucket")
    return int(value)


def _check_forms(entry: Entry) -> None:
    for field in fields(entry):
        value = getattr(entry, field.name)
        if field.type == "int":
            good = type(value) is int and 0 <= value <= BUCKET_MAX
        else:
            good = isinstance(value, str) and FORMS[field.name].fullmatch(value) is not None
        if not good:
            raise _malformed(f"its field {field.name} has the wrong form")
    try:
        datetime.fromisoformat(entry.minute)
    except ValueError:
        raise _malformed("its minute does not exist") from None


def _check_claims(entry: Ended) -> None:
    if entry.outcome == "lost" and entry.wipe != "unseen":
        raise _malformed("a lost end cannot speak of a wipe")
    if entry.wipe == "unseen" and (entry.wiped_pages or entry.verified_pages):
        raise _malformed("an end that nobody saw cannot count pages")
    if entry.outcome == "lost" and (entry.refused_calls or entry.commitment != "-"):
        raise _malformed("a lost end cannot count refused calls, nor commit to an answer")
    if entry.wipe == "verified" and entry.verified_pages < entry.wiped_pages:
        raise _malformed("a verified wipe must verify every page it wiped")


def _malformed(reason: str) -> LedgerError:
    return LedgerError(f"cannot use this ledger entry: {reason}", "see spec/receipt-v1.md, section Entry")
