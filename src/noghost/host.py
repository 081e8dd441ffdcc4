"""What kind of host this is, in words that say nothing about who uses it; part of every receipt."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

# The kernel's names of what ggml's sources ask for (ggml-cpu: simd-mappings.h, quants, repack; AMX, SVE, SME).
FEATURES = (
    *("ssse3", "avx", "f16c", "fma", "bmi2", "avx2", "avx_vnni", "avx512f", "avx512dq", "avx512bw", "avx512vl"),
    *("avx512vbmi", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile", "amx_int8"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)


def host_class() -> str:
    """Swap, init_on_free and core pattern: what decides about copies that are not ours to remove."""
    return f"swap={swap()},init_on_free={init_on_free()},core={core_pattern()}"


def swap() -> str:
    """Whether memory may be written to a swap device."""
    lines = read("/proc/swaps").splitlines()[1:]
    if not lines:
        return "none"
    return "zram" if all("/zram" in line for line in lines) else "disk"


def init_on_free() -> str:
    """1 where the kernel's command line says that it zeroes memory when it is freed (the last word counts), else 0."""
    words = [word for word in read("/proc/cmdline").split() if word.startswith("init_on_free=")]
    return "1" if words and words[-1].partition("=")[2].lower() in ("1", "y", "on") else "0"


def core_pattern() -> str:
    """Where the kernel sends core dumps; ours are refused in any case."""
    return "pipe" if read("/proc/sys/kernel/core_pattern").startswith(("|", "@")) else "file"


def version_of(package: str, distribution: str) -> str:
    """Of an installed package, by the name of the folder that pip left beside it: importlib.metadata, which opens that
    folder, is slow to import and asked only where the name does not say it."""
    found = PathFinder.find_spec(package)
    beside = Path((found.submodule_search_locations or [""])[0]).parent if found else Path()
    names = [path.name for path in beside.glob(f"{distribution}-*.dist-info")]
    if len(names) == 1:
        return names[0].removeprefix(f"{distribution}-").removesuffix(".dist-info")
    from importlib import metadata

    return metadata.version(distribution)


@cache
def build_digest() -> str:
    """SHA-256 over the engine's shared libraries, its version, that of the grammars, Python's and the C library's
    (whose expf and powf the engine calls): the same build, the same bytes. Once a process."""
    engine = version_of("llama_cpp", "llama_cpp_python")
    versions = (engine, version_of("llguidance", "llguidance"), platform.python_version(), libc_version())
    total = hashlib.sha256(f"{' '.join(versions)}\n".encode())
    found = PathFinder.find_spec("llama_cpp")
    places = found.submodule_search_locations if found else None
    for place in places or ():
        for library in sorted((Path(place) / "lib").glob("*.so")):
            with library.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def libc_version() -> str:
    """As in "glibc 2.36"; "unknown" where the C library does not say."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):
        return "unknown"


def processor() -> str:
    """The architecture, and of the processor's features those that ggml has other arithmetic for."""
    machine = re.sub("[^a-z0-9_]", "_", platform.machine().lower())[:16]
    lines = read("/proc/cpuinfo").splitlines()
    named = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    has = set(named.split())
    return f"{machine}={'.'.join(feature for feature in FEATURES if feature in has)}"


def read(path: str) -> str:
    """A small file of /proc, or "" where there is none."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
