"""The table and the plot of `hot.py`. Ratios are of medians, with a bootstrap interval of 95 %."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from plots import figure

from noghost.client.bench.ratio import quartiles, ratio

Samples = Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]]  # peer, measure, size -> samples

PROMISED_TTFT = 1.10
CROWDS = (4, 8)  # callers at once, of whom the slowest first tokens are told
TITLES = {"hot": "Hot", "foreign": "Beside a busy core"}
_MEASURES: tuple[tuple[str, Callable[[int], str], float, str], ...] = (
    ("ttft_s", lambda size: f"TTFT, {size} prompt tokens", 1e3, "ms"),
    ("decode_tok_s", lambda _size: "decode, 1 caller", 1.0, "tok/s"),
    ("total_tok_s", lambda size: f"throughput, {size} caller{'s' if size > 1 else ''}", 1.0, "tok/s"),
)


def markdown(samples: Samples, facts: Mapping[str, str], name: str = "hot") -> str:
    """The page: one table of ratios and one of facts."""
    base, subject = samples
    rows = [
        _row(label(size), unit, scale, samples[base][measure][size], samples[subject][measure][size])
        for measure, label, scale, unit in _MEASURES
        for size in sorted(samples[base][measure])
    ]
    rows += [
        _tail(size, *(samples[side]["crowd_ttft_s"][size] for side in (base, subject)))
        for size in CROWDS
        if size in samples[base]["crowd_ttft_s"]
    ]
    head = f"| | unit | {base} | {subject} | {subject} / {base} |\n|---|---|---|---|---|"
    about = "\n".join(f"| {key} | {value} |" for key, value in facts.items())
    return (
        f"# {TITLES[name]}: {subject} against {base} llama-server\n\n"
        "Median (quartiles) of all rounds; the ratio is of medians, with a bootstrap interval of 95 %. "
        "TTFT: lower is better; the others: higher is better. The 99 % are of the callers of all rounds together. "
        f"Made by `bench/hot.py{' --foreign' if name == 'foreign' else ''}`.\n\n"
        f"{head}\n" + "\n".join(rows) + f"\n\n![TTFT ratio and throughput](../img/{name}.png)\n\n"
        f"| | |\n|---|---|\n{about}\n"
    )


def plot(samples: Samples, path: Path) -> None:
    """Left: TTFT ratio by prompt length. Right: throughput by callers, both servers."""
    with figure(path, 1, 2, size=(9, 3.8)) as (left, right):
        _plot_ttft(left, samples)
        _plot_throughput(right, samples)


def _row(label: str, unit: str, scale: float, base: Sequence[float], subject: Sequence[float]) -> str:
    middle, low, high = ratio(base, subject)
    cells = " | ".join(_cell([sample * scale for sample in side]) for side in (base, subject))
    return f"| {label} | {unit} | {cells} | **{middle:.2f}** ({low:.2f} to {high:.2f}) |"


def _tail(callers: int, base: Sequence[float], subject: Sequence[float]) -> str:
    """The first token that 99 % of all callers have by then, `callers` of them at once."""
    slow = [statistics.quantiles(side, n=100, method="inclusive")[-1] * 1e3 for side in (base, subject)]
    return f"| TTFT, {callers} callers, 99 % | ms | {slow[0]:.0f} | {slow[1]:.0f} | **{slow[1] / slow[0]:.2f}** |"


def _cell(samples: Sequence[float]) -> str:
    low, high = quartiles(samples)
    digits = 0 if statistics.median(samples) >= 100 else 1
    return f"{statistics.median(samples):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _plot_ttft(axes, samples: Samples) -> None:  # type: ignore[no-untyped-def]  # matplotlib's axes
    base, subject = samples
    sizes = sorted(samples[base]["ttft_s"])
    ratios = [ratio(samples[base]["ttft_s"][size], samples[subject]["ttft_s"][size]) for size in sizes]
    bars = [[middle - low for middle, low, _ in ratios], [high - middle for middle, _, high in ratios]]
    axes.errorbar([str(size) for size in sizes], [r[0] for r in ratios], yerr=bars, fmt="o", capsize=4, color="#1b6ca8")
    axes.axhline(1.0, color="#888888", linewidth=1)
    axes.axhline(PROMISED_TTFT, color="#c0392b", linewidth=1, linestyle="--", label=f"promised: {PROMISED_TTFT:.2f}")
    axes.set(
        xlabel="prompt tokens",
        ylabel=f"TTFT, {subject} / {base}",
        title="Time to first token (lower is better)",
    )
    axes.set_ylim(bottom=0)
    axes.margins(x=0.2)
    axes.legend(frameon=False, loc="lower right")


def _plot_throughput(axes, samples: Samples) -> None:  # type: ignore[no-untyped-def]  # matplotlib's axes
    for name, color in zip(samples, ("#888888", "#1b6ca8"), strict=True):
        by_callers = samples[name]["total_tok_s"]
        callers = sorted(by_callers)
        middles = [statistics.median(by_callers[count]) for count in callers]
        spans = [quartiles(by_callers[count]) for count in callers]
        bars = [
            [m - s[0] for m, s in zip(middles, spans, strict=True)],
            [s[1] - m for m, s in zip(middles, spans, strict=True)],
        ]
        axes.errorbar(
            [str(count) for count in callers],
            middles,
            yerr=bars,
            marker="o",
            capsize=4,
            color=color,
            label=name,
        )
    axes.set(xlabel="callers", ylabel="tokens a second, all callers", title="Throughput (higher is better)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="lower right")
