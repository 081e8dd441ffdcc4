"""What crosses between our own processes: a closed catalogue of frozen messages of fixed, small size.

Covered: every datagram between warden, reaper and instance is one of the classes below, packed by `struct`;
a receiver names the kinds it takes, so a message that is out of place or malformed raises.
Not covered: content. There is no message that could carry a prompt or an answer; the longest free field is a
receipt, which the reaper writes.

    warden   ── Birth, with the reaper's end of the line ──▶ reaper
    warden   ◀── Heard, Gone ───────────────────────────── reaper
    instance ◀── Gate, Opened, Durable, Found, Ready, Fate ── reaper   over the invocation's own line
    instance ── Confined, with a listener; Attest, Follow, Open, Sync, Ended, Lookup, Recall, Ask ──▶ reaper
    instance ── Connect ──────────────────────────────────▶ reaper      its model is remote
    reaper   ── Dial, with its end of the line ───────────▶ connector
    instance ◀── Connected, with a connection ─────────── connector   over the line
    instance ── Wish, Hush ───────────────────────────────▶ reaper      a voice's process, and its end
    reaper   ── Bring, with an arena and two bells ───────▶ ear, mouth, warden   their parents,
    instance ◀── Brought, with the same three ─────────── reaper                which answer with Birth
    instance ── Told ─────────────────────────────────────▶ its caller   `noghost ask` only
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from noghost.sent import Sent

MAX_BYTES = 64 * 1024  # of one datagram; a receipt of two entries needs less than 8 KiB


class Outcome(IntEnum):
    """How an invocation ended; an instance that ends by itself uses the number as its exit status."""

    ANSWERED = 0
    REFUSED = 10  # the request was wrong or could not be taken; an error was answered
    DISCONNECTED = 11  # the caller left
    TIMEOUT = 12  # a deadline passed
    CRASHED = 13  # a fault of ours, or a signal such as SIGSEGV
    ABORTED = 14  # SIGABRT: an assertion in native code
    KILLED = 15  # SIGTERM, SIGKILL or another signal from outside
    LOST = 16  # nobody saw the end; written by the next start


class Wipe(IntEnum):
    """What is known about the memory of an ended invocation."""

    VERIFIED = 0  # every own page was zeroed and read back as zero
    UNVERIFIED = 1  # the service runs with --unverified: nobody traced the instance
    FAILED = 2  # a page could not be zeroed or was not zero
    UNSEEN = 3  # the end was not seen


class Answer(IntEnum):
    """The reaper's word to an instance."""

    YES = 1
    LEDGER_FAILED = 2  # the ledger cannot be written: compute nothing
    NOT_FOUND = 3
    OUT_OF_TURN = 4  # the message was not allowed now
    NOT_TRACED = 5  # the host refused to trace this process: do not pass the gate
    FULL = 6  # too many wait for a seat
    UNREACHABLE = 7  # the upstream cannot be connected with
    LATE = 8  # it did not answer in time
    VOICELESS = 9  # no voice: not asked for at the start, or its parent has ended


class Voice(IntEnum):
    """What a process of voice does."""

    EAR = 0  # sound in, text out
    MOUTH = 1  # text in, sound out
    MIND = 2  # a conversation in, an answer out; the warden is the parent


class Birth(Sent):
    """Warden to reaper: this process waits at the gate; its line comes with this message."""

    FORM = struct.Struct("<BQ")
    TAG = 1
    pid: int


class Gone(Sent):
    """Reaper to warden: the process has ended. Exact figures are 0 unless the warden is its own caller."""

    FORM = struct.Struct("<BQBBQQQQ")
    TAG = 2
    pid: int
    outcome: int
    wipe: int
    wiped_bytes: int
    verified_bytes: int
    stop_ns: int  # CLOCK_MONOTONIC at the exit stop
    gone_ns: int  # CLOCK_MONOTONIC after the last page was verified and the process let go


