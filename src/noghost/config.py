"""What a person may set, with its defaults and limits; read once, before anything starts."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from noghost.errors import ConfigError
from noghost.upstream import Upstream

SEATS_PER_CORE = 4  # with fewer, later callers wait for whole answers; the throughput is the same (bench/hot.py)
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8462
EARS = ("moonshine", "whisper")
MOUTHS = ("piper", "kokoro", "espeak")
WYOMING_PORT = 10300  # as Home Assistant's own services that hear have it
MOST_PORT = 65535
DEFAULT_CONTEXT_TOKENS = 8192
DEFAULT_OTLP_INTERVAL_S = 60.0
COLLECTOR = re.compile(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?")
LAST_WORDS_S = 5  # after its time, in which a conversation says that it is over
MOST = {
    "memory_bytes": 1 << 40,
    "request_s": 86_400,
    "invocation_s": 86_400,
    "session_s": 86_400,
    "stall_s": 86_400,
    "instances": 4096,
    "silent": 65_536,
}


def bound(default: Any, says: str) -> Any:
    """A field of Limits, with what it bounds."""
    return field(default=default, metadata={"help": says})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one invocation and of the service. Sizes in bytes, times in seconds."""

    header_bytes: int = bound(16 * 1024, "Bytes of a request's header.")
    body_bytes: int = bound(4 * 1024 * 1024, "Bytes of a request's body.")
    capsule_bytes: int = bound(256 * 1024 * 1024, "Bytes of a capsule: given, on top of the body, or made.")
    audio_bytes: int = bound(25 * 1024 * 1024, "Bytes of a request that brings a sound file.")
    request_s: float = bound(30.0, "Seconds from the connection to the last byte of the request.")
    invocation_s: int = bound(600, "Seconds from the connection to the end.")
    session_s: int = bound(3600, "Seconds from its beginning to the end of a conversation in real time.")
    stall_s: float = bound(30.0, "Seconds in which a caller reads nothing of what waits for it.")
    silent: int = bound(1024, "Connections that have not sent a byte; they wait without a process.")
    unheard: int = bound(64, "Instances alive with an unfinished request; above them the oldest ends.")
    instances: int = bound(256, "Instances alive; callers above them are answered 503.")
    queue: int = bound(64, "Instances that wait for a seat; the next is answered 503.")
    memory_bytes: int = bound(1 << 30, "Bytes that one instance may map beyond what it was born with.")
    refusals: int = bound(64, "Refused system calls of one instance, before it is killed.")

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            most = MOST.get(name, 1 << 30)
            check_range(f"limit.{name}", value, isinstance(value, int), most)

    @property
    def longest_s(self) -> int:
        """Of any instance that this service may have, from its birth; a conversation says that it is over first."""
        return max(self.invocation_s, self.session_s + LAST_WORDS_S)


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS that ends in the instance: a certificate chain and key in PEM files, or one made at start, self-signed."""

    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            given = "tls_cert" if self.key is None else "tls_key"
            alone = "only one of certificate and key is given"
            raise ConfigError(alone, "give both, or neither for a self-signed one", key=given)


def is_template_name(name: str) -> bool:
    """1 to 64 of a-z, 0-9, - and _, a letter first."""
    return re.fullmatch("[a-z][a-z0-9_-]{0,63}", name) is not None


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A public prefix, as text: what every prompt that uses it begins with."""

    name: str
    system: str | None = None  # the system message, byte for byte; None: without one, the model's own beginning
    tools: str | None = None  # a JSON array
    model: str | None = None  # a name or a path; None: the service's first

    def __post_init__(self) -> None:
        if not is_template_name(self.name):
            raise ConfigError("this is no name for a template", "take 1 to 64 of a-z, 0-9, - and _, a letter first")

    @property
    def digest(self) -> str:
        """What receipts name it by: SHA-256 of the system message (a zero byte where there is none) and, with tools, a
        zero byte and their text."""
        system = "\0" if self.system is None else self.system
        parts = [system] if self.tools is None else [system, self.tools]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    unix: Path | None = None  # a Unix socket's path, in the place of host and port

    @classmethod
    def of(cls, text: str, key: str) -> Address:
        """From HOST:PORT, with an IPv6 address in brackets, or from a path with a slash in it. Raises ConfigError."""
        if "/" in text:
            return cls(unix=Path(text))
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > MOST_PORT:
            raise ConfigError(
                f"{key} is no address", "give HOST:PORT, or the path of a Unix socket with a / in it", key=key
            )
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    @property
    def reachable(self) -> bool:
        """Others than this machine can reach it: neither a Unix socket nor loopback."""
        return self.unix is None and not is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Config:
    """A service, or one `noghost ask`."""

    models: tuple[str, ...] = ()  # names or paths; empty: the embedded default, unless there are upstreams
    on_demand: tuple[str, ...] = ()  # further ones, each loaded by the instance that it is asked of
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    unix: Path | None = None  # a Unix socket's path, in the place of host and port
    tls: Tls | None = None
    insecure: bool = False  # an address that others can reach, without TLS or without API keys
    hosts: tuple[str, ...] = ()  # names that a request's Host may have besides the address itself
    pad: bool | None = None  # streamed events of equal size; None: where there is TLS
    keys: bool | None = None  # API keys are asked for; None: where others can reach the address
    seats: int = 0  # computing at once; 0: SEATS_PER_CORE
    threads: int = 0  # most threads of one instance; 0: the cores this process may use
    context_tokens: int = DEFAULT_CONTEXT_TOKENS
    unverified: bool = False
    without: tuple[str, ...] = ()  # steps of the confinement that this service does without; in every receipt
    ledger: Path | None = None
    metrics: Address | None = None  # where they can be scraped; None: nowhere
    otlp: str | None = None  # the collector that they are pushed to; None: to nobody
    otlp_interval_s: float = DEFAULT_OTLP_INTERVAL_S
    voice: bool = False  # it hears and speaks
    ear: str = EARS[0]  # one of EARS
    mouth: str = MOUTHS[0]  # one of MOUTHS, or the path of a Piper voice
    wyoming: bool = False  # it speaks Wyoming's protocol in the place of HTTP
    idle_exit_s: float = 0  # the service ends after so long without a connection; 0: never
    limits: Limits = field(default_factory=Limits)
    templates: tuple[TemplateSource, ...] = ()
    upstreams: tuple[Upstream, ...] = ()  # models that somebody else serves

    def __post_init__(self) -> None:
        check_range("port", self.port, 0, MOST_PORT)
        check_range("seats", self.seats, 0, 256)
        check_range("threads", self.threads, 0, 256)
        check_range("context", self.context_tokens, 64, 1 << 20)
        if len({source.name for source in self.templates}) < len(self.templates):
            raise ConfigError("two templates have one name", "give each a name of its own")
        if len({upstream.name for upstream in self.upstreams}) < len(self.upstreams):
            raise ConfigError("two upstreams have one name", "give each a name of its own", key="upstream")
        check_range("idle_exit", self.idle_exit_s, 0, 1 << 30)
        if self.idle_exit_s and self.tls is not None and self.tls.certificate is None:
            raise ConfigError(
                "a self-signed certificate ends with the service, which --idle-exit ends at every pause",
                "give --tls-cert and --tls-key: callers then see the same certificate after it",
                key="idle_exit",
            )
        if self.idle_exit_s and self.metrics is not None:
            raise ConfigError(
                "there are no metrics of a service that --idle-exit ends: every scrape would keep it, or find nobody",
                "leave out --metrics or --idle-exit",
                key="metrics",
            )
        check_otlp(self.otlp, self.metrics)
        self._check_voices()
        check_range("otlp_interval", self.otlp_interval_s, 0.1, 86_400)
        if self.wyoming:
            self._check_wyoming()
        if self.reachable and self.tls is None and not self.insecure:
            raise ConfigError(
                f"no TLS on {self.host}, which others can reach",
                "add --tls, or say --insecure where something else encrypts",
                key="host",
            )
        if self.reachable and not self.asks_keys and not self.insecure:
            raise ConfigError(
                f"no API keys on {self.host}, which others can reach",
                "leave out --no-keys and make a key with `noghost keys add NAME`, or say --insecure as well",
                key="host",
            )

    def _check_voices(self) -> None:
        """Raise ConfigError for an ear or a mouth that is none, or that nobody asked to use."""
        if self.ear not in EARS:
            raise ConfigError("there is no such ear", f"take {' or '.join(EARS)}", key="ear")
        if self.mouth not in MOUTHS and not self.mouth.endswith(".onnx"):
            hint = f"take {', '.join(MOUTHS)} or the path of a Piper voice, which ends with .onnx"
            raise ConfigError("there is no such mouth", hint, key="mouth")
        for key, chosen, default in (("ear", self.ear, EARS[0]), ("mouth", self.mouth, MOUTHS[0])):
            if chosen != default and not self.voice:
                raise ConfigError(
                    f"the {key} is of a service with a voice, and this one has none", "add --voice", key=key
                )

    def _check_wyoming(self) -> None:
        """Raise ConfigError for what its protocol has no way for."""
        for key, name, is_set in (("tls", "TLS", self.tls is not None), ("keys", "API keys", bool(self.keys))):
            if is_set:
                raise ConfigError(f"Wyoming's protocol has no {name}", f"leave out {key} for this service", key=key)
        if not self.voice:
            raise ConfigError("a service of Wyoming's protocol hears and speaks", "leave out voice", key="voice")
        if self.upstreams:
            raise ConfigError(
                "a service of Wyoming's protocol answers with its own models only", "leave out upstream", key="upstream"
            )
        if self.reachable and not self.insecure:
            raise ConfigError(
                f"others can reach {self.host}, and Wyoming's protocol has neither TLS nor keys",
                "say --insecure where something else keeps others out",
                key="host",
            )

    @property
    def loaded_models(self) -> tuple[str, ...]:
        """Names or paths of those that are loaded before the first request."""
        return self.models or (() if self.upstreams else ("default",))

    @property
    def address(self) -> Address:
        """Where callers find it."""
        return Address(self.host, self.port, self.unix)

    @property
    def reachable(self) -> bool:
        """Others than this machine can reach it."""
        return self.address.reachable

    @property
    def asks_keys(self) -> bool:
        """Every request must bring an API key."""
        return self.reachable and not self.wyoming if self.keys is None else self.keys

    @property
    def pads(self) -> bool:
        """Answers are padded, so that their sizes on the wire do not tell the lengths of tokens."""
        return self.tls is not None if self.pad is None else self.pad

    @property
    def most_threads(self) -> int:
        """Threads that one instance may use when it is alone."""
        return self.threads or cores()

    @property
    def most_seats(self) -> int:
        """Instances that may compute at the same time."""
        return self.seats or SEATS_PER_CORE * cores()

    @property
    def most_voices(self) -> int:
        """Processes that hear or speak at the same time: one of each for each seat, and a mind."""
        return 3 * self.most_seats if self.voice else 0


