"""`noghost models show` of what is not here: by the headers at the hub, else by what is noted in noghost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import click

from noghost.cli.models.table import millions, size, table
from noghost.errors import WeightsError
from noghost.weights.known import Known, Published, known
from noghost.weights.needs import Need, known_needs, needs

UNKNOWN = "not stated"
HEADERS, NOTED = "headers", "noted"
Shown = tuple[dict[str, Any], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One quantisation, whatever its figures are from."""

    source: str  # HEADERS or NOTED
    quant: str | None
    files: int | None
    size_bytes: int
    tensor_bytes: int | None
    kv_bytes: int | None  # of one instance with the context that was asked for
    memory_bytes: int | None  # both
    pull: str
    noted_from: str | None = None
    why: str | None = None  # the headers could not be read


def away(name: str, context_tokens: int) -> Shown:
    """(for programs, for people). Raises WeightsError."""
    there = known(name)
    return of_known(there, context_tokens) if there else of_hub(name, context_tokens)


def tell(file: str) -> None:
    """A header is asked for."""
    click.echo(f"noghost: reading the header of {file}", err=True)


def of_hub(spec: str, context_tokens: int) -> Shown:
    """All by the headers. Raises WeightsError."""
    found = needs(spec, tell)
    facts = found[0].facts
    head = {
        "name": spec,
        "architecture": facts.architecture,
        "parameters": facts.parameters,
        "context_tokens": facts.context_tokens,
        "licence": facts.licence,
    }
    return told(head, [row_of(one, context_tokens) for one in found], context_tokens, found)


def of_known(there: Known, context_tokens: int) -> Shown:
    """By the headers where they can be read, by what is noted where not."""
    pairs = list(known_needs(there, tell))
    read = [found for _, found in pairs if isinstance(found, Need)]
    rows = [
        row_of(found, context_tokens) if isinstance(found, Need) else noted(there, one, context_tokens, found)
        for one, found in pairs
    ]
    facts = read[0].facts if read else None
    head = {
        "name": there.names[0],
        "architecture": facts.architecture if facts else there.architecture,
        "parameters": facts.parameters if facts else there.parameters,
        "context_tokens": facts.context_tokens if facts else there.context_tokens,
        "licence": (facts.licence if facts else None) or there.licence,
    }
    return told(head, rows, context_tokens, read, advised(there))


def advised(there: Known) -> str:
    """What to pull if nothing else is said."""
    return next(one.spec for one in there.published if one.quant == there.advised)


def row_of(found: Need, context_tokens: int) -> Row:
    """As the headers say."""
    facts = found.facts
    kv = facts.kv_bytes(context_tokens)
    memory = None if kv is None else facts.weights_bytes + kv
    return Row(HEADERS, found.quant, found.files, facts.weights_bytes, found.tensor_bytes, kv, memory, found.spec)


def noted(there: Known, one: Published, context_tokens: int, why: WeightsError) -> Row:
    """As it is noted in noghost."""
    kv = there.kv_bytes(context_tokens)
    memory = one.size_bytes + kv
    return Row(NOTED, one.quant, None, one.size_bytes, None, kv, memory, one.spec, one.noted_from, str(why))


def told(
    head: dict[str, Any], rows: list[Row], context_tokens: int, read: list[Need], pull: str | None = None
) -> Shown:
    """Both forms of it. `pull`: what is advised."""
    source = NOTED if any(row.source == NOTED for row in rows) else HEADERS
    read_bytes = sum(one.read_bytes for one in read)
    document = {
        **head,
        "source": source,
        "memory_for_tokens": context_tokens,
        "read_bytes": read_bytes,
        "published": [asdict(row) for row in rows],
    }
    return document, lines(document, rows, pull)


def lines(document: dict[str, Any], rows: list[Row], pull: str | None) -> Iterator[str]:
    """For people."""
    most, tokens = document["context_tokens"], document["memory_for_tokens"]
    yield f"{document['name']}: not here"
    yield f"  architecture   {document['architecture'] or UNKNOWN}"
    yield f"  parameters     {millions(document['parameters'])}"
    yield f"  context        {f'{most:,} tokens' if most else UNKNOWN}"
    yield f"  licence        {document['licence'] or UNKNOWN}"
    yield ""
    columns = ("quantisation", "files", "bytes", "of tensors", f"memory, {tokens:,} tokens", "noghost models pull")
    yield from table(columns, [cells(row) for row in rows])
    yield f"Memory: the files, and the KV cache of {tokens:,} tokens for each instance (f16, at most)."
    yield "Disk: twice the files, until parts are joined."
    yield from sources(rows, document["read_bytes"])
    if pull:
        yield from ("", f"pull it:    noghost models pull {pull}")


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    memory = UNKNOWN if row.memory_bytes is None else size(row.memory_bytes)
    whole = count(row.size_bytes) if row.source == HEADERS else f"about {size(row.size_bytes)}"
    return (row.quant or UNKNOWN, count(row.files), whole, count(row.tensor_bytes), memory, row.pull)


def count(number: int | None) -> str:
    """Exact; a dash where it is not known."""
    return "-" if number is None else f"{number:,}"


def sources(rows: list[Row], read_bytes: int) -> Iterator[str]:
    """Where the figures are from."""
    if any(row.source == HEADERS for row in rows):
        yield f"From the headers of the files at the hub, of which {read_bytes:,} bytes were read."
    for source in dict.fromkeys(row.noted_from for row in rows if row.source == NOTED):
        quants = ", ".join(str(row.quant) for row in rows if row.source == NOTED and row.noted_from == source)
        yield f"Not from the headers, but noted in noghost from {source}: {quants}."
    for why in dict.fromkeys(row.why for row in rows if row.why):
        yield f"The headers were not read: {why}"
