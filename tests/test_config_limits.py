"""Limits by name: what is wrong is said, with what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from noghost.cli.serve import serve
from noghost.cli.settings import effective
from noghost.config import Limits
from noghost.errors import ConfigError

PAGE = Path(__file__).parents[1] / "docs" / "limits.md"


def limits(*pairs: str) -> Limits:
    """Of a service that is started with these."""
    return effective(None, pairs).config.limits


def test_named_limits_change_and_the_others_stay() -> None:
    changed = limits("request_s=2.5", "instances=7")
    assert (changed.request_s, changed.instances) == (2.5, 7)
    assert changed.body_bytes == Limits().body_bytes


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("speed=3", "--limit: unknown key `speed`"),
        ("request=3", "--limit: unknown key `request`; did you mean `request_s`?"),
        ("instances", "--limit instances: limit.instances is not a whole number"),
        ("instances=many", "limit.instances is not a whole number"),
        ("instances=2.5", "limit.instances is not a whole number"),
        ("instances=0", "--limit instances: limit.instances is 0"),
        ("request_s=-1", "limit.request_s is -1.0"),
        ("request_s=nan", "limit.request_s is nan"),
        ("invocation_s=1000000", "limit.invocation_s is 1000000"),
    ],
)
def test_what_is_wrong_is_said(setting: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)) as raised:
        limits(setting)
    assert raised.value.hint


def test_the_command_takes_them() -> None:
    done = CliRunner().invoke(serve, ["--limit", "speed=3"])
    assert isinstance(done.exception, ConfigError)
    assert "request_s" in done.exception.hint


def test_the_page_names_each_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([0-9.]+) \|", PAGE.read_text(), re.MULTILINE))
    assert {name: float(value) for name, value in rows.items()} == {
        one.name: float(getattr(Limits(), one.name)) for one in fields(Limits)
    }
