"""`noghost serve`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import click

from noghost.cli.settings import effective, options
from noghost.config import Config
from noghost.reaper.fork import fork_role
from noghost.service import serve as run_service
from noghost.warden.activation import become_doorkeeper, config_at, keeper_pid, own_command, take_over
from noghost.warden.door import open_door


@click.command()
@options
def serve(**flags: Any) -> None:
    """Serve the OpenAI-compatible API; every request gets a process of its own.

    Prints one line when it is ready. SIGTERM or Ctrl-C ends it after the running answers, a second one at once.

    Every option can also stand in the file of --config, or in the environment: NOGHOST_PORT for --port. Flags go before
    the environment, that before the file. `noghost config show` says what is in force.
    """
    serve_with(effective(**flags).config)


def serve_with(config: Config) -> None:
    """Run a service; the last thing of a command."""
    listener = take_over()
    if listener is not None:
        config = config_at(config, listener)
    if not keeper_pid():
        warn()
    if listener is None and config.idle_exit_s:
        become_doorkeeper(open_door(config), own_command())
    run_service(config, announce, listener=listener)


def warn() -> None:
    """A line on standard error for each thing about this host that weakens a promise; a doorkeeper's services were
    preceded by it.

    In a child: what it imports would stay in the memory of warden and reaper.
    """
    with suppress(ChildProcessError):  # where SIGCHLD is ignored: the kernel has reaped it
        os.waitpid(fork_role(say_not_green, ()), 0)


def say_not_green() -> None:
    """In the child."""
    from noghost.doctor.checks import not_green
    from noghost.doctor.facts import gather

    for line in not_green(gather()):
        click.echo(f"noghost: {line} (see noghost doctor)", err=True)


def announce(address: str, fingerprint: str | None, metrics: str | None) -> None:
    """The line that says it is ready; with TLS another, with what callers can pin; another, where the metrics are."""
    click.echo(f"listening on {address}")
    if fingerprint:
        click.echo(f"certificate sha256 {fingerprint}")
    if metrics:
        click.echo(f"metrics on {metrics}")
