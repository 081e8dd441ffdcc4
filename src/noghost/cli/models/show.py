"""`noghost models show`: what a model is, and the memory that it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from noghost.cli.models.table import size, table
from noghost.config import DEFAULT_CONTEXT_TOKENS
from noghost.weights import store
from noghost.weights.facts import Facts, read_facts
from noghost.weights.file import WeightsFile
from noghost.weights.find import find
from noghost.weights.gguf import check_gguf
from noghost.weights.known import Known, known
from noghost.weights.names import is_name

CONTEXTS = (4096, DEFAULT_CONTEXT_TOKENS, 32_768, 131_072)
UNKNOWN = "not stated"
MEMORY_NOTE = "The weights are mapped once, for all instances; the KV cache is each instance's own, at most (f16)."


@click.command()
@click.argument("model", required=False, metavar="[PATH_OR_NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(model: str | None, as_json: bool) -> None:
    """Show what the header of a model's file says, and the memory that the model needs.

    z-ai/glm-4.7 can be shown before it is here: what it needs, and which command pulls it.
    """
    there = known(model or "")
    if there is not None and not is_here(model or ""):
        say(as_json, known_document(there), known_lines(there))
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


def millions(parameters: int) -> str:
    """Parameters in words."""
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"


def known_document(there: Known) -> dict[str, Any]:
    """All that is known of a model that is not here."""
    contexts = {str(tokens): there.kv_bytes(tokens) for tokens in contexts_of(there.context_tokens)}
    published = [{**asdict(one), "pull": one.spec} for one in there.published]
    return {**asdict(there), "name": there.names[0], "published": published, "kv_bytes": contexts}


def known_lines(there: Known) -> Iterator[str]:
    """The same for people."""
    yield f"{there.names[0]}: not here"
    yield f"  architecture   {there.architecture}"
    yield f"  parameters     {millions(there.parameters)}"
    yield f"  context        {there.context_tokens:,} tokens"
    yield f"  licence        {there.licence}"
    yield ""
    kv = there.kv_bytes(DEFAULT_CONTEXT_TOKENS)
    head = ("quantisation", "file", f"with {DEFAULT_CONTEXT_TOKENS:,} tokens", "noghost models pull")
    rows = [
        (one.quant, ("" if one.exact else "about ") + size(one.size_bytes), size(one.size_bytes + kv), one.spec)
        for one in there.published
    ]
    yield from table(head, rows)
    most = size(there.kv_bytes(there.context_tokens))
    yield f"Memory: the file, and {size(kv)} of KV cache for each instance ({most} with all tokens of its context)."
    yield "Disk: twice the file, until its parts are joined."
    advised = next(one for one in there.published if one.quant == there.advised)
    yield ""
    yield f"pull it:    noghost models pull {advised.spec}"
