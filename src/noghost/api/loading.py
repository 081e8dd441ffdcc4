"""Load a model that is on demand, in the instance that it is asked of and for it alone. In an instance.

What loads one takes a seat and opens a record first, whatever it will do with it: loading computes and takes memory as
an answer does.
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request

from noghost.api.capsule import GIVEN
from noghost.api.commitment import commitment_of
from noghost.api.compute import Compute, check_threads
from noghost.api.here import Here, Served, here
from noghost.engine.loaded import Loaded
from noghost.errors import RequestError, WeightsError

UNAVAILABLE = "this model cannot be loaded now; ask the operator of this service, or take another model"


async def loaded_for(
    request: Request, index: int, *, threads: int | None = None, seed: int | None = None, most_tokens: int | None = 0
) -> Loaded:
    """The model with that index: as the warden loaded it, or loaded now.

    `threads` and `seed` are for the record. `most_tokens`: of the answer, at most; None: as many as the context has.
    Raises RequestError, LedgerError and EngineError.
    """
    now = here(request)
    served = now.models[index]
    if served.held is None:
        check_threads(now, threads)
        commitment = commitment_of(request)
        knows_room = most_tokens is not None and GIVEN not in request.scope
        asked = len(await request.body()) + (most_tokens or 0) if knows_room else None

        def load() -> Iterator[Loaded]:
            now.open(index, commitment, threads=threads, seed=seed)
            yield awake(served, asked)

        served.held = await Compute(load).next()
        now.timeline.reach("load")
    return served.held


def awake(served: Served, asked: int | None) -> Loaded:
    """It, loaded. In the compute thread. Raises RequestError and EngineError."""
    assert served.dormant is not None
    try:
        return served.dormant.load(asked)
    except WeightsError:  # it names the file, which is no caller's affair
        raise RequestError(UNAVAILABLE, status=503, code="model_unavailable") from None


def settle(now: Here) -> None:
    """Before an answer that computed nothing: if a model was loaded for it, the record is on the disk."""
    if now.tally.opened:
        now.recorder.sync()
