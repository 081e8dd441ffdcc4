"""`noghost serve`."""

from __future__ import annotations

from pathlib import Path

import click

from noghost.config import DEFAULT_CONTEXT_TOKENS, DEFAULT_HOST, DEFAULT_PORT, Config, Limits, Tls
from noghost.config_file import Settings, read_settings
from noghost.doctor.checks import not_green
from noghost.doctor.facts import gather
from noghost.service import serve as run_service
from noghost.templates import store
from noghost.warden.activation import become_doorkeeper, config_at, own_command, take_over
from noghost.warden.door import open_door


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=DEFAULT_PORT, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--unix",
    type=click.Path(path_type=Path),
    help="Listen on a Unix socket, mode 0600, in the place of host and port.",
)
@click.option("--tls", is_flag=True, help="TLS, ended in the instance; a self-signed certificate is made at start.")
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="TLS with this certificate chain (PEM) in the place of a self-signed one.",
)
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="PATH", help="Its private key (PEM, no password).")
@click.option(
    "--insecure",
    is_flag=True,
    help="Allow an address that others can reach without TLS or without API keys.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name that a request's Host may have besides the address; again for more.",
)
@click.option(
    "--keys/--no-keys",
    default=None,
    help="Ask every caller for an API key (default: where others can reach the address).",
)
@click.option(
    "--pad/--no-pad",
    default=None,
    help="Streamed events of equal size, whatever a token's length (default: with TLS).",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="PATH_OR_NAME",
    help="A GGUF file or a known name; again for more. The first is the default.",
)
@click.option("--config", "file", type=click.Path(path_type=Path), help="A TOML file with [[template]] tables.")
@click.option(
    "--template",
    "templates",
    multiple=True,
    metavar="NAME",
    help="Hold this public prefix ready (see `noghost templates`); again for more.",
)
@click.option("--seats", type=int, default=0, help="Instances that compute at once (default: four for each core).")
@click.option("--threads", type=int, default=0, help="Most threads of one instance (default: the cores).")
@click.option(
    "--context",
    "context_tokens",
    type=int,
    default=DEFAULT_CONTEXT_TOKENS,
    show_default=True,
    help="Most tokens of prompt and answer.",
)
@click.option("--ledger", type=click.Path(path_type=Path, file_okay=False), help="Where the ledger and its key lie.")
@click.option(
    "--unverified",
    is_flag=True,
    help="Serve although this host cannot trace instances; every receipt says so.",
)
@click.option(
    "--idle-exit",
    "idle_exit_s",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="After so long without a connection nothing but the door is left; the next knock starts the service again.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a limit, as in request_s=10; again for more. All of them: docs/limits.md.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="STEP",
    help="Do without this step of the confinement; again for more. Every receipt says so.",
)
def serve(
    host: str,
    port: int,
    unix: Path | None,
    tls: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure: bool,
    hosts: tuple[str, ...],
    keys: bool | None,
    pad: bool | None,
    models: tuple[str, ...],
    file: Path | None,
    templates: tuple[str, ...],
    seats: int,
    threads: int,
    context_tokens: int,
    ledger: Path | None,
    unverified: bool,
    idle_exit_s: float,
    limits: tuple[str, ...],
    without: tuple[str, ...],
) -> None:
    """Serve the OpenAI-compatible API; every request gets a process of its own.

    Prints one line when it is ready. SIGTERM or Ctrl-C ends it after the running answers, a second one at once.
    """
    settings = read_settings(file) if file else Settings()
    config = Config(
        models=models,
        host=host,
        port=port,
        unix=unix,
        tls=Tls(tls_cert, tls_key) if tls or tls_cert or tls_key else None,
        insecure=insecure,
        hosts=hosts,
        keys=keys,
        pad=pad,
        seats=seats,
        threads=threads,
        context_tokens=context_tokens,
        ledger=ledger,
        unverified=unverified,
        without=without,
        idle_exit_s=idle_exit_s,
        limits=Limits.of(limits),
        templates=(*settings.templates, *(store.get(name).source for name in templates)),
    )
    listener = take_over()
    if listener is not None:
        config = config_at(config, listener)
    elif config.idle_exit_s:
        become_doorkeeper(open_door(config), own_command())
    warn()
    run_service(config, announce, listener=listener)


def warn() -> None:
    """A line on standard error for each thing about this host that weakens a promise."""
    for line in not_green(gather()):
        click.echo(f"noghost: {line} (see noghost doctor)", err=True)


def announce(address: str, fingerprint: str | None) -> None:
    """The line that says it is ready; with TLS a second one, with what callers can pin."""
    click.echo(f"listening on {address}")
    if fingerprint:
        click.echo(f"certificate sha256 {fingerprint}")
