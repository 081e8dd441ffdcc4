"""A model that is not loaded: an open file, from which an instance loads it for itself.

Made in the warden, before any fork, where it costs a descriptor and maps nothing. An instance cannot open a file, and a
descriptor that it inherited has its place in the file in common with the warden and every other instance: so each opens
it once more for itself before it is confined (`reopen`), whether it will need it or not, and loads from that (`load`).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from noghost.engine.llama import start_backend
from noghost.engine.loaded import Loaded, load_stream
from noghost.errors import WeightsError

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fdopen.argtypes = [ctypes.c_int, ctypes.c_char_p]
_libc.fdopen.restype = ctypes.c_void_p


class Dormant:
    """One of them."""

    def __init__(self, path: Path, descriptor: int, context_tokens: int, *, repack: bool = False) -> None:
        """`descriptor`: of the file, whose digest is known; it stays open. The others are those of `loaded.load`."""
        start_backend()
        self.context_tokens = context_tokens
        self._path = path
        self._descriptor = descriptor
        self._repack = repack
        self._known = state_of(descriptor)
        self._is_known = False
        self._stream = 0

    def reopen(self) -> int:
        """The descriptor to be kept open. In an instance, before its confinement. Raises OSError."""
        own = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        self._is_known = state_of(own) == self._known
        self._stream = _libc.fdopen(own, b"rb") or 0
        return own

    def load(self, most_tokens: int | None) -> Loaded:
        """In the confined instance, once; the file is mapped. `most_tokens`: the context that can be needed, if that is
        known. Raises WeightsError, also for a file that is no longer what was hashed, and EngineError."""
        if not self._is_known:
            raise WeightsError(f"the model {self._path} has changed since the service started", "start it again")
        return load_stream(self._stream, self._path, self.context_tokens, asked=most_tokens, repack=self._repack)


def state_of(descriptor: int) -> tuple[int, int]:
    """Size in bytes and time in nanoseconds of the last write. One that lost its name is the same file still."""
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns
