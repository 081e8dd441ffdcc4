"""`noghost map`: a file of requests, each line an invocation of its own."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from noghost.cli.settings import effective
from noghost.client.batch.node import Node, Service
from noghost.client.batch.requests import Requests
from noghost.client.batch.run import Batch, Summary
from noghost.client.hunt.launch import own_service
from noghost.client.length import duration
from noghost.client.receipts import default_seen_dir
from noghost.client.verification import Trust
from noghost.client.verified import logs_of
from noghost.errors import ConfigError

FILE = click.Path(path_type=Path, dir_okay=False)
INTERRUPTED = 130


@click.command()
@click.argument("source", metavar="INPUT.jsonl", type=FILE)
@click.option("--out", metavar="OUTPUT.jsonl", type=FILE, required=True, help="Where the answers go.")
@click.option("--resume", is_flag=True, help="Go on with OUTPUT.jsonl: ask what has no answer there.")
@click.option("--url", "urls", metavar="URL", multiple=True, help="A service that runs; again for more.")
@click.option(
    "--fingerprint", "fingerprints", metavar="SHA256", multiple=True, help="Of its certificate, for each --url."
)
@click.option(
    "--ray", "address", metavar="ADDRESS", help="A Ray cluster whose nodes answer, sealed; auto: the local one."
)
@click.option(
    "--model", "models", metavar="PATH_OR_NAME", multiple=True, help="To serve, without --url; again for more."
)
@click.option("--at-once", type=click.IntRange(1, 256), help="Lines at once on each node.  [default: its seats, or 8]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def map(  # noqa: A001  the command's own word
    source: Path,
    out: Path,
    urls: tuple[str, ...],
    fingerprints: tuple[str, ...],
    address: str | None,
    models: tuple[str, ...],
    at_once: int | None,
    *,
    resume: bool,
    as_json: bool,
) -> None:
    """Answer every line of INPUT.jsonl, each by an instance of its own.

    Input and output have the form of OpenAI's batch files. Without --url a service is started for it, and ends with it;
    with several, each line goes to whichever has room; with --ray, to the nodes of a cluster, sealed from here to each
    instance. An answer is on the disk before it counts; what could not be
    answered is left out, and --resume asks it again. The receipts of all nodes are in OUTPUT.jsonl.receipts, for
    `noghost receipts verify`. The key of a service is read from NOGHOST_API_KEY.

    Exit status: 0 if every line has its answer (which may be an error of its own request) and every answer its receipt.
    """
    requests = Requests(source)
    with nodes_of(urls, fingerprints, models, address) as nodes:
        batch = Batch(requests, out, nodes, resume=resume)
        try:
            with progress(len(requests.lines)) as tell:
                summary = batch.run(at_once, Trust(default_seen_dir()), tell)
        except KeyboardInterrupt:
            click.echo(f"noghost: interrupted; what was answered is in {out}: go on with --resume", err=True)
            sys.exit(INTERRUPTED)
    click.echo(json.dumps(as_dict(summary), indent=2) if as_json else "\n".join(words(summary, batch.bundle)))
    sys.exit(0 if summary.is_whole else 1)


@contextlib.contextmanager
def nodes_of(
    urls: Sequence[str], prints: Sequence[str], models: Sequence[str], address: str | None
) -> Iterator[list[Node]]:
    """Where lines are answered."""
    if urls and (models or address):
        raise ConfigError("--url, and what a service is that is started for it", "leave out --model and --ray")
    if prints and len(prints) != len(urls):
        raise ConfigError("not a fingerprint for each --url", "give as many --fingerprint, in the same order, or none")
    if len(set(urls)) < len(urls):
        raise ConfigError("one --url twice", "name each service once; --at-once gives it more lines")
    with contextlib.ExitStack() as held:
        if address is not None:
            from noghost.client.batch.on_ray import nodes_on_ray  # what nothing else needs

            yield held.enter_context(nodes_on_ray(address, models, default_seen_dir()))
        elif urls:
            key = os.environ.get("NOGHOST_API_KEY")
            pins: Sequence[str | None] = prints or [None] * len(urls)
            nodes: list[Node] = [Service.at(url, key, pin) for url, pin in zip(urls, pins, strict=True)]
            for node in nodes:
                held.callback(node.close)
            yield nodes
        else:
            seats = effective(None, model=tuple(models)).config.most_seats
            options = tuple(word for model in models for word in ("--model", model))
            url = held.enter_context(own_service(options, own_data=False))
            yield [held.enter_context(contextlib.closing(Service.at(url, seats=seats)))]


@contextlib.contextmanager
def progress(lines: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error with rate and time left; gives what tells it how many lines have their answer."""
    began, first = time.monotonic(), -1

    def rate(_: object) -> str:
        return f"{max(0, bar.pos - first) / max(1e-3, time.monotonic() - began):.1f} lines/s"

    with click.progressbar(length=lines, label=f"{lines} lines", item_show_func=rate, file=sys.stderr) as bar:

        def tell(answered: int) -> None:
            nonlocal first
            first = answered if first < 0 else first
            bar.update(answered - bar.pos)

        yield tell


def words(summary: Summary, bundle: Path) -> Iterator[str]:
    """For people."""
    told = ", ".join(f"{count} with {status}" for status, count in summary.statuses.items())
    yield f"answered   {sum(summary.statuses.values())} of {summary.lines} lines" + (f": {told}" if told else "")
    if summary.left:
        yield f"left       {summary.left} without an answer: run it again with --resume"
    rate = f"{summary.answered / max(1e-3, summary.took_s):.1f} lines/s"
    yield f"this run   {summary.answered} in {duration(summary.took_s)}, {rate}, {summary.again} tries failed"
    if len(summary.nodes) > 1:
        yield from (f"  node     {name}: {count}" for name, count in summary.nodes.items())
    yield f"receipts   {len(summary.receipts)} verified, in {bundle}"
    yield from (f"  log      {log.origin}, {log.receipts} receipts" for log in logs_of(summary.receipts))
    if summary.missing:
        yield f"missing    {summary.missing} receipts: their node is gone; --resume asks for them again"
    yield from (f"fault      {fault}" for fault in summary.faults)


def as_dict(summary: Summary) -> dict[str, Any]:
    """For programs."""
    told = asdict(summary) | {"left": summary.left, "receipts": len(summary.receipts)}
    return told | {"logs": [asdict(log) for log in logs_of(summary.receipts)]}
