"""Convert a GGUF file to another type of weights, in a process of its own: llama.cpp's quantiser is C++ code that
parses a file and starts threads. On the command line, and never where something was asked.

Covered: a file that crashes the converter, or that it refuses; a disk that is full: a WeightsError says so, and what
was written so far is removed.
Not covered: whether the result is any good. comparison.py measures that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from noghost.engine import throwaway
from noghost.errors import WeightsError

# Measured on the default model (Q4_1) with AVX-512: Q8_0 prefills 2.3 times as fast as it is and loses nothing that can
# be told; Q4_0 and IQ4_NL, repacked, do as well and lose 13 and 16 % of perplexity. Where weights are much larger than
# the caches, decode takes as long as reading them: there Q4_0 is the faster one.
FTYPES = {"Q8_0": "LLAMA_FTYPE_MOSTLY_Q8_0", "Q4_0": "LLAMA_FTYPE_MOSTLY_Q4_0"}
IOSTREAM, CUT = "iostream error", "could not be written whole"  # what C++ says of a write that failed, and we
HINT = "take a file whose weights are F16, BF16, Q8_0 or Q4_1"


def convert(source: Path, target: Path, kind: str, threads: int) -> None:
    """Write `target`, durable, with weights of the type `kind`, one of FTYPES. Its folder must be there.

    Raises WeightsError.
    """
    with removed_on_error(target):
        word, status = throwaway.run(__spec__.name, [kind, str(threads), str(source), str(target)])
        if word != throwaway.SUCCESS:
            said = word.decode("utf-8", "replace") or throwaway.ending(status, source)
            raise WeightsError(f"could not convert the model {source}: {said}", room(target) if CUT in said else HINT)


def room(target: Path) -> str:
    """What to do about a disk that is full."""
    free_mb = shutil.disk_usage(target.parent).free / 1e6
    return f"{target.parent} has {free_mb:.0f} MB free; Q8_0 takes a byte for each weight, Q4_0 half of that"


@contextlib.contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """Ctrl-C included."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def quantize(kind: str, threads: int, source: Path, target: Path) -> None:
    """In the child."""
    from noghost.engine.llama import C, collected_errors, set_fields, start_backend

    start_backend()
    os.umask(0o077)
    params = C.llama_model_quantize_default_params()
    set_fields(params, ftype=getattr(C, FTYPES[kind]), allow_requantize=True, nthread=threads)
    with collected_errors() as errors:
        failed = C.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
    if failed:
        said = "; ".join(errors) or "llama.cpp does not say why"
        raise WeightsError(f"{target} {CUT}" if IOSTREAM in said else said)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    wanted, count, given, made = sys.argv[2:6]
    throwaway.work(int(sys.argv[1]), lambda: quantize(wanted, int(count), Path(given), Path(made)))
