"""P8: the same request again and again, greedy and sampled, with 1 and 2 threads; and what breaks it.

    python bench/repeat.py [--quick] [--out DIR]

First a real service and a prompt of some 300 tokens: every answer is compared with the first one, byte for byte; as a
control, sampled answers with other seeds. Then the engine alone, a process for each row: which terms change the logits
after a prompt and after an answer of 48 tokens, and which of them change that answer. Prints Markdown tables, writes
them to DIR/benchmarks/repeat.md and repeat.json, and draws DIR/img/repeat.png.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facts import ROOT, facts, publish
from plots import OTHERS, OURS, figure, open_frame

sys.path.insert(0, str(ROOT / "tests"))
from noghost.weights.find import find
from promises.repeating import body_of, post, text_of
from running import Service, running

PROMPTS_TOKENS = (100, 300, 700)
# Some 300 tokens: beyond 256 the threads share the KV cache while an answer is computed.
LONG = [{"role": "user", "content": "Tell me a story about a lighthouse and about the people who live in it. " * 17}]
USUAL = {"threads": 1, "batch": 0, "context": 8192, "prefix": 0}
# glibc picks expf, powf and sinf by the processor: its tunable takes features away, as on an older one.
HEAD = "| prompt tokens | changed | logits after the prompt | after a greedy answer | greedy answer | sampled answer |"
LOOKS = {"logits": "logits", "later": "logits, later", "greedy": "greedy answer", "sampled": "sampled answer"}
OLDER = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"}


@dataclass(frozen=True)
class Changed:
    """One thing that is not as usual."""

    name: str
    terms: dict[str, int]
    environment: dict[str, str]


CHANGES = (
    Changed("nothing", {}, {}),
    Changed("2 threads", {"threads": 2}, {}),
    Changed("batches of 64, the last one shorter", {"batch": 64}, {}),
    Changed("a prefix of 50 tokens computed by itself", {"prefix": 50}, {}),
    Changed("a context of 2,048 tokens", {"context": 2048}, {}),
    Changed("the C library's functions for a processor without AVX2 and FMA", {}, OLDER),
)


def repeated(service: Service, temperature: float, threads: int, times: int) -> dict[str, object]:
    """How many of `times` answers are the first one; and how many different ones as many seeds give."""
    asked: dict[str, object] = {"messages": LONG, "temperature": temperature, "noghost": {"threads": threads}}
    texts = [text_of(post(service, body_of(**asked, seed=11))) for _ in range(times)]
    others = range(min(times, 20) if temperature else 0)
    seeds = [text_of(post(service, body_of(**asked, seed=seed))) for seed in others]
    return {
        "answer": "sampled" if temperature else "greedy",
        "threads": threads,
        "times": times,
        "same": texts.count(texts[0]),
        "other_seeds": len(seeds),
        "different": len(set(seeds)),
    }


def on_terms(tokens: int, changed: Changed) -> dict[str, dict[str, str]]:
    """Digests by temperature, from a process of its own."""
    terms = USUAL | changed.terms | {"tokens": tokens}
    command = [sys.executable, str(ROOT / "bench" / "repeat_terms.py"), json.dumps(terms)]
    environment = os.environ | changed.environment
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=600)
    told: dict[str, dict[str, str]] = json.loads(done.stdout)
    return told


def compared(tokens: int) -> list[dict[str, object]]:
    """Each change against the usual terms."""
    usual = on_terms(tokens, CHANGES[0])
    rows = []
    for changed in CHANGES:
        found = on_terms(tokens, changed)
        rows.append(
            {
                "prompt_tokens": tokens,
                "changed": changed.name,
                "logits": found["0.0"]["logits"] == usual["0.0"]["logits"],
                "later": found["0.0"]["later"] == usual["0.0"]["later"],
                "greedy": found["0.0"]["answer"] == usual["0.0"]["answer"],
                "sampled": found["1.0"]["answer"] == usual["1.0"]["answer"],
            }
        )
    return rows


def table(service_rows: list[dict[str, object]], term_rows: list[dict[str, object]]) -> list[str]:
    """Both in Markdown."""
    lines = ["| answer | threads | the same bytes | control: different answers of other seeds |", "|---|---|---|---|"]
    for row in service_rows:
        control = f"{row['different']} of {row['other_seeds']}" if row["other_seeds"] else "- (greedy)"
        lines.append(f"| {row['answer']} | {row['threads']} | {row['same']} of {row['times']} | {control} |")
    lines += [
        "",
        "What breaks it, against one thread, our own batches and a context of 8,192 tokens:",
        "",
    ]
    lines += [HEAD, "|---|---|---|---|---|---|"]
    for row in term_rows:
        same = ["the same" if row[name] else "**other**" for name in LOOKS]
        lines.append(f"| {row['prompt_tokens']} | {row['changed']} | {' | '.join(same)} |")
    return lines


def plot(service_rows: list[dict[str, Any]], term_rows: list[dict[str, Any]], path: Path) -> None:
    """Above how many answers were the same; below what breaks it, a square for each length of the prompt."""
    changes = [changed.name for changed in CHANGES]
    lengths = sorted({row["prompt_tokens"] for row in term_rows})
    with figure(path, size=(8, 3.2)) as axes:
        for row in term_rows:
            at = changes.index(row["changed"])
            for number, name in enumerate(LOOKS):
                x = number * (len(lengths) + 1) + lengths.index(row["prompt_tokens"])
                axes.scatter(x, at, marker="s", s=90, color=OURS if row[name] else OTHERS)
        axes.invert_yaxis()
        axes.set_yticks(range(len(changes)), changes, fontsize=8)
        middles = [number * (len(lengths) + 1) + (len(lengths) - 1) / 2 for number in range(len(LOOKS))]
        axes.set_xticks(middles, LOOKS.values(), fontsize=8)
        told = ", ".join(
            f"{row['answer']}, {row['threads']} thread(s): {row['same']} of {row['times']}" for row in service_rows
        )
        tokens = ", ".join(map(str, lengths))
        key = f"what changes it (blue: the same, red: other), for prompts of {tokens} tokens"
        axes.figure.suptitle(f"the same again: {told}\n{key}", fontsize=9)
        open_frame(axes)


def main() -> None:
    parser = argparse.ArgumentParser(description="the same request, the same bytes; and what breaks it")
    parser.add_argument("--quick", action="store_true", help="5 times, and one prompt")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    times, prompts = (5, PROMPTS_TOKENS[:1]) if options.quick else (100, PROMPTS_TOKENS)
    weights = find(as_published=True).path
    described = facts(weights, ("noghost", "llama-cpp-python"))
    with tempfile.TemporaryDirectory() as home, running(Path(home), "--threads", "2") as service:
        service_rows = [repeated(service, temp, threads, times) for temp in (0.0, 1.0) for threads in (1, 2)]
    term_rows = [row for tokens in prompts for row in compared(tokens)]
    rows = [*table(service_rows, term_rows), "", "![The same again, and what breaks it](../img/repeat.png)"]
    publish(options.out, "repeat", "The same request, the same bytes", rows, described)
    plot(service_rows, term_rows, options.out / "img" / "repeat.png")
    target = options.out / "benchmarks" / "repeat.json"
    target.write_text(json.dumps({"facts": described, "repeats": service_rows, "terms": term_rows}, indent=1) + "\n")
    if any(row["same"] != row["times"] for row in service_rows):
        sys.exit("an answer was not repeated")


if __name__ == "__main__":
    main()
