"""`noghost models`: what can be served by name, and forms of it that this processor computes faster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from noghost.board import Board
from noghost.config import Config
from noghost.engine.convert import FTYPES
from noghost.errors import WeightsError
from noghost.instance.share import Share
from noghost.preparing import prepare as run_prepare
from noghost.weights import prepared
from noghost.weights.find import DEFAULT_NAME, find
from noghost.weights.prepared import Prepared

HEAD = ("", "size", "prefill", "decode", "perplexity", "same answers")
NONE = "-"
KINDS = tuple(kind.lower() for kind in FTYPES)


@click.group()
def models() -> None:
    """Prepare a model for this processor, list what there is by name, remove what was prepared.

    The default model stays what it is: a prepared one is used where it is named.
    """


@models.command()
@click.argument("model", required=False, metavar="[PATH_OR_NAME]")
@click.option("--type", "kind", type=click.Choice(KINDS, case_sensitive=False), default=KINDS[0], show_default=True)
@click.option("--name", help="What to call the result (default: the model's name and the new type).")
@click.option("--threads", type=int, default=0, help="Measure with so many (default: what a service would use now).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prepare(model: str | None, kind: str, name: str | None, threads: int, as_json: bool) -> None:
    """Convert a GGUF file (default: the default model) to what this processor computes faster; show what that costs.

    q8_0 keeps the quality; q4_0 takes half the memory, and is repacked when it is loaded. Both forms are measured:
    speed, in turns; perplexity over a text that comes with noghost; and 20 greedy answers of 32 tokens, compared.
    """
    config = Config(threads=threads)
    used = threads or Share(config.most_threads, Board()).threads()
    given = name.lower() if name is not None else None
    made = run_prepare(model, kind.upper(), given, used, lambda text: click.echo(f"noghost: {text}", err=True))
    if as_json:
        click.echo(json.dumps(document(made)))
        return
    for line in table([row_of_source(made), row_of(made)]):
        click.echo(line)
    for line in (*meaning(made), "", *how_to(made)):
        click.echo(line)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the default model and the prepared ones, with what was measured when they were prepared."""
    found, broken = [], []
    for name in prepared.names():
        try:
            found.append(prepared.get(name))
        except WeightsError as error:
            broken.append(error.message)
    if as_json:
        click.echo(json.dumps([default_document(), *(document(one) for one in found)]))
    else:
        for line in table([row_of_default(found), *(row_of(one) for one in found)]):
            click.echo(line)
    for message in broken:
        click.echo(f"noghost: {message}", err=True)


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the prepared model NAME."""
    prepared.remove(name)
    click.echo(f"removed {name}")


def document(made: Prepared) -> dict[str, Any]:
    """All that is known of a prepared one."""
    return {**asdict(made), "size_bytes": made.size_bytes}


def default_document() -> dict[str, Any]:
    """The default model's name, digest and size; the latter None where it is not installed."""
    try:
        file = find()
    except WeightsError:
        return {"name": DEFAULT_NAME, "sha256": None, "size_bytes": None}
    return {"name": file.name, "sha256": file.sha256, "size_bytes": file.path.stat().st_size}


def row_of_default(found: Sequence[Prepared]) -> Sequence[str]:
    """With the speeds from the newest comparison that it took part in."""
    known = default_document()
    of_default = [one for one in found if one.source_sha256 == known["sha256"]]
    if of_default:
        return row_of_source(max(of_default, key=lambda one: modified(one.path)))
    size = NONE if known["size_bytes"] is None else megabytes(known["size_bytes"])
    return (known["name"], size, *[NONE] * (len(HEAD) - 2))


def modified(path: Path) -> float:
    """When a file was made; 0 where there is none."""
    return path.stat().st_mtime if path.is_file() else 0.0


def row_of_source(made: Prepared) -> Sequence[str]:
    """What it was made of."""
    return (made.source, *figures(made.measured["source"]), NONE)


def row_of(made: Prepared) -> Sequence[str]:
    """The prepared one."""
    same = f"{made.measured['same_answers']} of {made.measured['answers']}"
    return (made.name, *figures(made.measured["prepared"]), same)


def figures(measured: Mapping[str, float]) -> Sequence[str]:
    """Size, speeds, perplexity."""
    speeds = (f"{measured[key]:.0f} tok/s" for key in ("prefill_tok_s", "decode_tok_s"))
    return (megabytes(measured["size_bytes"]), *speeds, f"{measured['perplexity']:.1f}")


def megabytes(size_bytes: float) -> str:
    """Decimal ones."""
    return f"{size_bytes / 1e6:.0f} MB"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    return [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in ([*zip(row, widths, strict=True)] for row in (HEAD, *rows))
    ]


def meaning(made: Prepared) -> list[str]:
    """What the figures say, in words."""
    found = made.measured
    before, after = found["source"], found["prepared"]
    prefill, decode = (after[key] / before[key] for key in ("prefill_tok_s", "decode_tok_s"))
    change, error = 100 * (found["perplexity_ratio"] - 1), 100 * found["perplexity_ratio_error"]
    begin = f"{found['common_tokens']:.1f} of {found['answer_tokens']:.1f} tokens"
    return [
        "",
        f"speed: prefill {prefill:.2f} times, decode {decode:.2f} times as fast (threads: {found['threads']})",
        f"quality: perplexity {change:+.1f} % (± {error:.1f} %; lower is better) over {found['text_tokens']} tokens",
        f"answers begin the same for {begin} on average",
    ]


def how_to(made: Prepared) -> list[str]:
    """How to use it, and how to get rid of it."""
    return [
        f"use it:     noghost serve --model {made.name}",
        f"remove it:  noghost models remove {made.name}",
    ]
