"""Load a model's weights while the process imports what it needs besides. In the warden, before fork.

A second core does it meanwhile. A thread makes one call of C, without the GIL, and ends: a second call would wait for
the GIL, up to `sys.getswitchinterval()`.

Weights that are repacked are loaded later, without a thread: what that makes of them is held in a file, and what it is
can be told for certain only while nothing else is mapped (pages.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from noghost.engine.llama import start_backend
from noghost.engine.model import Model, load_handle
from noghost.errors import WeightsError


def begin(path: Path, *, repack: bool = False, hold_in: Path | None = None) -> Callable[[], Model]:
    """Begin to load; what waits for the model, and raises WeightsError where it cannot be had. Once it has returned,
    there is no thread.

    `repack`: as prepared files are (weights/prepared.py). `hold_in`: the folder for a file without a name that holds
    what repacking made, so that it is no private memory.
    """
    if repack:
        return lambda: held(Model.load(path, repack=True), hold_in)
    return Ahead(path).model


class Ahead:
    """One model, from now on."""

    def __init__(self, path: Path) -> None:
        """Begin."""
        start_backend()
        self._path = path
        self._handle: int | None = None
        self._thread = Thread(target=self._load)
        self._thread.start()

    def _load(self) -> None:
        self._handle = load_handle(self._path, False)

    def model(self) -> Model:
        """Wait for it. Raises WeightsError, with the path, if llama.cpp refuses it."""
        self._thread.join()
        while Path(f"/proc/self/task/{self._thread.native_id}").exists():  # Python has joined it, the kernel not yet
            time.sleep(0.0001)
        return Model.at(self._path, self._handle)


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