def is_loopback(host: str) -> bool:
    """An address of this machine to itself; of names, "localhost" alone. What is not known to be one is none."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def cores() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0))


def check_otlp(url: str | None, metrics: Address | None) -> None:
    """Raise ConfigError for what is no address of a collector, and for one that has nothing to be told."""
    if url is None:
        return
    if not COLLECTOR.fullmatch(url):
        raise ConfigError(
            "otlp is no address of a collector",
            "give http://HOST:4318 or https://HOST, without a user; a key goes into OTEL_EXPORTER_OTLP_HEADERS",
            key="otlp",
        )
    if metrics is None:
        raise ConfigError(
            "otlp pushes the metrics, and this service has none", "add --metrics 127.0.0.1:9464", key="otlp"
        )


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        kind = "a whole number" if isinstance(value, int) else "a number"
        raise ConfigError(f"{name} is {value}", f"{name} takes {kind} from {low} to {high}", key=name)


def data_dir() -> Path:
    """The XDG data directory of noghost; made with mode 0700 by whoever writes there first."""
    base = os.environ.get("XDG_DATA_HOME", "")
    home = Path(base) if base.startswith("/") else Path.home() / ".local" / "share"  # XDG: relative is invalid
    return home / "noghost"


def default_ledger_dir() -> Path:
    """Where ledger and key lie unless told otherwise."""
    return data_dir() / "ledger"


def ledger_dir(config: Config) -> Path:
    """Where the ledger and its key lie."""
    return config.ledger or default_ledger_dir()
