"""Keep every page until the end. In the warden once all is loaded, and in the instance before its gate.

Memory that a process gives back while it lives (munmap, MADV_DONTNEED, a shrinking heap) goes to the kernel as it
is, past the reaper's wipe. So the allocators are told to give nothing back: a single-use process has no need to.

Covered: glibc malloc (no mmap for large blocks, no trimming, one arena for all threads) and CPython's object
arenas (free is a no-op). Native code that calls malloc, which is llama.cpp and OpenSSL, is covered with it.
Not covered: stacks of threads that end before the process (ours do not), and direct munmap by native code
(llama.cpp unmaps weights only; in an instance that loads a model, seccomp refuses it).
"""

from __future__ import annotations

import ctypes

from noghost.errors import HostError

M_TRIM_THRESHOLD, M_MMAP_MAX, M_PERTURB, M_ARENA_MAX = -1, -4, -6, -8  # malloc.h of glibc
NEVER = 2**31 - 1


class _ArenaAllocator(ctypes.Structure):
    """PyObjectArenaAllocator of CPython's C API."""

    _fields_ = (
        ("ctx", ctypes.c_void_p),
        ("alloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


def keep_one_arena() -> None:
    """In the warden, before it starts a thread: that would leave an arena behind, for an instance's threads to take."""
    set_malloc((M_ARENA_MAX, 1))


def keep_malloc_pages() -> None:
    """In the warden, before the first fork: from here on all blocks come from one heap that never shrinks.

    After the model and the context, whose large blocks have mappings of their own (so that the zeroed ones can be
    given back, engine/pages.py) and are never freed. Raises HostError where malloc is not glibc's.
    """
    keep_one_arena()
    ctypes.CDLL(None).malloc_trim(0)  # what loading left behind, while it still can be given back
    set_malloc((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER))


def set_malloc(*options: tuple[int, int]) -> None:
    """Set options of mallopt(3). Raises HostError where malloc is not glibc's."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt") or not hasattr(libc, "gnu_get_libc_version"):
        raise HostError("the C library's malloc cannot be told to keep its pages", "run on a glibc system")
    for option, value in options:
        if libc.mallopt(option, value) != 1:
            raise HostError(f"malloc refused option {option}", "run on glibc 2.26 or newer")


def keep_python_arenas() -> None:
    """In the instance: CPython's arenas are mappings of their own; their free becomes a function that does nothing.

    Not in the warden, which lives long and would grow by every arena that it no longer needs.
    """
    allocator = _ArenaAllocator()
    ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(allocator))
    allocator.free = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p).value
    ctypes.pythonapi.PyObject_SetArenaAllocator(ctypes.byref(allocator))
