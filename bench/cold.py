"""From nothing: `noghost ask` with no server running, against starting a stock llama-server and asking it the same.

    python bench/cold.py [--rounds N] [--quick] [--out DIR]

From the start of the process to the first token, in one interleaved run, with the page cache warm; then with the
weights dropped from the page cache (posix_fadvise), against reading the file once; then, as root, with everything
dropped (/proc/sys/vm/drop_caches: nobody else should be at work). The steps are timed in runs of their own
(`ask_steps.py`). Writes cold.md and cold.json to DIR/benchmarks, cold.png to DIR/img.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from cold_report import markdown, plot
from facts import ROOT, facts

from noghost.client.bench.stream import server_at, stream
from noghost.weights.find import find

sys.path.insert(0, str(ROOT / "tests"))  # one runner, shared with the tests
from stock import stock_server

QUESTION = "What is the capital of France? Answer in one sentence."
ASKED = ["--temperature", "0", "--max-tokens", "2", QUESTION]
ASK = (sys.executable, "-m", "noghost.cli.main", "ask")
BARE = (sys.executable, str(ROOT / "bench" / "bare.py"))
STEPS = (sys.executable, str(ROOT / "bench" / "ask_steps.py"))
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
BLOCK_BYTES = 1 << 20
TOP_IMPORTS = 15
GONE_S = 5.0  # a process that has just ended may still hold its mapping

Samples = dict[str, list[float]]  # what -> seconds


def main() -> None:
    """Measure, then write the page and the plot."""
    options = parse()
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python", "xllamacpp"))
    compileall.compile_dir(ROOT / "src", quiet=1)  # as pip does for an installed package
    samples: Samples = defaultdict(list)
    steps: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as home:
        environment = own_environment(home)
        own = Path(home) / weights.name.lower()
        shutil.copyfile(weights, own)  # what nobody else has mapped can be dropped from the cache
        time.sleep(2.1)  # a younger file's digest is not cached: weights/digest.py
        for named in ((), ("--model", str(own))):
            ask(environment, *named)  # not counted: the ledger's key is made, weights are tried, their digests cached
        imports = top_imports(environment)
        for name, measures in list_measures(environment, weights, own, steps).items():
            for turn in range(2 if options.quick else options.rounds):
                for what, measure in measures if turn % 2 == 0 else measures[::-1]:
                    samples[what].append(measure())
                print(f"{name}: round {turn + 1}", file=sys.stderr)
    write(options.out, samples, steps, imports, described)


def list_measures(
    environment: dict[str, str], weights: Path, own: Path, steps: list[dict[str, float]]
) -> dict[str, list[tuple[str, Callable[[], float]]]]:
    """What is measured together, in each round in this order or the other way round: all that is warm first, since what
    is dropped is dropped for everybody."""

    def stepped() -> float:
        steps.append(ask_in_steps(environment))
        return steps[-1]["first byte"] / 1e3

    def ask_copy() -> float:
        return ask(environment, "--model", str(own))

    def after(prepare: Callable[[], object], measure: Callable[[], float]) -> Callable[[], float]:
        def measure_then() -> float:
            prepare()
            return measure()

        return measure_then

    def cold(how: str, drop: Callable[[], None]) -> list[tuple[str, Callable[[], float]]]:
        """Each measure on its own: before one that is warm, everything is brought back."""
        return [
            (f"ask, copy, before {how}", after(ask_copy, ask_copy)),
            (f"read, {how}", after(drop, lambda: read_once(own))),
            (f"ask, {how}", after(lambda: (ask_copy(), drop()), ask_copy)),
        ]

    warm: list[tuple[str, Callable[[], float]]] = [
        ("ask", lambda: ask(environment)),
        ("steps", stepped),
        ("bare", lambda: first_byte([*BARE, str(weights), QUESTION], environment)),
        ("stock", lambda: start_stock(weights)),
    ]
    found = {"warm": warm, "weights cold": cold("weights cold", lambda: forget(own))}
    return found | ({"all cold": cold("all cold", forget_all)} if os.geteuid() == 0 else {})


def own_environment(home: str) -> dict[str, str]:
    """Directories of its own; bytecode is written and used, as everywhere."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"XDG_DATA_HOME": home, "XDG_CACHE_HOME": f"{home}/cache"}


