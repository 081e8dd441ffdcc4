"""`noghost models show`: what a model is, and the memory that it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from noghost.cli.models.table import millions, size, table
from noghost.config import DEFAULT_CONTEXT_TOKENS
from noghost.weights import store
from noghost.weights.facts import Facts, read_facts
from noghost.weights.file import WeightsFile
from noghost.weights.find import find
from noghost.weights.gguf import check_gguf
from noghost.weights.known import known
from noghost.weights.names import is_name

CONTEXTS = (4096, DEFAULT_CONTEXT_TOKENS, 32_768, 131_072)
UNKNOWN = "not stated"
MEMORY_NOTE = "The weights are mapped once, for all instances; the KV cache is each instance's own, at most (f16)."


@click.command()
@click.argument("model", required=False, metavar="[PATH_OR_NAME]")
@click.option(
    "--context",
    "context_tokens",
    type=click.IntRange(min=1),
    default=DEFAULT_CONTEXT_TOKENS,
    show_default=True,
    metavar="TOKENS",
    help="Of the KV cache of a model that is not here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(model: str | None, context_tokens: int, as_json: bool) -> None:
    """Show what the header of a model's file says, and the memory that the model needs.

    z-ai/glm-4.7 and hf:OWNER/REPO[:FILE|:QUANT] are shown before they are here: the hub is asked for the headers of
    their files alone, and it is said what each quantisation needs, and which command pulls it.
    """
    name = model or ""
    if name.startswith("hf:") or (known(name) and not is_here(name)):
        from noghost.cli.models.away import away  # it has an import of its own that is slow

        say(as_json, *away(name, context_tokens))
        return
    file = find(model)
    check_gguf(file.path)
    facts = read_facts(file.path)
    say(as_json, document(file, facts), lines(file, facts))


def is_here(name: str) -> bool:
    """Whether it is the name of a model that was pulled or added."""
    return is_name(name.lower()) and store.named(name) is not None


def say(as_json: bool, found: dict[str, Any], text: Iterator[str]) -> None:
    """The one or the other."""
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo("\n".join(text))


def document(file: WeightsFile, facts: Facts) -> dict[str, Any]:
    """All that is known of a file."""
    contexts = {str(tokens): facts.kv_bytes(tokens) for tokens in contexts_of(facts.context_tokens)}
    return {"name": file.name, "path": str(file.path), "sha256": file.sha256, **asdict(facts), "kv_bytes": contexts}


def lines(file: WeightsFile, facts: Facts) -> Iterator[str]:
    """The same for people."""
    stored = store.named(file.name) if file.sha256 else None
    yield file.name
    yield f"  architecture   {facts.architecture or UNKNOWN}"
    yield f"  parameters     {millions(facts.parameters)}"
    yield f"  quantisation   {facts.quantisation or UNKNOWN}"
    yield f"  context        {f'{facts.context_tokens:,} tokens' if facts.context_tokens else UNKNOWN}"
    yield f"  chat template  {'yes' if facts.has_template else 'no'}"
    yield f"  licence        {(stored.licence if stored else facts.licence) or UNKNOWN}"
    yield f"  file           {size(facts.weights_bytes)}, {f'sha256 {file.sha256}' if file.sha256 else 'not pinned'}"
    if stored:
        yield f"  source         {stored.source}, {stored.added}"
    yield ""
    if facts.kv_token_bytes is None:
        yield "The header does not say how large the KV cache is."
        return
    rows = [
        memory_row(tokens, facts.weights_bytes, facts.kv_token_bytes) for tokens in contexts_of(facts.context_tokens)
    ]
    yield from table(("context", "weights", "KV cache", "one instance"), rows)
    yield MEMORY_NOTE


def memory_row(tokens: int, weights_bytes: int, kv_token_bytes: int) -> tuple[str, ...]:
    """What a context of so many tokens takes."""
    kv = tokens * kv_token_bytes
    return (f"{tokens:,}", size(weights_bytes), size(kv), size(weights_bytes + kv))


def contexts_of(most: int | None) -> list[int]:
    """The lengths that are shown: up to the one that the model was trained on, and that one."""
    return sorted({tokens for tokens in CONTEXTS if most is None or tokens < most} | ({most} if most else set()))
