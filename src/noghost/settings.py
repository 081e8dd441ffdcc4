"""Every setting of `noghost serve`, once: the file, the environment, the flags and the documentation come from here.

Of a key `idle_exit`: `idle_exit = 60` in the file, NOGHOST_IDLE_EXIT in the environment, `--idle-exit` as a flag. Of a
limit `limit.queue`: `queue = 8` in the file's table `[limit]`, NOGHOST_LIMIT_QUEUE, `--limit queue=8`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from noghost.config import (
    DEFAULT_CONTEXT_TOKENS,
    DEFAULT_HOST,
    DEFAULT_OTLP_INTERVAL_S,
    DEFAULT_PORT,
    EARS,
    MOUTHS,
    Limits,
    TemplateSource,
)
from noghost.errors import ConfigError
from noghost.upstream import Upstream

LIMIT = "limit."
HINT = "docs/configuration.md has all of them, `noghost config show` what is in force"
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
KINDS: dict[type, str] = {  # as one says it to a person
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One setting."""

    name: str
    kind: type  # one of KINDS
    help: str
    default: Any = None  # None: decided at start, or not there
    many: bool = False  # a list; its default is empty
    metavar: str | None = None

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"NOGHOST_{self.name.upper().replace('.', '_')}"

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        if self.name.startswith(LIMIT):
            return f"--limit {self.name.removeprefix(LIMIT)}"
        return f"--{self.name.replace('_', '-')}"

    @property
    def wanted(self) -> str:
        """What it takes, in words."""
        return f"a list of {KINDS[self.kind]}" if self.many else KINDS[self.kind]

    def parse(self, text: str, source: str) -> Any:
        """The value that a text means. Raises ConfigError, which does not repeat the text: it may be a secret that
        came to the wrong place."""
        if self.many:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        try:
            return WORDS[text.lower()] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise wrong(source, self.name, self.wanted) from None


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from: default, FILE:LINE, a variable of the environment, or a flag."""

    value: Any
    source: str = "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file sets, by name."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    templates: tuple[TemplateSource, ...] = ()
    template_sources: tuple[str, ...] = ()  # FILE:LINE of each
    upstreams: tuple[Upstream, ...] = ()
    upstream_sources: tuple[str, ...] = ()


def wrong(source: str, name: str, wanted: str) -> ConfigError:
    """The error for a value of another kind."""
    return ConfigError(f"{source}: {name} is not {wanted}", f"give {name} {wanted}", key=name)


def unknown(source: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a key that is none, with the nearest that is one."""
    import difflib  # here: a service that starts has no use for it, and would keep it

    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return ConfigError(f"{source}: unknown key `{name}`; did you mean `{near[0]}`?", HINT)
    return ConfigError(f"{source}: unknown key `{name}`", f"there are: {', '.join(names)}")


KEYS = (
    Key("host", str, "Address to listen on.", DEFAULT_HOST),
    Key("port", int, "Port; 0 takes a free one.", DEFAULT_PORT),
    Key("unix", Path, "Listen on a Unix socket, mode 0600, in the place of host and port."),
    Key("tls", bool, "TLS, ended in the instance; a self-signed certificate is made at start.", False),
    Key("tls_cert", Path, "TLS with this certificate chain (PEM) in the place of a self-signed one."),
    Key("tls_key", Path, "Its private key (PEM, no password)."),
    Key("insecure", bool, "Allow an address that others can reach without TLS or without API keys.", False),
    Key("allow_host", str, "A name that a request's Host may have besides the address.", (), many=True, metavar="NAME"),
    Key("keys", bool, "Ask every caller for an API key (default: where others can reach the address)."),
    Key("pad", bool, "Streamed events of equal size, whatever a token's length (default: with TLS)."),
    Key(
        "model",
        str,
        "A GGUF file or a known name. The first is the default (with an upstream: none, unless one is named).",
        (),
        many=True,
        metavar="PATH_OR_NAME",
    ),
    Key(
        "on_demand",
        str,
        "A further one, loaded by each instance that it is asked of, and by no other.",
        (),
        many=True,
        metavar="PATH_OR_NAME",
    ),
    Key(
        "template",
        str,
        "Hold this public prefix ready (see `noghost templates`).",
        (),
        many=True,
        metavar="NAME",
    ),
    Key(
        "upstream",
        str,
        "Pass requests for this model on to an OpenAI-compatible API over https (keys: docs/upstream.md).",
        (),
        many=True,
        metavar="NAME=URL",
    ),
    Key("voice", bool, "Hear and speak: /v1/audio (needs the extra `voice`).", False),
    Key("ear", str, "What hears: moonshine, or whisper (needs the extra `accurate`).", EARS[0], metavar="NAME"),
    Key(
        "mouth",
        str,
        "What speaks: piper, kokoro or espeak (each needs the extra of its name), or a Piper voice, VOICE.onnx with "
        "VOICE.onnx.json.",
        MOUTHS[0],
        metavar="NAME_OR_PATH",
    ),
    Key("seats", int, "Instances that compute at once (0: four for each core).", 0),
    Key("threads", int, "Most threads of one instance (0: the cores).", 0),
    Key("context", int, "Most tokens of prompt and answer.", DEFAULT_CONTEXT_TOKENS),
    Key("ledger", Path, "Where the ledger and its key lie."),
    Key("unverified", bool, "Serve although this host cannot trace instances; every receipt says so.", False),
    Key(
        "idle_exit",
        float,
        "Seconds without a connection after which nothing but the door is left; the next knock starts the service "
        "again (0: never).",
        0.0,
        metavar="SECONDS",
    ),
    Key(
        "metrics",
        str,
        "Where Prometheus can scrape metrics: HOST:PORT, or the path of a Unix socket (default: nowhere).",
        metavar="ADDRESS",
    ),
    Key(
        "otlp",
        str,
        "Push the metrics to this OpenTelemetry collector, by OTLP over HTTP (default: to nobody). Needs metrics.",
        metavar="URL",
    ),
    Key("otlp_interval", float, "Seconds from one push to the next.", DEFAULT_OTLP_INTERVAL_S, metavar="SECONDS"),
    Key(
        "without",
        str,
        "Do without this step of the confinement; every receipt says so.",
        (),
        many=True,
        metavar="STEP",
    ),
    *(Key(f"{LIMIT}{one.name}", type(one.default), one.metadata["help"], one.default) for one in fields(Limits)),
)
BY_NAME = {key.name: key for key in KEYS}
