"""What published models need, each by the headers of its files, without getting it. On the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import httpx

from noghost.errors import WeightsError
from noghost.weights.download import fetching
from noghost.weights.facts import Facts, facts_in
from noghost.weights.head import read_head
from noghost.weights.hub import Repository, listed, parsed
from noghost.weights.known import Known, Published
from noghost.weights.names import shown
from noghost.weights.published import Candidate, check_parts, choose, models, names_of, refuse

Tell = Callable[[str], None]  # called with the name of each file before it is asked for


@dataclass(frozen=True, slots=True)
class Need:
    """One model at its source."""

    spec: str  # what `noghost models pull` takes
    quant: str | None  # by its name
    files: int
    tensor_bytes: int
    read_bytes: int  # of headers, to know this
    facts: Facts


def needs(spec: str, tell: Tell) -> list[Need]:
    """Of each model that hf:OWNER/REPO[:FILE|:QUANT] can mean, smallest first. Raises WeightsError."""
    name, what = parsed(spec)
    repository = listed(name)
    there = models(repository.files)
    chosen = [choose(repository.files, what)] if what else there
    if not chosen:
        refuse(None, chosen, there)
    by_name = zip(chosen, [what] if what else names_of(chosen), strict=True)
    with fetching() as client:
        found = [need(client, repository, one, f"hf:{name}:{shown(called)}", tell) for one, called in by_name]
    return sorted(found, key=lambda one: one.facts.weights_bytes)


def known_needs(there: Known, tell: Tell) -> Iterator[tuple[Published, Need | WeightsError]]:
    """Of each published form of it: what its headers say, or why they could not be read."""
    asked = cache(listed_or_why)
    with fetching() as client:
        for one in there.published:
            repository = asked(one.repository)
            if isinstance(repository, WeightsError):
                yield one, repository
                continue
            try:
                yield one, need(client, repository, choose(repository.files, one.quant), one.spec, tell)
            except WeightsError as error:
                yield one, error


def listed_or_why(name: str) -> Repository | WeightsError:
    """What a repository has, or why that is not known: asked once, however many models are there."""
    try:
        return listed(name)
    except WeightsError as error:
        return error


def need(client: httpx.Client, repository: Repository, chosen: Candidate, spec: str, tell: Tell) -> Need:
    """Read the header of each of its files. Raises WeightsError."""
    check_parts(chosen)
    heads = []
    for remote in repository.remotes(chosen):
        tell(remote.shown)
        heads.append(read_head(client, remote, len(chosen.files)))
    tensors = [tensor for head in heads for tensor in head.structure.tensors]
    with memoryview(heads[0].data) as view:
        facts = facts_in(view, heads[0].structure, chosen.size_bytes)
    return Need(
        spec=spec,
        quant=chosen.quant,
        files=len(heads),
        tensor_bytes=sum(tensor.size_bytes for tensor in tensors),
        read_bytes=sum(len(head.data) for head in heads),
        facts=replace(
            facts,
            parameters=sum(tensor.elements for tensor in tensors),
            licence=repository.licence or facts.licence,
        ),
    )