class Heard(Sent):
    """Reaper to warden: the process has its whole request, and asks for a seat, or begins a conversation."""

    FORM = struct.Struct("<BQ?")
    TAG = 21
    pid: int
    talks: bool


class Gate(Sent):
    """Reaper to instance: you are traced (or, with --unverified, you may pass all the same)."""

    FORM = struct.Struct("<BB")
    TAG = 3
    answer: int


class Confined(Sent):
    """Instance to reaper, once: I am confined; the listener for the system calls that I am refused comes with this."""

    FORM = struct.Struct("<B")
    TAG = 20


class Open(Sent):
    """Instance to reaper, once: give me a seat and write "opened" before I compute."""

    FORM = struct.Struct("<B16sB?32sHH?I?")
    TAG = 4
    invocation: bytes
    model: int  # index into the service's models
    committed: bool
    commitment: bytes  # 32 bytes: an HMAC under a key that only the caller has
    threads: int = 0  # as the request fixed them; 0: as many as are free
    template: int = 0  # counted from 1 in the service's templates; 0: none
    seeded: bool = False  # the caller asks for its seed to be recorded
    seed: int = 0
    seatless: bool = False  # a conversation: what computes for it is brought, and has seats of its own


class Opened(Sent):
    """Reaper to instance: the seat is yours and the entry is written."""

    FORM = struct.Struct("<BB")
    TAG = 5
    answer: int


class Sync(Sent):
    """Instance to reaper: is my entry on the disk? Asked before the last byte of an answer leaves."""

    FORM = struct.Struct("<B")
    TAG = 6


class Durable(Sent):
    """Reaper to instance: the entry is on the disk, or cannot be."""

    FORM = struct.Struct("<BB")
    TAG = 7
    answer: int


class Ended(Sent):
    """Instance to reaper, once: how I end, with token counts as powers of two."""

    FORM = struct.Struct("<BBBB?32s")
    TAG = 8
    outcome: int
    prompt_bucket: int
    answer_bucket: int
    committed: bool = False  # the caller asked for it
    commitment: bytes = bytes(32)  # to the answer: an HMAC under a key that the caller sent


class Lookup(Sent):
    """Instance to reaper: the receipt of this invocation, please; with the proof of growth since so many entries."""

    FORM = struct.Struct("<B16sQ")
    TAG = 9
    invocation: bytes
    since: int = 0  # 0: without that proof


class Attest(Sent):
    """Instance to reaper, once and before Open: sign that this one-time key is mine (spec/sealed-v1.md)."""

    FORM = struct.Struct("<B16s32s")
    TAG = 30
    invocation: bytes
    public: bytes  # 32 bytes of X25519


class Found(Sent):
    """Reaper to instance: the text in UTF-8, a receipt or an opening, or none."""

    FORM = struct.Struct("<BB")
    TAG = 10
    answer: int
    text: bytes = b""


class Follow(Sent):
    """Instance to reaper, once and before Open: my caller has a key by which my end may be told."""

    FORM = struct.Struct("<B32sQQ")
    TAG = 27
    digest: bytes  # SHA-256 of that key, which is random
    knock_ns: int  # CLOCK_MONOTONIC
    born_ns: int  # when it was confined


class Recall(Sent):
    """Instance to reaper: the end of the one whose caller has this key, please."""

    FORM = struct.Struct("<B32s")
    TAG = 28
    digest: bytes


class Fate(Sent):
    """Reaper to instance: how that one ended, for its own caller, or that nothing is known of it.

    Times are of CLOCK_MONOTONIC; 0: it was not seen.
    """

    FORM = struct.Struct("<BB16sBBIIQQQQQQ")
    TAG = 29
    answer: int
    invocation: bytes = bytes(16)
    outcome: int = 0
    wipe: int = 0
    wiped_pages: int = 0
    verified_pages: int = 0
    knock_ns: int = 0
    born_ns: int = 0
    stop_ns: int = 0  # at the exit stop
    wiped_ns: int = 0  # after the last page was zeroed
    verified_ns: int = 0  # after the last one was read back
    gone_ns: int = 0  # the process is no more


