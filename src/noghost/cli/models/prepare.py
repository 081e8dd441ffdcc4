"""`noghost models prepare`: a form of a model that this processor computes faster, and what that costs."""

from __future__ import annotations

import json

import click

from noghost.board import Board
from noghost.cli.models.table import HEAD, document, row_of, row_of_source, table
from noghost.config import Config
from noghost.engine.comparison import of_itself
from noghost.engine.convert import FTYPES
from noghost.instance.share import Share
from noghost.preparing import prepare as run_prepare
from noghost.weights.find import DEFAULT_NAME, DEFAULT_PREPARED, DEFAULT_SHA256, stands_in
from noghost.weights.prepared import Prepared

KINDS = tuple(kind.lower() for kind in FTYPES)


@click.command()
@click.argument("model", required=False, metavar="[PATH_OR_NAME]")
@click.option("--type", "kind", type=click.Choice(KINDS, case_sensitive=False), default=KINDS[0], show_default=True)
@click.option("--name", help="What to call the result (default: the model's name and the new type).")
@click.option("--threads", type=int, default=0, help="Measure with so many (default: what a service would use now).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prepare(model: str | None, kind: str, name: str | None, threads: int, as_json: bool) -> None:
    """Convert a GGUF file (default: the default model) to what this processor computes faster; show what that costs.

    q8_0 keeps the quality; q4_0 takes half the memory, and is repacked when it is loaded. Both forms are measured:
    speed, in turns; what they predict of a text that comes with noghost; and 20 greedy answers of 32 tokens, compared.
    Of the default model, q8_0 becomes the default if it is faster here and loses nothing that can be told; the file as
    it was published is then served by its name.
    """
    config = Config(threads=threads)
    used = threads or Share(config.most_threads, Board()).threads()
    given = name.lower() if name is not None else None
    made = run_prepare(model, kind.upper(), given, used, lambda text: click.echo(f"noghost: {text}", err=True))
    if as_json:
        click.echo(json.dumps({**document(made), "default": stands_in(made)}))
        return
    for line in table(HEAD, [row_of_source(made), row_of(made)]):
        click.echo(line)
    for line in (*meaning(made), "", *how_to(made)):
        click.echo(line)


def meaning(made: Prepared) -> list[str]:
    """What the figures say, in words."""
    found = made.measured
    prefill, decode = made.speedup
    change, error = 100 * (found["perplexity_ratio"] - 1), 100 * found["perplexity_ratio_error"]
    asked, common = found["answers"], f"{found['common_tokens']:.1f} of their {found['answer_tokens']:.1f} tokens"
    itself = of_itself(found)
    top, top_again = (100 * one["same_top"] for one in (found, itself))
    again = f"{itself['divergence']:.4f} nats, {top_again:.1f} %; {itself['same_answers']} of {asked}"
    return [
        "",
        f"speed: prefill {prefill:.2f} times, decode {decode:.2f} times as fast (threads: {found['threads']})",
        f"quality: perplexity {change:+.1f} % (± {error:.1f} %; lower is better) over {found['text_tokens']} tokens",
        f"predictions: {found['divergence']:.4f} nats apart, the same likeliest token at {top:.1f} %",
        f"answers: {found['same_answers']} of {asked} the same, {common}",
        f"the source from itself, its sums in another order: {again}, {itself['common_tokens']:.1f} tokens",
    ]


def how_to(made: Prepared) -> list[str]:
    """How to use it, and how to get rid of it."""
    if stands_in(made):
        return [
            "it is the default from now on: it is faster, and loses nothing that can be told",
            f"as before:  noghost serve --model {DEFAULT_NAME}",
            f"remove it:  noghost models rm {made.name}",
        ]
    return [
        *([f"the default stays: {why_not(made)}"] if made.name == DEFAULT_PREPARED else []),
        f"use it:     noghost serve --model {made.name}",
        f"remove it:  noghost models rm {made.name}",
    ]


def why_not(made: Prepared) -> str:
    """Why it does not become the default, in words."""
    if made.source_sha256 != DEFAULT_SHA256:
        return "it was made of another model"
    return "it does not keep the quality" if not made.keeps_quality else "it is not faster here"
