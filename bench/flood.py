"""How much later the first token comes beside callers who mean no good, on one machine with them.

    python bench/flood.py [--rounds N] [--quick] [--out DIR]      as root: some of them are another user

Rounds of all situations in turn, the usual one among them; in each, one caller asks as in hot.py and its TTFT is
compared with the usual one of the same run. The attackers (attackers.py) are a process of their own on the same
cores: what they take is in the table. Writes DIR/benchmarks/flood.md, flood.json (every sample) and DIR/img/flood.png.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from facts import ROOT, facts, publish
from plots import OTHERS, OURS, QUIET, figure, open_frame

sys.path.insert(0, str(ROOT / "tests"))  # one way to run a service, shared with the tests
from noghost.client.bench import Peer, peer_at
from noghost.errors import HuntError
from noghost.weights.find import find
from running import Service, private_bytes, running, wait_for

ATTACKERS = str(ROOT / "bench" / "attackers.py")
PROMPT_TOKENS = (50, 300)
ANSWER_TOKENS = 4
SETTLE_S = 2.0  # an attack is in full swing
NORMAL_S = 60.0
NOBODY = 65534
PROMISED = 2.0  # times the usual, in a storm


@dataclass
class Situation:
    """What is going on beside the caller, and all that was seen of it."""

    name: str
    kind: str = ""  # of attackers.py
    count: int = 0
    user: int | None = None  # another than ours
    ttft_s: dict[int, list[float]] = field(default_factory=lambda: {length: [] for length in PROMPT_TOKENS})
    refused: int = 0  # of the one caller's requests
    ends: Counter[str] = field(default_factory=Counter)  # of the attackers' connections
    cpu: list[float] = field(default_factory=list)  # of one core, the attackers' own
    instances: int = 0  # most
    memory_bytes: int = 0  # most; private, warden and reaper and instances
    normal_s: float = 0.0  # most, from the attack's end until no instance is left


SITUATIONS = (
    Situation("usual"),
    Situation("500 say nothing", "silent", 500),
    Situation("500 say a header, a byte a second", "slow", 500),
    Situation("100 ask for a page of 1.5 MB and do not read it", "readers", 100),
    Situation("8 connect and leave, again and again", "leave", 8),
    Situation("16 ask for /healthz, again and again", "storm", 16),
    Situation("64 ask for /healthz, again and again", "storm", 64),
    Situation("16 of these with a header of 450 bytes", "larger", 16),
    Situation("16 of these with headers of 100 to 4,000 bytes", "varied", 16),
    Situation("64 of these with headers of 100 to 4,000 bytes", "varied", 64),
    Situation("64 of these, each request of a process of its own", "forks", 64),
    Situation("64 of these with one of 450 bytes, of another user", "larger", 64, NOBODY),
    Situation("64 of these with ones of 100 to 4,000 bytes, of another user", "varied", 64, NOBODY),
)


def main() -> None:
    options = parse()
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python"))
    rounds = 2 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as service:
        caller = peer_at("noghost", service.url)
        for turn in range(rounds):
            for situation in SITUATIONS if turn % 2 == 0 else SITUATIONS[::-1]:
                measure(service, caller, situation)
            print(f"round {turn + 1} of {rounds}", file=sys.stderr)
    described |= {"rounds": str(rounds), "answers": f"{ANSWER_TOKENS} tokens, greedy, streamed; one caller at a time"}
    publish(options.out, "flood", "Flood: TTFT beside callers who mean no good", table(), described)
    text = json.dumps({"facts": described, "situations": [vars(situation) for situation in SITUATIONS]})
    (options.out / "benchmarks" / "flood.json").write_text(text)
    plot(options.out / "img" / "flood.png")


def measure(service: Service, caller: Peer, situation: Situation) -> None:
    """Each length once, while it goes on; then until all is normal."""
    with attacked(service, situation):
        for length in PROMPT_TOKENS:
            try:
                situation.ttft_s[length].append(caller.ask(length, ANSWER_TOKENS).ttft_s)
            except HuntError:
                situation.refused += 1
        look(service, situation)
    ended_s = time.monotonic()
    wait_for(lambda: not service.instances(), NORMAL_S, "all to be normal again")
    situation.normal_s = max(situation.normal_s, time.monotonic() - ended_s)


@contextlib.contextmanager
def attacked(service: Service, situation: Situation) -> Iterator[None]:
    """While the attackers are at it."""
    if not situation.kind:
        time.sleep(SETTLE_S)  # as the others: a machine that has rested answers later than one at work
        yield
        return
    command = [sys.executable, ATTACKERS, situation.kind, str(situation.count), str(service.port)]
    command += [] if situation.user is None else [str(situation.user)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attackers:
        time.sleep(SETTLE_S)
        try:
            yield
        finally:
            told = json.loads(attackers.communicate("")[0])
    situation.ends.update(told["ends"])
    situation.cpu.append(told["cpu"])


def look(service: Service, situation: Situation) -> None:
    """Who is alive, and what memory they have."""
    pids = service.instances()
    situation.instances = max(situation.instances, len(pids))
    memory_bytes = 0
    for pid in (service.pid, service.reaper_pid, *pids):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            memory_bytes += private_bytes(pid)
    situation.memory_bytes = max(situation.memory_bytes, memory_bytes)


def table() -> list[str]:
    """A row for each situation."""
    usual = {length: statistics.median(SITUATIONS[0].ttft_s[length]) for length in PROMPT_TOKENS}
    rows = ["| beside | " + " | ".join(f"TTFT, {length} tokens | ratio" for length in PROMPT_TOKENS), ""]
    rows[0] += " | refused | instances | memory | normal after | attackers' connections ended | their share of a core |"
    rows[1] = "|---|" + "---|" * (2 * len(PROMPT_TOKENS) + 6)
    for one in SITUATIONS:
        cells = [cell for length in PROMPT_TOKENS for cell in times(one.ttft_s[length], usual[length])]
        ends = ", ".join(f"{count} {end}" for end, count in sorted(one.ends.items())) or "-"
        cpu = f"{statistics.mean(one.cpu):.2f}" if one.cpu else "-"
        cells += [str(one.refused), str(one.instances), f"{one.memory_bytes / 1e6:.0f} MB", f"{one.normal_s:.1f} s"]
        rows.append("| " + " | ".join([one.name, *cells, ends, cpu]) + " |")
    note = "TTFT: median (longest). Ratio: of medians. Instances, memory (private, all processes), normal after: the "
    note += "most of all rounds. Ends by HTTP status; left, closed or reset where there was none."
    return [*rows, "", note, "", "![TTFT beside them](../img/flood.png)"]


def plot(path: Path) -> None:
    """A row for each situation: how many times the usual median TTFT, of each length."""
    names = [one.name for one in SITUATIONS[1:]]
    with figure(path, size=(9, 4.2)) as axes:
        for length, color in zip(PROMPT_TOKENS, (OURS, OTHERS), strict=True):
            usual = statistics.median(SITUATIONS[0].ttft_s[length])
            ratios = [statistics.median(one.ttft_s[length] or [math.nan]) / usual for one in SITUATIONS[1:]]
            axes.scatter(ratios, range(len(names)), s=36, color=color, label=f"{length} prompt tokens")
        axes.axvline(1, color=QUIET, linewidth=1)
        axes.axvline(PROMISED, color=QUIET, linewidth=1, linestyle="--")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel="time to first token, against the usual", xlim=(0, None))
        axes.legend(frameon=False, loc="lower left")
        open_frame(axes)


def times(samples: list[float], usual_s: float) -> tuple[str, str]:
    """(median and longest in ms, ratio to the usual)."""
    if not samples:
        return "-", "-"
    median = statistics.median(samples)
    return f"{median * 1e3:.0f} ({max(samples) * 1e3:.0f}) ms", f"**{median / usual_s:.2f}**"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="TTFT beside silent, slow, stormy and deaf callers")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="two rounds, to see that it works")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