class Ask(Sent):
    """Instance to reaper: could an invocation open now?"""

    FORM = struct.Struct("<B")
    TAG = 22


class Ready(Sent):
    """Reaper to instance: yes, or why not."""

    FORM = struct.Struct("<BB")
    TAG = 23
    answer: int


class Told(Sent):
    """Instance to the caller of `noghost ask`: exact figures, which go to the caller alone."""

    FORM = struct.Struct("<B16sBQQQIII?")
    TAG = 11
    invocation: bytes
    outcome: int
    born_ns: int  # CLOCK_MONOTONIC when the gate opened
    first_ns: int  # CLOCK_MONOTONIC when the first text left
    decode_us: int
    prompt_tokens: int
    answer_tokens: int
    seed: int
    cut: bool  # ended by max_tokens or the end of the context


class Connect(Sent):
    """Instance to reaper, once and after Opened: the connection to my model's upstream, please."""

    FORM = struct.Struct("<B")
    TAG = 24


class Dial(Sent):
    """Reaper to connector: connect, and answer on the line that comes with this message."""

    FORM = struct.Struct("<BH")
    TAG = 25
    upstream: int  # index into the service's upstreams


class Connected(Sent):
    """Connector to instance: the connection comes with this message, or there is none."""

    FORM = struct.Struct("<BB")
    TAG = 26
    answer: int


class Wish(Sent):
    """Instance to reaper, after Opened: a process of this voice, please."""

    FORM = struct.Struct("<BB")
    TAG = 40
    voice: int  # a Voice


class Bring(Sent):
    """Reaper to the parent of a voice: fork one; its arena and two bells come with this message."""

    FORM = struct.Struct("<B")
    TAG = 41


class Brought(Sent):
    """Reaper to instance: arena and bells come with this message, or there is no such process."""

    FORM = struct.Struct("<BBH")
    TAG = 42
    answer: int
    number: int = 0  # of the arena: one that was left comes again, and is mapped already


class Hush(Sent):
    """Instance to reaper: I look into this arena no more; end its voice, or let it end by itself."""

    FORM = struct.Struct("<BH?")
    TAG = 43
    number: int
    at_once: bool


Message = (
    Birth
    | Gone
    | Heard
    | Gate
    | Confined
    | Open
    | Opened
    | Sync
    | Durable
    | Ended
    | Lookup
    | Attest
    | Found
    | Follow
    | Recall
    | Fate
    | Ask
    | Ready
    | Told
    | Connect
    | Dial
    | Connected
    | Wish
    | Bring
    | Brought
    | Hush
)
M = TypeVar("M", bound=Message)


def pack(message: Message) -> bytes:
    """The datagram of a message; raises ValueError over MAX_BYTES."""
    if isinstance(message, Found):
        data = Found.FORM.pack(Found.TAG, message.answer) + message.text
    else:
        data = message.FORM.pack(message.TAG, *message.fields)
    if len(data) > MAX_BYTES:
        raise ValueError(f"message of {len(data)} bytes, over {MAX_BYTES}")
    return data


def unpack(data: bytes, *kinds: type[M]) -> M:
    """The message in a datagram; raises ValueError unless it is exactly one of `kinds`."""
    for kind in kinds:
        if data[:1] == bytes([kind.TAG]):
            head, tail = data[: kind.FORM.size], data[kind.FORM.size :]
            if len(head) != kind.FORM.size or (tail and kind is not Found):
                break
            make: Callable[..., M] = kind
            fields = kind.FORM.unpack(head)[1:]
            return make(*fields, tail) if kind is Found else make(*fields)
    raise ValueError(f"a message of {len(data)} bytes that is none of {', '.join(k.__name__ for k in kinds)}")
