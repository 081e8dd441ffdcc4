"""A service of Wyoming's protocol: its defaults, and what that protocol has no way for."""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.cli.settings import effective
from noghost.config import Config, Tls
from noghost.errors import ConfigError
from noghost.upstream import Upstream

OPEN = {"wyoming": True, "voice": True}


def test_it_has_a_port_of_its_own_and_always_a_voice() -> None:
    config = effective(None, wyoming=True).config
    assert (config.wyoming, config.voice, config.host, config.port) == (True, True, "127.0.0.1", 10300)
    assert effective(None, wyoming=True, port=7).config.port == 7
    assert not effective(None).config.wyoming, "control"


def test_an_address_that_others_can_reach_must_be_meant() -> None:
    with pytest.raises(ConfigError, match="neither TLS nor keys"):
        Config(**OPEN, host="0.0.0.0")
    assert not Config(**OPEN, host="0.0.0.0", insecure=True).asks_keys


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tls": Tls()}, "no TLS"),
        ({"keys": True}, "no API keys"),
        ({"voice": False}, "hears and speaks"),
        ({"upstreams": (Upstream.of("x=https://localhost/v1"),)}, "own models"),
    ],
)
def test_what_the_protocol_has_no_way_for_is_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Config(**(OPEN | more))  # type: ignore[arg-type]


def test_a_mistake_names_the_place_that_it_stands_in(tmp_path: Path) -> None:
    file = tmp_path / "noghost.toml"
    file.write_text("tls = true\n")
    with pytest.raises(ConfigError, match=r"noghost\.toml:1"):
        effective(file, wyoming=True)
