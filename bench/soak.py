"""Many completions at full seats: does memory grow? Warden and reaper, sampled at rest; descriptors; ledger bytes.

    python bench/soak.py [--completions N] [--out DIR]

Every so often all callers wait until no instance is alive; then private memory is read from /proc. The slope is by
least squares: over the second half, which decides, and over all but the first completions. Exit status 1 when memory is
not flat by the criterion on the page.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facts import ROOT, facts, publish
from soak_report import ROLES, fit, is_flat, plot, rows_of

sys.path.insert(0, str(ROOT / "tests"))
from noghost.ledger.store import Ledger
from noghost.weights.find import find
from promises.talking import connect
from running import Service, descriptors, private_bytes, running, wait_for

SEATS = 4
CALLERS = SEATS + 2  # so that somebody always waits for a seat
MAX_TOKENS = 2
EARLY = 500  # completions that belong to no slope: caches of the interpreter and of the allocator fill
BETWEEN = 50  # completions between two samples
WORDS = ("tell", "me", "a", "story", "about", "rain", "and", "the", "old", "bridge", "where", "nobody", "waits")
REST_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """At rest, after so many completions."""

    completions: int
    seconds: float
    warden_bytes: int
    reaper_bytes: int
    warden_descriptors: int
    reaper_descriptors: int


def complete(service: Service, number: int) -> bool:
    """One completion on a connection of its own; whether the whole answer came."""
    chance = random.Random(number)
    prompt = " ".join(chance.choices(WORDS, k=chance.randrange(3, 9)))
    body = json.dumps({"prompt": prompt, "max_tokens": MAX_TOKENS, "ignore_eos": True}).encode()
    head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with connect(service) as call:
        call.connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = call.read_all()
    return answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"}")


def sample(service: Service, completions: int, began_s: float) -> Sample:
    """When no instance is alive."""
    wait_for(lambda: not service.instances(), REST_S, "every instance to end")
    warden, reaper = service.pid, service.reaper_pid
    seconds = round(time.monotonic() - began_s, 2)
    memory = private_bytes(warden), private_bytes(reaper)
    return Sample(completions, seconds, *memory, descriptors(warden), descriptors(reaper))


def soak(service: Service, completions: int) -> tuple[list[Sample], int]:
    """The samples, and how many completions were not answered whole."""
    began_s, failed = time.monotonic(), 0
    samples = [sample(service, 0, began_s)]
    with ThreadPoolExecutor(CALLERS) as callers:
        for done in range(0, completions, BETWEEN):
            upto = min(done + BETWEEN, completions)
            failed += sum(not whole for whole in callers.map(lambda n: complete(service, n), range(done, upto)))
            samples.append(sample(service, upto, began_s))
            print(f"\r{upto} of {completions}, {samples[-1].seconds:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return samples, failed


def ledger_of(service: Service) -> tuple[int, int]:
    """Bytes in all its files, and entries."""
    size = sum(path.stat().st_size for path in service.ledger.rglob("*") if path.is_file())
    with Ledger.open(service.ledger) as ledger:
        return size, sum(1 for _ in ledger.entries())


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory() as home, running(Path(home), "--seats", str(SEATS)) as service:
        about = facts(find(as_published=True).path, ("noghost", "llama-cpp-python"))
        empty_bytes, _ = ledger_of(service)
        samples, failed = soak(service, options.completions)
        service.stop()
        full_bytes, entries = ledger_of(service)
    half = options.completions // 2
    begins = {"second half": half, f"after the first {EARLY}": min(EARLY, half)}
    found: dict[str, Any] = {
        "completions": options.completions,
        "failed": failed,
        "seats": SEATS,
        "callers": CALLERS,
        "seconds": samples[-1].seconds,
        "half": half,
        "ledger_entries": entries,
        "ledger_bytes_per_completion": round((full_bytes - empty_bytes) / options.completions, 1),
        "slopes": {name: slopes_from(samples, begin) for name, begin in begins.items()},
        "samples": [asdict(one) for one in samples],
    }
    publish(options.out, "soak", f"Soak: {options.completions} completions", rows_of(found), about)
    (options.out / "benchmarks" / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
    (options.out / "img").mkdir(exist_ok=True)
    plot(found, options.out / "img" / "soak.png")
    return 0 if not failed and all(is_flat(found, role) for role in ROLES) else 1


def slopes_from(samples: Sequence[Sample], begin: int) -> dict[str, dict[str, float]]:
    """Bytes per completion of each process, and the standard error."""
    late = [one for one in samples if one.completions >= begin]
    fits = {
        role: fit([one.completions for one in late], [getattr(one, f"{role}_bytes") for one in late]) for role in ROLES
    }
    return {role: {"bytes": round(slope, 2), "error": round(error, 2)} for role, (slope, error) in fits.items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="many completions at full seats: does memory grow?")
    parser.add_argument("--completions", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
