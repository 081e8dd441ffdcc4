"""llama.cpp's C API and nothing else: no numpy, no thread, no log.

In the warden, before fork; the children inherit the loaded libraries.

`import llama_cpp` would run the package's own `__init__`, which imports numpy, which starts OpenBLAS's
threads; a lock that one of them holds at a fork stays locked in the child for ever. So an empty package
takes its place in `sys.modules`, and only the module of ctypes declarations is imported: `C`.

Not covered: a process that imported the whole of `llama_cpp` before this module.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from noghost.errors import EngineError

GGML_MAX_N_THREADS = 512  # ggml.h
GGML_SCHED_PRIO_NORMAL = 0  # enum ggml_sched_priority in ggml.h: low is -1, normal 0
LOG_LEVEL_ERROR = 4  # enum ggml_log_level in ggml.h
KEPT_LOG_LINES = 4


def _import_declarations() -> Any:
    """Import `llama_cpp.llama_cpp` without its package's `__init__`. Raises EngineError without it."""
    # A llama.cpp built with OpenMP reads this when it is loaded: its threads sleep between decodes, not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise EngineError("could not find the package llama-cpp-python", "run: pip install noghost")
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


C: Any = _import_declarations()  # Any: the package declares each C function as an empty Python function


class ThreadpoolParams(ctypes.Structure):
    """`struct ggml_threadpool_params` of ggml.h."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * GGML_MAX_N_THREADS),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("strict_cpu", ctypes.c_bool),
        ("paused", ctypes.c_bool),
    )


def _function(name: str, restype: Any, *argtypes: Any) -> Any:
    """Declare a C function of libllama, or of a ggml library that it depends on: dlsym searches those too."""
    try:
        function = C._lib[name]
    except AttributeError:
        raise EngineError(
            f"this build of llama.cpp has no {name}", "reinstall llama-cpp-python 0.3.36 or later"
        ) from None
    function.restype, function.argtypes = restype, list(argtypes)
    return function


threadpool_params_default = _function("ggml_threadpool_params_default", ThreadpoolParams, ctypes.c_int)
threadpool_new = _function("ggml_threadpool_new", ctypes.c_void_p, ctypes.POINTER(ThreadpoolParams))
# Never called by noghost: the pool ends with its process. Declared for whoever embeds the engine.
threadpool_free = _function("ggml_threadpool_free", None, ctypes.c_void_p)
attach_threadpool = _function("llama_attach_threadpool", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def set_fields(params: ctypes.Structure, **values: Any) -> None:
    """Set fields of a C struct; ctypes alone would accept a name that is no field, and do nothing.

    Raises EngineError for such a name. (llama.cpp's `use_mmap` became `load_mode`, unnoticed by callers.)
    """
    known = {field[0] for field in params._fields_}
    for name, value in values.items():
        if name not in known:
            raise EngineError(f"this build of llama.cpp has no {type(params).__name__}.{name}")
        setattr(params, name, value)


# Drops every line without a Python object being made of it: a log line of inference could hold content, and
# a callback in Python would allocate. libc's abs() reads its first argument, which is the level, and does
# nothing else; both calling conventions that Linux has for 64 bits let it ignore the other two.
_drop_line = ctypes.cast(ctypes.CDLL(None).abs, C.llama_log_callback)


def silence() -> None:
    """Drop everything that llama.cpp logs from now on in this process and its children."""
    C.llama_log_set(_drop_line, None)


@contextmanager
def collected_errors() -> Iterator[list[str]]:
    """Collect the last error lines while a model is loaded, when no content can be there; else drop them."""
    lines: list[str] = []

    def keep(level: int, text: bytes, _user_data: object) -> None:
        if level == LOG_LEVEL_ERROR and len(lines) < KEPT_LOG_LINES:
            lines.append(text.decode("utf-8", "replace").strip())

    callback = C.llama_log_callback(keep)
    C.llama_log_set(callback, None)
    try:
        yield lines
    finally:
        silence()


@cache
def start_backend() -> None:
    """Initialise llama.cpp once a process. Starts no thread."""
    silence()
    C.llama_backend_init()
