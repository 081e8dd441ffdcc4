"""What an address asks for: TLS and keys wherever others can reach it, unless somebody says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.config import Config, Tls
from noghost.errors import ConfigError

UNREACHABLE = ("127.0.0.1", "127.1.2.3", "::1", "localhost")
REACHABLE = ("0.0.0.0", "::", "192.0.2.7", "2001:db8::1", "box.example")


@pytest.mark.parametrize("host", REACHABLE)
def test_where_others_can_reach_it_there_is_tls(host: str) -> None:
    with pytest.raises(ConfigError, match="no TLS on") as refused:
        Config(host=host)
    assert "--tls" in refused.value.hint
    assert "--insecure" in refused.value.hint
    assert Config(host=host, tls=Tls()).asks_keys
    assert Config(host=host, insecure=True).tls is None


@pytest.mark.parametrize("host", UNREACHABLE)
def test_on_loopback_there_need_not_be(host: str) -> None:
    assert Config(host=host).tls is None


def test_nor_on_a_unix_socket_whatever_the_host_says() -> None:
    assert not Config(host="0.0.0.0", unix=Path("socket")).reachable


def test_answers_are_padded_where_there_is_tls_unless_told_otherwise() -> None:
    told = {(tls, pad): Config(tls=tls, pad=pad).pads for tls in (None, Tls()) for pad in (None, True, False)}
    assert told == {
        (None, None): False,
        (None, True): True,
        (None, False): False,
        (Tls(), None): True,
        (Tls(), True): True,
        (Tls(), False): False,
    }
