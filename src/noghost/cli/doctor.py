"""`noghost doctor`."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

import click

from noghost.doctor.checks import examine
from noghost.doctor.finding import Finding, State, Verdict, judge

MARKS = {State.OK: "ok", State.INFO: "-", State.WEAK: "WEAK", State.BROKEN: "NO"}
COLOURS = {State.OK: "green", State.INFO: None, State.WEAK: "yellow", State.BROKEN: "red"}
WIDTH_CHARS = 100


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Whether this host can keep each promise, why not, and what to do.

    Looks at the kernel, at this user's limits and environment, and tries in child processes what can be tried. Names no
    host, user or path: the report can be shown to others. Exit status 1 when a promise cannot be kept here.
    """
    findings = examine()
    verdict = judge(findings)
    text = json.dumps(to_json(findings, verdict), indent=2) if as_json else "\n".join(to_text(findings, verdict))
    click.echo(text, color=False if "NO_COLOR" in os.environ else None)
    context.exit(1 if verdict.broken else 0)


def to_json(findings: Iterable[Finding], verdict: Verdict) -> dict[str, object]:
    """Facts with units in their names, findings, and the verdict."""
    return {
        "host": {name: fact for finding in findings for name, fact in finding.seen.facts.items()},
        "findings": [
            {
                "name": finding.name,
                "group": finding.group,
                "promises": finding.promises,
                "state": finding.state.value,
                "only_ask": finding.seen.only_ask,
                "says": finding.seen.says,
                "because": finding.seen.because or None,
                "how_to_mend": finding.seen.mend or None,
            }
            for finding in findings
        ],
        "verdict": {"keeps": verdict.keeps, "weak": verdict.weak, "broken": verdict.broken},
    }


def to_text(findings: list[Finding], verdict: Verdict) -> Iterator[str]:
    """A line a check, then what to do, then the verdict."""
    for group, members in groupby(findings, lambda finding: finding.group):
        yield click.style(group, bold=True)
        yield from (f"  {mark(one.state)}  {one.name:17}{one.seen.says}" for one in members)
        yield ""
    for state in (State.BROKEN, State.WEAK, State.INFO):
        for finding in findings:
            if finding.state is state and finding.seen.because:
                yield from advice(finding)
    yield verdict_line(verdict)


def advice(finding: Finding) -> Iterator[str]:
    """Why, and what to do."""
    promises = f" ({', '.join(finding.promises)})" * bool(finding.promises)
    yield f"{mark(finding.state)}  {finding.name}{promises}: {finding.seen.says}"
    yield paragraph("why: ", finding.seen.because)
    if finding.seen.mend:
        yield paragraph("do:  ", finding.seen.mend)
    yield ""


def paragraph(label: str, text: str) -> str:
    """Wrapped and indented; a command is not broken at its hyphens."""
    indent = " " * 6
    return textwrap.fill(
        text,
        WIDTH_CHARS,
        initial_indent=indent + label,
        subsequent_indent=indent + " " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def mark(state: State) -> str:
    """Four characters, in colour on a terminal."""
    return click.style(f"{MARKS[state]:4}", fg=COLOURS[state])


def verdict_line(verdict: Verdict) -> str:
    """Every promise once."""
    lists = (verdict.keeps, verdict.weak, verdict.broken)
    keeps, weak, broken = (" ".join(promises) or "none" for promises in lists)
    return f"this host can keep: {keeps}; weak: {weak}; not: {broken}"
