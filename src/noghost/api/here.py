"""What the API knows of the process that it runs in. Made in the instance; the app finds it as `app.state.here`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import HMAC
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request

from noghost.api.upstream.remote import Remote
from noghost.config import Limits
from noghost.engine.loaded import Loaded
from noghost.errors import RequestError
from noghost.keys.key import Keys
from noghost.messages import Fate, Outcome, Voice
from noghost.timeline import Timeline

if TYPE_CHECKING:  # a service without models on demand does without them
    from noghost.engine.dormant import Dormant
    from noghost.weights.facts import Facts


class Recorder(Protocol):
    """The line to whoever records the invocation."""

    def follow(self, digest: bytes, knock_ns: int, born_ns: int) -> None:
        """Before `open`: the end may be told to who has the key of that SHA-256."""

    def fate(self, digest: bytes) -> Fate | None:
        """How the one ended to which that is the key."""

    def open(
        self,
        invocation: bytes,
        model: int,
        commitment: bytes | None,
        *,
        threads: int | None = None,
        template: int = 0,
        seed: int | None = None,
        seatless: bool = False,
    ) -> None:
        """Wait for a seat and the "opened" entry; LedgerError."""

    def sync(self) -> None:
        """Until the entry is on the disk; LedgerError."""

    def ready(self) -> None:
        """Return if an invocation could open now; LedgerError, or RequestError 503."""

    def connect(self) -> socket.socket:
        """The connection to the upstream of the model that was opened; RequestError."""

    def bring(self, voice: int) -> tuple[int, int, int, int]:
        """A process of this voice: number of its arena, arena and bells; RequestError."""

    def hush(self, number: int, *, at_once: bool) -> None:
        """That arena is looked into no more; its voice ends."""

    def receipt(self, invocation: bytes, since: int = 0) -> str:
        """The receipt's text; ReceiptNotFound."""

    def attest(self, invocation: bytes, public: bytes) -> bytes:
        """The opening of a sealed invocation with this one-time key; LedgerError."""


@dataclass(slots=True)
class Served:
    """One model of the service: made in the warden before any fork, inherited by every instance. Of one on demand an
    instance that loads it (loading.py) sets `held`, for itself."""

    name: str
    digest: str  # SHA-256 of the weights, hex
    size_bytes: int
    modified_s: int  # Unix time of the file
    held: Loaded | None  # None: it is not loaded here
    source: str = ""  # the name of the model that it was prepared of, if so
    dormant: Dormant | None = None  # of one on demand
    facts: Facts | None = None  # what is known of it unloaded

    @property
    def loaded(self) -> Loaded:
        """It, once it is loaded."""
        assert self.held is not None
        return self.held

    @property
    def context_tokens(self) -> int:
        """The most that a request may have. One on demand is loaded with as many as its request needs."""
        if self.dormant is None or self.facts is None:
            return self.loaded.context.n_ctx
        return min(self.dormant.context_tokens, self.facts.context_tokens or self.dormant.context_tokens)


@dataclass(slots=True)
class Tally:
    """What has happened so far, for the last word to the reaper."""

    status: int = 0  # HTTP status of the answer; 0 before it
    opened: bool = False  # seat and record are had
    expired: bool = False  # a conversation's time was over
    prompt_tokens: int = 0
    answer_tokens: int = 0
    life: bytes | None = None  # SHA-256 of the key to this invocation's end, or, for who asks for one, to that one's
    answer: HMAC | None = None  # over the text that was sent, where the caller wants a commitment to it

    def sent(self, text: str) -> None:
        """A piece of the answer's content goes to the connection."""
        if self.answer is not None:
            self.answer.update(text.encode())

    @property
    def failed(self) -> Outcome | None:
        """How an invocation ends whose answer is an error, or whose time was over."""
        if self.expired:
            return Outcome.TIMEOUT
        if self.status < 400:
            return None
        return Outcome.CRASHED if self.status == 500 else Outcome.REFUSED

    @property
    def commitment(self) -> bytes | None:
        """32 bytes for the record: to all that was sent so far."""
        return self.answer.digest() if self.answer is not None else None

    @property
    def last(self) -> tuple[int, int, bytes | None]:
        """What the last word says besides the outcome."""
        return self.prompt_tokens, self.answer_tokens, self.commitment


@dataclass(frozen=True, slots=True)
class Here:
    """This invocation."""

    invocation: bytes
    timeline: Timeline
    models: tuple[Served, ...]
    recorder: Recorder
    limits: Limits
    most_threads: int
    threads: Callable[[], int]  # this instance's share of the cores, now
    keys: Keys | None = None  # one of these lets a caller in; None: nobody is asked
    hosts: frozenset[str] | None = None  # whom requests may be for; None: anybody
    pads: bool = False  # answers are padded
    pads_sealed: bool = False  # those that are sealed
    build: str = ""  # SHA-256 of the engine build, hex
    busy: bool = False  # too many are alive: this one only asks its caller to come back later
    templates: tuple[str, ...] = ()  # names, in the order in which the reaper knows them
    remotes: tuple[Remote, ...] = ()  # models that somebody else serves, counted on after `models`
    voices: tuple[str, ...] = ()  # names of the voices' weights, counted on after `remotes`
    speakers: tuple[str, ...] = ()  # whom the mouth can speak as, the default first
    tally: Tally = field(default_factory=Tally)

    @property
    def hex(self) -> str:
        """The invocation's id as 32 hexadecimal digits."""
        return self.invocation.hex()

    def open(
        self,
        model: int,
        commitment: bytes | None,
        *,
        threads: int | None = None,
        template: int = 0,
        seed: int | None = None,
        seatless: bool = False,
    ) -> None:
        """Wait for a seat and the "opened" entry, unless they are had already; as `Recorder.open`. `seatless`: without
        a seat."""
        if not self.tally.opened:
            if self.tally.life is not None:
                self.recorder.follow(self.tally.life, self.timeline.knock_ns, self.timeline.at_ns("confine"))
            self.recorder.open(
                self.invocation,
                model,
                commitment,
                threads=threads,
                template=template,
                seed=seed,
                seatless=seatless,
            )
            self.tally.opened = True
        self.timeline.reach("seat")

    def template_number(self, name: str) -> int:
        """Of a template, counted from 1, as the reaper counts them."""
        return self.templates.index(name) + 1

    def number_of(self, voice: Voice) -> int:
        """By which the reaper knows a voice's weights, among those of all models."""
        return len(self.models) + len(self.remotes) + voice

    def remote_called(self, name: object) -> Remote | None:
        """The model of somebody else's that is called so."""
        return next((remote for remote in self.remotes if remote.upstream.name == name), None)

    def find_model(self, name: str) -> int:
        """Index of the model called `name`; "default" is the first, and a prepared one answers to the name of what it
        was made of, too, where that is not here itself. RequestError 404 when there is none."""
        names = [served.name for served in self.models]
        if self.remote_called(name) is not None:
            own = ", ".join(names) or "none"
            message = f"this model is another's, and its tokens are not known here; here are: {own}"
            raise RequestError(message, code="unsupported_parameter", param="model")
        if name == "default" and names:
            return 0
        for known in (names, [served.source for served in self.models]):
            if name and name in known:
                return known.index(name)
        every = ", ".join([*names, *(remote.upstream.name for remote in self.remotes)])
        unknown = f"there is no such model here; this service has: {every}"
        raise RequestError(unknown, status=404, code="model_not_found", param="model")


def here(request: Request) -> Here:
    """The invocation that this request is."""
    found: Here = request.app.state.here
    return found
