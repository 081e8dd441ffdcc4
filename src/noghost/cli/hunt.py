"""`noghost hunt`: look for copies of a conversation in a server's memory and files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from noghost.cli.apart import apart
from noghost.client.hunt import hunt as search
from noghost.client.hunt.launch import own_server
from noghost.client.hunt.report import render, to_json
from noghost.errors import ConfigError, HuntError, WeightsError
from noghost.weights.find import find

FOUND, CLEAN, BLIND = 1, 0, 2


@click.command()
@click.option(
    "--url", help="The server's address, with or without /v1, or unix:PATH. Without it, `noghost serve` is started."
)
@click.option(
    "--fingerprint",
    metavar="SHA256",
    help="Of the server's certificate, as `noghost serve --tls` prints it. With unix:PATH: it speaks TLS.",
)
@click.option("--pid", "pids", multiple=True, type=click.IntRange(min=1), help="Root of its process tree.")
@click.option(
    "--files",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder in which the server may write: its data, its logs, its TMPDIR.",
)
@click.option("--model", help="The model to ask for. Default: the first that the server lists.")
@click.option(
    "--tokenizer",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The GGUF being served, to search token ids. Default: the server's own /tokenize,"
    " or the default model's file for a server of our own.",
)
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=2.0, show_default=True, metavar="SECONDS")
@click.option("--all", "every", is_flag=True, help="Read shared read-only mappings and unchanged file pages too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def hunt(
    url: str | None,
    fingerprint: str | None,
    pids: tuple[int, ...],
    folders: tuple[Path, ...],
    model: str | None,
    tokenizer: Path | None,
    wait_s: float,
    every: bool,
    as_json: bool,
) -> None:
    """Say a random canary to a server, then count its copies in memory and files.

    Works against any OpenAI-compatible server on this machine; a key is read from NOGHOST_API_KEY.
    Exit status: 0 if no copy was found, 1 if any was, 2 if the hunter could not look.
    """
    try:
        if not url and not tokenizer:
            tokenizer = find(as_published=True).path
        with _server(url, pids, folders) as (address, roots, places):

            def work() -> str:
                """Talk and search, in a process that is wiped at its end: it alone knows what was said."""
                result = search(
                    address,
                    roots,
                    places,
                    model=model,
                    tokenizer=tokenizer,
                    wait_s=wait_s,
                    every=every,
                    api_key=os.environ.get("NOGHOST_API_KEY"),
                    fingerprint=fingerprint,
                )
                return f"{result.copies}\n{to_json(result) if as_json else render(result)}"

            told, warning = apart(work)
    except (HuntError, ConfigError, WeightsError) as error:
        click.echo(f"noghost: {error}", err=True)
        sys.exit(BLIND)
    copies, _, report = told.partition("\n")
    click.echo(report)
    if warning:
        click.echo(f"noghost: {warning}", err=True)
    sys.exit(FOUND if int(copies) else CLEAN)


@contextlib.contextmanager
def _server(
    url: str | None, pids: tuple[int, ...], folders: tuple[Path, ...]
) -> Iterator[tuple[str, tuple[int, ...], tuple[Path, ...]]]:
    """Yield (url, pids, folders) of the given server, or of one of our own."""
    if url:
        yield url, pids, folders
    elif pids:
        raise ConfigError("--pid without --url", "give the server's --url, or neither to hunt `noghost serve`")
    else:
        with own_server() as own:
            yield own.url, (own.pid,), (own.folder, *folders)