def ask(environment: dict[str, str], *named: str) -> float:
    """Seconds from before the start of the command to the first byte of its answer."""
    return first_byte([*ASK, *named, *ASKED], environment)


def first_byte(command: list[str], environment: dict[str, str]) -> float:
    """Seconds from before the start of a command to the first byte that it writes."""
    begun_s = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        first_s = time.monotonic() - begun_s
        process.stdout.read()
    if process.returncode or not first.strip():
        raise SystemExit("the command gave no answer")
    return first_s


def ask_in_steps(environment: dict[str, str]) -> dict[str, float]:
    """Milliseconds from before the start of the command to the end of each step."""
    reading, writing = os.pipe()
    command = [*STEPS, str(writing), *ASKED]
    begun_ms = time.monotonic_ns() / 1e6
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0, pass_fds=(writing,)
    ) as process:
        os.close(writing)
        assert process.stdout is not None
        process.stdout.read(1)
        first_ms = time.monotonic_ns() / 1e6
        process.stdout.read()
    with os.fdopen(reading) as told:
        marks = json.load(told)
    return {name: at_ms - begun_ms for name, at_ms in (marks | {"first byte": first_ms}).items()}


def start_stock(weights: Path) -> float:
    """Seconds from before the start of a stock server to the first token of its answer."""
    begun_s = time.monotonic()
    with stock_server(weights, n_ctx=8192) as stock:
        timing = stream(server_at(stock.url), "default", QUESTION, 2)
        return time.monotonic() - begun_s - (timing.last_s - timing.first_s)


def forget(path: Path) -> None:
    """Drop one file from the page cache, as soon as nobody has it mapped any more."""
    deadline_s = time.monotonic() + GONE_S
    while is_cached_after_dropping(path):
        if time.monotonic() > deadline_s:
            raise SystemExit("the weights could not be dropped from the page cache: somebody has them mapped")
        time.sleep(0.1)


def is_cached_after_dropping(path: Path) -> bool:
    """Whether its middle can still be read without the disk (preadv2(2), RWF_NOWAIT)."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            os.preadv(file.fileno(), [bytearray(1)], path.stat().st_size // 2, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        return True


def forget_all() -> None:
    """Drop every clean page, the interpreter's and the libraries' too. As root."""
    os.sync()
    DROP_CACHES.write_text("3")


def read_once(path: Path) -> float:
    """Seconds to read a file from its beginning to its end."""
    begun_s = time.monotonic()
    with path.open("rb", buffering=0) as file:
        while file.read(BLOCK_BYTES):
            pass
    return time.monotonic() - begun_s


def top_imports(environment: dict[str, str]) -> list[tuple[str, float, float]]:
    """Module, its own and its whole milliseconds, of the modules on the command's way that take longest in all."""
    way = "import noghost.cli.main, noghost.cli.ask, noghost.service, noghost.instance.terminal"
    command = [sys.executable, "-X", "importtime", "-c", way]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.findall(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", done.stderr, re.MULTILINE)
    rows = [(name, int(own_us) / 1e3, int(whole_us) / 1e3) for own_us, whole_us, name in found]
    return sorted(rows, key=lambda row: -row[2])[:TOP_IMPORTS]


def write(
    out: Path,
    samples: Samples,
    steps: list[dict[str, float]],
    imports: list[tuple[str, float, float]],
    described: dict[str, str],
) -> None:
    for folder in ("benchmarks", "img"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    plot(samples, steps, out / "img" / "cold.png")
    text = markdown(samples, steps, imports, described)
    (out / "benchmarks" / "cold.md").write_text(text)
    kept = {"facts": described, "samples_s": samples, "steps_ms": steps, "imports_ms": imports}
    (out / "benchmarks" / "cold.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="from nothing to the first token")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
