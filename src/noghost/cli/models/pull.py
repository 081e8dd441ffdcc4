"""`noghost models pull`: a model from a hub or an address into the store."""

from __future__ import annotations

import click

from noghost.cli.models.progress import watch
from noghost.cli.models.table import size
from noghost.errors import ConfigError
from noghost.weights.offer import Offer, at_url
from noghost.weights.pull import pull as run_pull
from noghost.weights.store import Stored


@click.command()
@click.argument("source", metavar="hf:OWNER/REPO[:FILE|:QUANT]|https://…")
@click.option("--name", help="What to call it (default: the name of its file).")
@click.option("--sha256", metavar="HEX", help="Of the file at https://…, which is not asked for without it.")
def pull(source: str, name: str | None, sha256: str | None) -> None:
    """Get a GGUF file from a hub (hf:…), or from an address whose file has the SHA-256 that you give.

    What was interrupted goes on where it ended. The digest must be the one that the hub states. Private and gated
    models need HF_TOKEN; HF_ENDPOINT names another hub. The parts of a split model are joined.
    """
    offer = offered(source, sha256)
    click.echo(f"noghost: licence: {offer.licence or 'not stated'}", err=True)
    tell(run_pull(offer, name, watch))


def offered(source: str, sha256: str | None) -> Offer:
    """What is there. Raises ConfigError or WeightsError."""
    if source.startswith("hf:"):
        if sha256 is not None:
            raise ConfigError("--sha256 is for https://…", "leave it out: a hub states the digests of its files")
        from noghost.weights.hub import offer  # it has an import of its own that is slow

        return offer(source)
    if sha256 is None:
        raise ConfigError("an address needs --sha256", "give the SHA-256 that its publisher states")
    return at_url(source, sha256)


def tell(made: Stored) -> None:
    """What is there now, and how to use it."""
    click.echo(f"{made.name}: {size(made.size_bytes)}, sha256 {made.sha256}, licence {made.licence or 'not stated'}")
    click.echo(f"use it:     noghost serve --model {made.name}")
    click.echo(f"look at it: noghost models show {made.name}")
