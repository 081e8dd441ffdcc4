"""The list of metrics is closed, its numbers land where they should, and Prometheus's own parser reads its text."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from instance.forked import in_child
from noghost import metrics
from noghost.messages import Outcome, Wipe
from noghost.metrics import FAMILIES, SIZE, Counts, Family, exposition

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
HELD = re.compile(r"# HELP (\S+) .*|# TYPE \S+ \w+|(\S+?)(?:\{(\w+)=\"([^\"]*)\"\})? \d+")


def allowed() -> set[tuple[str, str, str]]:
    """(name, label, value) of every sample that there can be."""
    found = set()
    for family in FAMILIES:
        if family.bounds:
            edges = [*(f"{bound:g}" for bound in family.bounds), "+Inf"]
            found |= {(f"{family.name}_bucket", "le", edge) for edge in edges} | {(f"{family.name}_count", "", "")}
        else:
            found |= {(family.name, family.label, value) for value in family.values}
    return found


def not_in_the_list(text: str) -> list[str]:
    """Every line that holds anything but what the list has."""
    helps = {family.name: f"# HELP {family.name} {family.help}" for family in FAMILIES}
    types = {f"# TYPE {family.name} {family.kind}" for family in FAMILIES}
    found = []
    for line in text.splitlines():
        held = HELD.fullmatch(line)
        is_comment = line in types or line in helps.values()
        is_sample = held and held[2] and (held[2], held[3] or "", held[4] or "") in allowed()
        found += [] if is_comment or is_sample else [line]
    return found


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and by the value of the label, as Prometheus's parser has them."""
    return {
        (one.name, next(iter(one.labels.values()), "")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def some() -> Iterator[int]:
    yield from range(SIZE)


def test_the_text_is_the_list_and_nothing_else() -> None:
    text = exposition(list(some()))
    assert not_in_the_list(text) == []
    assert set(samples(text)) == {(name, value) for name, _, value in allowed()}


@pytest.mark.parametrize(
    "line",
    [
        "noghost_secret_total 3",
        'noghost_instances_ended_total{outcome="my words"} 3',
        'noghost_instances_ended_total{caller="answered"} 3',
        'noghost_seats{outcome="answered"} 3',
        "noghost_seats 3.5",
        "noghost_seats 3 1700000000",
        "# HELP noghost_seats my words",
        "# my words",
        'noghost_prompt_tokens_bucket{le="17"} 1',
        "noghost_prompt_tokens_sum 17",
    ],
)
def test_control_what_is_not_in_the_list_is_found(line: str) -> None:
    assert not_in_the_list(exposition(list(some())) + line + "\n") == [line]


def test_kinds_and_words_are_those_of_prometheus() -> None:
    found = {family.name: family for family in text_string_to_metric_families(exposition([0] * SIZE))}
    assert {name: one.type for name, one in found.items()} == {
        family.name.removesuffix("_total"): family.kind for family in FAMILIES
    }
    assert all(re.fullmatch(r"[a-z_]+", family.name) for family in FAMILIES)
    assert all(family.name.endswith("_total") == (family.kind == "counter") for family in FAMILIES)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_labels_are_the_closed_words_of_the_messages() -> None:
    assert tuple(one.name.lower() for one in Outcome if one is not Outcome.LOST) == metrics.OUTCOMES
    assert tuple(one.name.lower() for one in Wipe) == metrics.WIPES


def test_every_number_has_a_place_of_its_own() -> None:
    counts = Counts()
    for family in FAMILIES:
        for value in family.values if not family.bounds else ():
            counts.add(family, value)
        for bound in (*family.bounds, 1e9) if family.bounds else ():
            counts.observe(family, bound)
    counts.note()
    assert counts.noted == (1,) * SIZE


def test_a_value_outside_the_list_is_no_value() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Counts().add(metrics.ENDED, "my words")


@pytest.mark.parametrize(("tokens", "edge"), [(0, "15"), (15, "15"), (16, "127"), (8191, "8191"), (8192, "+Inf")])
def test_a_bucket_has_what_is_at_most_its_bound(tokens: int, edge: str) -> None:
    counts = Counts()
    counts.observe(metrics.PROMPT, tokens)
    counts.note()
    found = {value: n for (name, value), n in samples(exposition(counts.noted)).items() if "prompt_tokens_b" in name}
    assert next(value for value, n in found.items() if n) == edge
    assert list(found.values()) == sorted(found.values()), "cumulative"


def test_the_reaper_and_the_warden_share_it_and_children_have_no_part_of_it() -> None:
    counts = Counts()
    in_child(lambda: counts.add(metrics.BORN, by=7))
    counts.note()
    assert counts.noted[0] == 7, "control: a child of before writes to the same page"
    counts.keep_from_children()

    def try_to_read() -> bool:
        with open("/proc/self/maps") as maps:  # noqa: PTH123
            return any(int(line.split("-")[0], 16) == address(counts) for line in maps)

    assert try_to_read()
    assert not in_child(try_to_read)
    assert in_child(lambda: counts.noted[0]) == 7, "what was noted is inherited"


def address(counts: Counts) -> int:
    """Of its page."""
    return ctypes.addressof(ctypes.c_char.from_buffer(counts._page))


def test_a_family_is_one_line_for_each_value() -> None:
    made = Family("noghost_x", "gauge", "Words.")
    assert made.lines([3]) == ["# HELP noghost_x Words.", "# TYPE noghost_x gauge", "noghost_x 3"]


def test_the_page_has_the_list_and_nothing_else() -> None:
    rows = re.findall(r"^\| `(noghost_\w+)` \| (\w+) \| (.+) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(family.name, family.kind, labels(family), family.help) for family in FAMILIES]


def labels(family: Family) -> str:
    """As the page has them."""
    if family.bounds:
        return f"`le`: {', '.join(f'{bound:g}' for bound in family.bounds)}"
    return f"`{family.label}`: {', '.join(family.values)}" if family.label else "-"
