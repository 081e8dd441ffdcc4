"""What a published number must be read with: commit, machine, versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def facts(gguf: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """Name and value of each fact, in the order in which to print them."""
    return {
        "commit": commit(),
        "processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": platform.release().partition("-")[0],  # what follows may name a host
        "load before": f"{os.getloadavg()[0]:.2f} over one minute",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "model": f"{gguf.name}, sha256 {sha256(gguf)[:16]}…",
    }


def publish(out: Path, name: str, title: str, rows: list[str], described: dict[str, str], *, script: str = "") -> None:
    """Write DIR/benchmarks/NAME.md: the table, the script, and what it must be read with; print it too."""
    about = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in described.items())]
    text = "\n".join([f"# {title}", "", *rows, "", f"Made by `{script or f'bench/{name}.py'}`.", "", *about, ""])
    target = out / "benchmarks" / f"{name}.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    print(text)


def commit() -> str:
    """The short commit, with a plus if the source differs from it."""
    short = _git("rev-parse", "--short", "HEAD")
    return short + ("+" if _git("status", "--porcelain", "--", "src", "bench") else "")


def processor() -> str:
    """The processor's name as the kernel has it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("unknown" if done.returncode else "")
