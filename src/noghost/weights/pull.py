"""Bring a model into the store, from where it is offered or from a local file. On the command line.

Covered: nothing is in the store before all of it is there, has its digest and has passed check_gguf; one that failed
leaves no file, but what a download can go on with. Nothing of it is executed here: llama.cpp meets it at the first
start, in a process of its own (engine/trial.py). What is there already is not fetched again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from noghost.errors import WeightsError
from noghost.weights import prepared, store
from noghost.weights.download import CHUNK_BYTES, Part, check_space, download
from noghost.weights.facts import read_facts
from noghost.weights.find import DEFAULT_NAME, DEFAULT_NAMES
from noghost.weights.gguf import SPLIT_NAME, check_gguf, opened
from noghost.weights.join import join
from noghost.weights.names import check_name, plain, shown
from noghost.weights.offer import Offer
from noghost.weights.store import Stored
from noghost.weights.unfinished import Unfinished, bytes_of, make_folder, scratch, unfinished, writing

# Shows how far a step is: called with its name and its bytes, None where these are not known.
Watch = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Origin:
    """What it is to be called, where it is from, and the licence, if that is known from there."""

    name: str
    source: str
    licence: str | None = None


def pull(offer: Offer, name: str | None, watch: Watch) -> Stored:
    """Bring what is offered into the store as `name` (default: made of its file's name). Raises WeightsError."""
    origin = Origin(name_for(offer.stem, name), offer.source, offer.licence)
    refuse_taken(origin.name, offer.published)
    sha256 = store.there(offer.published)
    if sha256 is not None:
        made = record(store.path_of(sha256), sha256, offer.published, origin)
        store.name_again(made)
        return made
    check_space(make_folder(), missing_bytes(offer))
    with ExitStack() as stack:
        files = [stack.enter_context(unfinished(sha256)) for sha256 in offer.published]
        for remote, file in zip(offer.files, files, strict=True):
            with watch(remote.shown, remote.size_bytes) as advance:
                download(remote, file, advance)
        if len(files) == 1:
            return finish(files[0], offer.published[0], offer.published, origin)
        return keep_joined(files, offer, origin, watch)


def missing_bytes(offer: Offer) -> int:
    """What is to be written: what is not there, and, where parts are joined, the whole beside them."""
    sizes = [file.size_bytes or 0 for file in offer.files]
    there = sum(bytes_of(sha256) for sha256 in offer.published)
    return sum(sizes) - there + (sum(sizes) if len(sizes) > 1 else 0)


def keep_joined(files: Sequence[Unfinished], offer: Offer, origin: Origin, watch: Watch) -> Stored:
    """What was fetched as several parts, as one file. Raises WeightsError."""
    size_bytes = sum(file.size_bytes for file in files)
    with scratch(f"join-{offer.published[0]}") as whole, watch("joining the parts", size_bytes) as advance:
        sha256 = join([file.path for file in files], whole, advance)
        made = finish(whole, sha256, offer.published, origin)
    for file in files:
        file.path.unlink(missing_ok=True)
    return made


def add(path: Path, name: str | None, watch: Watch) -> Stored:
    """Copy a local file, or all parts of one of which `path` is the first, into the store. Raises WeightsError."""
    stem = SPLIT_NAME.sub("", path.name).removesuffix(prepared.WEIGHTS)
    origin = Origin(name_for(stem, name), shown(path.name))
    paths = parts_beside(path)
    for one in paths:
        with opened(one, part=len(paths) > 1):
            pass
    size_bytes = sum(one.stat().st_size for one in paths)
    check_space(make_folder(), size_bytes)
    with scratch("add") as file, watch(origin.source, size_bytes) as advance:
        sha256 = copy(path, file, advance) if len(paths) == 1 else join(paths, file, advance)
        return finish(file, sha256, [sha256], origin)


def copy(path: Path, file: Unfinished, advance: Callable[[int], None]) -> str:
    """Copy a file into another; return its SHA-256 in hex, from the same reading. Raises WeightsError."""
    with writing(), path.open("rb") as source:
        part = Part(file, advance)
        while piece := source.read(CHUNK_BYTES):
            part.append(piece)
    return part.sha256


def parts_beside(path: Path) -> list[Path]:
    """The file, or, where its name says that it is one of several, all of them in order."""
    found = SPLIT_NAME.search(path.name)
    count = int(found[1]) if found else 1
    if count == 1:
        return [path]
    stem = SPLIT_NAME.sub("", path.name)
    return [path.with_name(f"{stem}-{number:05}-of-{count:05}{prepared.WEIGHTS}") for number in range(1, count + 1)]


def finish(file: Unfinished, sha256: str, published: list[str], origin: Origin) -> Stored:
    """Put a complete file into the store, if it is a model; remove it if it is none. Raises WeightsError."""
    try:
        check_gguf(file.path)
        refuse_taken(origin.name, published)
    except WeightsError as error:
        file.path.unlink(missing_ok=True)
        raise WeightsError(error.message.replace(str(file.path), origin.source), error.hint) from None
    made = record(file.path, sha256, published, origin)
    store.keep(file, made)
    return made


def record(path: Path, sha256: str, published: list[str], origin: Origin) -> Stored:
    """What is known of a file from now on."""
    facts = read_facts(path)
    return Stored(
        name=origin.name,
        sha256=sha256,
        size_bytes=facts.weights_bytes,
        source=origin.source,
        published=published,
        licence=origin.licence or facts.licence,
        added=datetime.now(UTC).date().isoformat(),
    )


def name_for(stem: str, given: str | None) -> str:
    """What to call it. Raises WeightsError for what is no name, or is that of another model."""
    name = plain(stem) if given is None else given.lower()
    check_name(name)
    if name in DEFAULT_NAMES:
        raise WeightsError(f"{name} is the name of the default model, {DEFAULT_NAME}", "take another, with --name")
    if prepared.named(name) is not None:
        raise WeightsError(f"{name} is the name of a prepared model", "take another, with --name")
    return name


def refuse_taken(name: str, published: list[str]) -> None:
    """A name does not come to mean another model. Raises WeightsError."""
    taken = store.named(name)
    if taken is not None and taken.published != published:
        raise WeightsError(
            f"{name} is the name of another model, from {taken.source}",
            f"take another with --name, or remove that: noghost models rm {name}",
        )
