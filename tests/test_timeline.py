"""The steps of an invocation: each is counted from the one before it, and their sum is the whole."""

from __future__ import annotations

import time

from noghost.timeline import STEPS, Timeline


def test_the_parts_add_up_to_the_last_step() -> None:
    timeline = Timeline()
    for step in STEPS:
        timeline.reach(step)
    parts = timeline.parts_ms()
    assert tuple(parts) == STEPS
    last_ms = timeline.at_ms(STEPS[-1])
    assert last_ms is not None
    assert abs(sum(parts.values()) - last_ms) < 0.001 * len(STEPS)


def test_a_step_that_was_not_reached_is_left_out() -> None:
    timeline = Timeline(time.monotonic_ns() - 5_000_000)
    timeline.reach("gate")
    assert list(timeline.parts_ms()) == ["gate"]
    assert timeline.parts_ms()["gate"] >= 5
    assert timeline.at_ms("seat") is None


def test_the_first_time_counts() -> None:
    timeline = Timeline()
    timeline.reach("prefill")
    first = timeline.at_ms("prefill")
    timeline.reach("prefill")
    assert timeline.at_ms("prefill") == first
