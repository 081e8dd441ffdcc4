"""Every error that noghost raises, as one tree.

NoghostError                what a person may see; the message is lower case and names what was attempted
├── ConfigError             a flag, a file or an environment value is wrong; raised before anything starts
├── HostError               this host cannot do what a promise needs (ptrace refused, no /proc); at start
├── WeightsError            a model file is missing, broken or not the one pinned; at start, with its path
├── EngineError             llama.cpp refused or failed (context, decode, template); in an instance
├── RequestError            the caller's request is wrong; becomes a 4xx in the API's own shape
├── LedgerError             the ledger cannot be read, written or trusted; stops births
│   ├── ReceiptNotFound     there is no entry with that id
│   └── VerificationError   a signature, proof or consistency check does not hold
├── SealedError             what came sealed does not hold (changed, cut, replayed, out of order, another key)
├── WipeError               the reaper could not zero or verify a page; recorded, never hidden
├── TranscriptError         a conversation's file is malformed, busy or cannot be written; it is left as it is
│   └── TranscriptChanged   it is not what was read any more: somebody else has written to it
├── BatchError              a batch's file is wrong, busy, of another batch or cannot be written; answers are kept
├── ReplayError             what was kept cannot be repeated here (another build, no seed); nothing is claimed
└── HuntError               the hunter, or another client of ours, got nowhere (no process, no permission, no server)

Not for content: a prompt or an answer never stands in a message, a hint or a repr.
"""

from __future__ import annotations


class NoghostError(Exception):
    """Base of all. `hint` says what to do about it, or is empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ConfigError(NoghostError):
    """A setting is wrong; `key` is its name in settings.py, where it is one of those."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        super().__init__(message, hint)
        self.key = key


class HostError(NoghostError):
    """This host cannot do what a promise needs."""


class WeightsError(NoghostError):
    """A model file is missing, broken or not the one pinned."""


class EngineError(NoghostError):
    """llama.cpp refused or failed."""


class RequestError(NoghostError):
    """The caller's request is wrong.

    `status` is the HTTP status, `code` and `param` are the API's own fields of the same names.
    """

    wait_s: str | None = None  # when to come again, where that is known

    def __init__(self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


class LedgerError(NoghostError):
    """The ledger cannot be read, written or trusted."""


class ReceiptNotFound(LedgerError):  # noqa: N818  named for what it says
    """There is no entry with that id."""


class VerificationError(LedgerError):
    """A signature, proof or consistency check does not hold."""


class SealedError(NoghostError):
    """What came sealed does not hold; `code` is one of the words of spec/sealed-v1.md."""

    def __init__(self, message: str, hint: str = "", *, code: str) -> None:
        super().__init__(message, hint)
        self.code = code


class WipeError(NoghostError):
    """The reaper could not zero or verify a page."""


class TranscriptError(NoghostError):
    """A conversation's file is malformed, busy or cannot be written; `line` counts from 1, 0 where there is none."""

    def __init__(self, message: str, hint: str = "", *, line: int = 0) -> None:
        super().__init__(message, hint)
        self.line = line


class TranscriptChanged(TranscriptError):  # noqa: N818  named for what it says
    """The file is not what was read any more."""


class BatchError(NoghostError):
    """A batch's file is wrong, busy, of another batch or cannot be written."""


class ReplayError(NoghostError):
    """What the caller kept cannot be repeated here."""


class HuntError(NoghostError):
    """The hunter, or another client of ours, got nowhere."""


HOW_TO_TRACE = (
    "allow ptrace between processes of one user (kernel.yama.ptrace_scope 0 or 1; in a container a seccomp profile "
    "that has ptrace), or start with --unverified: every receipt will then say so"
)
