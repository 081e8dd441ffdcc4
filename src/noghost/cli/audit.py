"""`noghost audit`: ask a server, as any caller can, whether it gives away what others said to it."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator

import click

from noghost.client.hunt.launch import own_server
from noghost.client.timing import judge, measure
from noghost.client.timing.report import render, to_json
from noghost.errors import ConfigError, HuntError

STATUS = {"no leak seen": 0, "leaks": 1, "cannot tell": 2}
BLIND = 2


@click.group()
def audit() -> None:
    """Ask a server whether it gives away what others said to it."""


@audit.command()
@click.option(
    "--url", help="The server's address, with or without /v1, or unix:PATH. Without it, `noghost serve` is started."
)
@click.option(
    "--fingerprint",
    metavar="SHA256",
    help="Of the server's certificate, as `noghost serve --tls` prints it. With unix:PATH: it speaks TLS.",
)
@click.option("--model", help="The model to ask for. Default: the first that the server lists.")
@click.option("--pairs", type=click.IntRange(2, 500), default=50, show_default=True, help="Four requests each.")
@click.option("--words", type=click.IntRange(8, 100_000), default=300, show_default=True, help="In every prompt.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the order within the pairs.  [default: a random one]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every time.")
def timing(
    url: str | None,
    fingerprint: str | None,
    model: str | None,
    pairs: int,
    words: int,
    seed: int | None,
    as_json: bool,
) -> None:
    """Tell by timing whether one caller's private prompt makes another's faster.

    A victim sends a fresh private prompt; another caller then asks the same, or something fresh, and measures the time
    to the first text. If the two can be told apart, a cache is shared. Prompts are random words, new for each request.

    Works against any OpenAI-compatible server. The attacker's key is read from NOGHOST_API_KEY; the victim's, if it is
    another, from NOGHOST_VICTIM_API_KEY. Run it while the server is idle. Exit status: 0 if no leak was seen, 1 if it
    leaks, 2 if that could not be told.
    """
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    try:
        with _server(url) as address:
            found = measure(
                address,
                pairs=pairs,
                words=words,
                seed=seed,
                model=model,
                api_key=os.environ.get("NOGHOST_API_KEY"),
                victim_key=os.environ.get("NOGHOST_VICTIM_API_KEY"),
                fingerprint=fingerprint,
            )
            with click.progressbar(found, length=pairs, label=f"{pairs} pairs", file=sys.stderr) as shown:
                result = judge(list(shown))
    except (HuntError, ConfigError) as error:
        click.echo(f"noghost: {error}", err=True)
        sys.exit(BLIND)
    click.echo(to_json(result, words=words, pairs=pairs, seed=seed) if as_json else render(result))
    sys.exit(STATUS[result.verdict])


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[str]:
    """The given server's address, or that of one of our own."""
    if url:
        yield url
    else:
        with own_server() as own:
            yield own.url
