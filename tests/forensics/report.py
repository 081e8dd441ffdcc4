"""The rows as a JSON file, and as a table for people."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from machine import MEMORY_MIB, PROCESSORS
from subjects import SUBJECTS

ORDER = [subject.name for subject in SUBJECTS]


def publish(out: Path, row: dict[str, Any]) -> None:
    """Put a row in the place of the older one of its kind, and write both files anew."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "forensics.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [old for old in rows if key(old) != key(row)] + [row]
    rows.sort(key=lambda one: (ORDER.index(one["subject"]), one["init_on_free"]))
    host = {"processor": processor(), "qemu": qemu_version(), "guest": f"{MEMORY_MIB} MiB, {PROCESSORS} processors"}
    path.write_text(json.dumps({"host": host, "rows": rows}, indent=1) + "\n")
    (out / "forensics.md").write_text(render(host, rows))


def key(row: dict[str, Any]) -> tuple[str, int]:
    return row["subject"], row["init_on_free"]


def render(host: dict[str, str], rows: list[dict[str, Any]]) -> str:
    """The page docs/benchmarks/forensics.md."""
    lines = [
        "# What is left in a whole machine",
        "",
        "Copies of prompt and answer in the physical memory of a Debian guest, kernel included, searched from outside.",
        "",
        "| examined | init_on_free | in the middle of an answer | after its end | where they are left | on its disk |",
        "|---|---|---|---|---|---|",
        *(line(row) for row in rows),
        "",
        *unmeasured(rows),
        "Made by `tests/forensics/run.py`; what it shows and what not: `tests/forensics/README.md`.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in {**host, **shared(rows)}.items()),
        "",
    ]
    return "\n".join(lines)


def unmeasured(rows: list[dict[str, Any]]) -> list[str]:
    """Which rows are not there: a table that is not whole says so."""
    there = {key(row) for row in rows}
    names = [f"{name} (init_on_free {bit})" for name in ORDER for bit in (0, 1) if (name, bit) not in there]
    return [f"**Not measured**: {', '.join(names)}. Nothing is claimed of them.", ""] if names else []


def line(row: dict[str, Any]) -> str:
    during, after = (sum(row[when].values()) for when in ("during", "after"))
    places = "; ".join(f"{where}: {count}" for where, count in grouped(row["after"]).items()) or "-"
    return f"| {row['means']} | {row['init_on_free']} | {during} | **{after}** | {places} | {row['disk']} |"


def grouped(places: dict[str, int]) -> dict[str, int]:
    """Counted by place, with the titles of processes cut short."""
    counted: dict[str, int] = {}
    for where, count in places.items():
        short = re.sub(r"python3 \S*/(\w+\.py).*", r"\1", where)
        counted[short] = counted.get(short, 0) + count
    return counted


def shared(rows: list[dict[str, Any]]) -> dict[str, str]:
    """What the rows were measured with; several where they differ."""
    names = ("commit", "kernel", "accelerator")
    told = {name: ", ".join(sorted({str(row[name]) for row in rows})) for name in names}
    return {**told, "took": f"{sum(row['took_s'] for row in rows) / 60:.0f} minutes for these rows"}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def qemu_version() -> str:
    told = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split("version ")[1].split()[0]
