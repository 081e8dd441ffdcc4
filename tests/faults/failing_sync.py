"""Compile failing_sync.c, and the environment in which a process has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("failing_sync.c")


def compiler() -> str | None:
    """The C compiler; llama.cpp was compiled with one, unless it came as a wheel."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """The shared object, made in `folder`."""
    made = folder / "failing_sync.so"
    command = [compiler() or "cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return made


def environment(library: Path, flag: Path) -> dict[str, str]:
    """Every sync fails while `flag` exists."""
    return {"LD_PRELOAD": str(library), "FAILING_SYNC_FLAG": str(flag)}
