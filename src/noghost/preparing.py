"""`noghost models prepare`: convert a model's file, measure what that costs and brings, keep both. On the command line.

It leaves the choice to who asked: a prepared model is used where it is named, and for the default model where it
is faster and nothing is lost that can be told (weights/find.py); the published file keeps its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from noghost.engine.comparison import compare
from noghost.engine.convert import convert, removed_on_error
from noghost.errors import WeightsError
from noghost.host import build_digest
from noghost.weights import prepared, store
from noghost.weights.digest import digest, remember, verify
from noghost.weights.find import DEFAULT_NAME, DEFAULT_SHA256, find
from noghost.weights.gguf import check_gguf
from noghost.weights.prepared import Prepared

Say = Callable[[str], None]


def prepare(model: str | None, kind: str, name: str | None, threads: int, say: Say) -> Prepared:
    """Make and keep a form of `model` with weights of the type `kind`, in the place of another of that name.

    `say` tells how far it is. Nothing is kept unless all of it succeeds. Raises WeightsError or EngineError.
    """
    source = find(model, as_published=True)
    check_gguf(source.path)
    name = prepared.name_for(source.name, kind) if name is None else name
    refuse_itself(source.path, name)
    refuse_stored(name)
    unfinished = prepared.unfinished(name)
    with prepared.one_at_a_time(), removed_on_error(unfinished):
        source_digest = verify(source)
        say(f"converting {source.name} to {kind}")
        convert(source.path, unfinished, kind, threads)
        say(f"comparing the two with {threads} thread{'s' if threads > 1 else ''}: about two minutes for a small model")
        measured = compare(source.path, source.prepared, unfinished, threads)
        made = Prepared(
            name=name,
            source=DEFAULT_NAME if source_digest == DEFAULT_SHA256 else source.name,
            source_sha256=source_digest,
            sha256=digest(unfinished, use_cache=False),
            kind=kind,
            build=build_digest(),
            measured=measured,
        )
        prepared.add(made)
        remember(made.path, made.sha256)
    return made


def refuse_itself(source: Path, name: str) -> None:
    """A prepared model is not prepared again into its own place. Raises WeightsError."""
    target = prepared.path_of(name)
    if target.exists() and target.samefile(source):
        raise WeightsError(f"the model {name} is prepared already", "name the file that it was made of, or take --name")


def refuse_stored(name: str) -> None:
    """A prepared model does not take the name of one that was pulled or added. Raises WeightsError."""
    if store.named(name) is not None:
        raise WeightsError(f"{name} is the name of a model that was pulled or added", "take another, with --name")
