"""Load a model's weights and make its context while the process imports what it needs besides. In the warden, before
fork.

A second core does it meanwhile: a thread, which ends before anything is forked. Nearly all of its time is two calls of
C, without the GIL.

Weights that are repacked are loaded later, without a thread: what that makes of them is held in a file, and what it is
can be told for certain only while nothing else is mapped (pages.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from noghost.engine.context import Context, Room
from noghost.engine.llama import start_backend
from noghost.engine.model import Model, load_handle
from noghost.errors import NoghostError, WeightsError

Made = tuple[Model, Context]


def begin(path: Path, room: Room, *, repack: bool = False, hold_in: Path | None = None) -> Callable[[], Made]:
    """Begin to load; what waits for the model and its context, and raises WeightsError or EngineError where they cannot
    be had. Once it has returned, there is no thread.

    `repack`: as prepared files are (weights/prepared.py). `hold_in`: the folder for a file without a name that holds
    what repacking made, so that it is no private memory.
    """
    if repack:
        return lambda: with_context(held(Model.load(path, repack=True), hold_in), room)
    return Ahead(path, room).made


def with_context(model: Model, room: Room, *, beside_others: bool = False) -> Made:
    """It, and a context for it. Raises EngineError."""
    return model, Context(model, room.of(model), beside_others=beside_others)


class Ahead:
    """One model and its context, from now on."""

    def __init__(self, path: Path, room: Room) -> None:
        """Begin."""
        start_backend()
        self._path = path
        self._room = room
        self._made: Made | NoghostError | None = None
        self._thread = Thread(target=self._make)
        self._thread.start()

    def _make(self) -> None:
        try:
            model = Model.at(self._path, load_handle(self._path, False))
            self._made = with_context(model, self._room, beside_others=True)
        except NoghostError as error:
            self._made = error

    def made(self) -> Made:
        """Wait for them. Raises WeightsError, with the path, if llama.cpp refuses the file, EngineError."""
        self._thread.join()
        while Path(f"/proc/self/task/{self._thread.native_id}").exists():  # Python has joined it, the kernel not yet
            time.sleep(0.0001)
        if isinstance(self._made, NoghostError):
            raise self._made
        assert self._made is not None
        return self._made


def held(model: Model, folder: Path | None) -> Model:
    """The same, its repacked weights left to a file without a name in `folder`. Raises WeightsError."""
    if folder is not None:
        import tempfile  # needed for repacked weights alone

        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                model.hold_in_file(file.fileno())
        except OSError as error:
            raise WeightsError(
                f"could not hold the repacked model {model.path}: {error.strerror}",
                f"free as much in {folder} as the model is large, or serve the model that it was made of",
            ) from error
    return model
