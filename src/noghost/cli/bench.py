"""`noghost bench`: our service beside any other server, timed by one caller."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import click

from noghost.client.bench import Plan, measure, peer_at
from noghost.client.bench.report import render, to_json
from noghost.client.bench.rounds import ANSWER_TOKENS
from noghost.client.hunt.launch import own_server
from noghost.errors import ConfigError

OURS, OTHER = "noghost", "other"


@click.command()
@click.option("--against", metavar="URL", required=True, help="The other server, with or without /v1, or unix:PATH.")
@click.option("--url", help="A service of ours that runs, as --against. Without it, `noghost serve` is started.")
@click.option("--fingerprint", metavar="SHA256", help="Of our certificate, as `noghost serve --tls` prints it.")
@click.option(
    "--model",
    metavar="PATH_OR_NAME",
    help="Our model: what is served, or with --url the name to ask for.  [default: the default model]",
)
@click.option("--their-model", metavar="NAME", help="The model to ask the other for.  [default: the first it lists]")
@click.option("--key-env", metavar="NAME", help="The environment variable that holds the other server's API key.")
@click.option(
    "--prompt-tokens",
    "lengths",
    type=click.IntRange(1, 100_000),
    multiple=True,
    default=(50, 300),
    show_default=True,
    help="Length of a prompt; again for more.",
)
@click.option(
    "--callers",
    type=click.IntRange(1, 256),
    multiple=True,
    default=(1, 4),
    show_default=True,
    help="So many at once, with prompts of the first length; again for more.",
)
@click.option(
    "--answer-tokens",
    type=click.IntRange(2, 10_000),
    default=ANSWER_TOKENS,
    show_default=True,
    help="Of an answer.",
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Each asks both everything.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every sample.")
def bench(
    against: str,
    url: str | None,
    fingerprint: str | None,
    model: str | None,
    their_model: str | None,
    key_env: str | None,
    lengths: tuple[int, ...],
    callers: tuple[int, ...],
    answer_tokens: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Compare with another OpenAI-compatible server: time to first token, decode speed, throughput.

    Both are asked in turns, each request on a connection of its own, with prompts of random words that are new each
    time; the first requests are not counted. Only with the same model file on both sides, on a machine that does
    nothing else, is it the same work. The key of our own service is read from NOGHOST_API_KEY.
    """
    plan = Plan(rounds, tuple(dict.fromkeys(lengths)), tuple(dict.fromkeys(callers)), answer_tokens)
    other = peer_at(OTHER, against, model=their_model, api_key=key_in(key_env))
    with ours_at(url, model) as (address, name):
        own = peer_at(OURS, address, model=name, api_key=os.environ.get("NOGHOST_API_KEY"), fingerprint=fingerprint)
        turns = measure((other, own), plan)
        with click.progressbar(turns, length=rounds, label=f"{rounds} rounds", file=sys.stderr) as shown:
            for _ in shown:
                pass
    click.echo(to_json(other, own, plan) if as_json else render(other, own, plan))


def key_in(name: str | None) -> str | None:
    """The value of that variable; an error does not repeat the name, which may be a key by mistake."""
    if name is None:
        return None
    if not (key := os.environ.get(name, "").strip()):
        raise ConfigError(
            "could not find the variable that --key-env names", "export it first; the flag takes its name, not the key"
        )
    return key


@contextlib.contextmanager
def ours_at(url: str | None, model: str | None) -> Iterator[tuple[str, str | None]]:
    """(address, model to ask for) of the service that runs, or of one of our own that serves `model`."""
    if url:
        yield url, model
    else:
        with own_server(("--model", model) if model else ()) as own:
            yield own.url, None
