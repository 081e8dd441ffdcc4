"""What a person may set about a remote model, and on what terms a request leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noghost.api.upstream.ready import key_of, trusting
from noghost.api.upstream.request import outgoing
from noghost.cli.settings import effective
from noghost.config import Config
from noghost.config_file import read_settings
from noghost.errors import ConfigError, RequestError
from noghost.upstream import Upstream

URL = "https://openrouter.ai/api/v1"
ROUTER = Upstream("z-ai/glm-4.7", URL)
SECRET = "sk-or-secret"


def test_name_and_url_are_enough() -> None:
    found = Upstream.of(f"z-ai/glm-4.7={URL}/")
    assert (found.theirs, found.host, found.port, found.path) == ("z-ai/glm-4.7", "openrouter.ai", 443, "/api/v1")
    assert (found.mark, found.is_openrouter, found.has_default_port) == ("remote/openrouter.ai", True, True)
    assert not Upstream("a", "https://openrouter.ai.example.com:8443/v1").is_openrouter


@pytest.mark.parametrize(
    "text",
    [
        "far",
        f"={URL}",
        f"default={URL}",
        "far=http://openrouter.ai/api/v1",
        f"far=https://user:{SECRET}@openrouter.ai/api/v1",
        f"far=https://openrouter.ai/api/v1?key={SECRET}",
        "far=https://",
        "far=https://ho_st/v1",
        "far=https://host:0/v1",
        "far=https://host:x/v1",
        "far=https://[::1]/v1",
        "far=https://host/a b",
    ],
)
def test_what_is_no_https_url_of_a_host_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        Upstream.of(text)
    assert SECRET not in str(error.value)
    assert error.value.hint


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="one name"):
        Config(upstreams=(ROUTER, ROUTER))


def test_the_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "noghost.toml"
    file.write_text(f'[[upstream]]\nname = "a"\nurl = "{URL}"\nkey_file = "k"\nsilence_s = 5\nloosen = true\n')
    assert read_settings(file).upstreams == (Upstream("a", URL, key_file=tmp_path / "k", silence_s=5, loosen=True),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"', "toml:1: this upstream has no `url`"),
        (f'name = "a"\nurl = "{URL}"\nkey = "x"', "toml:4: unknown key `key`"),
        (f'name = 5\nurl = "{URL}"', "toml:2: name is not text"),
        (f'name = "a"\nurl = "{URL}"\nsilence_s = true', "toml:4: silence_s is not a number"),
        (f'name = "a"\nurl = "{URL}"\nsilence_s = 0', "silence_s of the upstream a is out of range"),
        (f'name = "a"\nurl = "{URL}"\nloosen = "yes"', "toml:4: loosen is not true or false"),
        (f'name = "a"\nurl = "{URL}"\nkey_env = "A"\nkey_file = "b"', "key_env and key_file"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "noghost.toml").write_text(f"[[upstream]]\n{text}")
    with pytest.raises(ConfigError, match=message):
        read_settings(tmp_path / "noghost.toml")


def test_a_variable_and_a_flag_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOGHOST_UPSTREAM", f"a={URL}, b={URL}")
    assert effective(None).config.upstreams == (Upstream("a", URL), Upstream("b", URL))
    assert effective(None, upstream=(f"c={URL}",)).config.upstreams == (Upstream("c", URL),)


def test_a_key_comes_from_the_environment_or_a_file_of_one_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", SECRET)
    monkeypatch.setenv("OTHER", f"{SECRET}2")
    file = tmp_path / "key"
    file.write_text(f"{SECRET}3\n")
    file.chmod(0o600)
    keys = [ROUTER, Upstream("b", URL, key_env="OTHER"), Upstream("c", URL, key_file=file)]
    assert [key_of(one) for one in keys] == [f"{SECRET}{end}".encode() for end in ("", "2", "3")]
    assert key_of(Upstream("d", "https://host/v1")) is None
    assert SECRET not in repr(keys)


def test_a_key_that_is_none_is_refused_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    file = tmp_path / "key"
    for text, mode, message in (
        (SECRET, 0o640, "others can read"),
        (f"{SECRET} {SECRET}", 0o600, "there is no key"),
        ("", 0o600, "there is no key"),
        (f"{SECRET}\r\nevil: x", 0o600, "there is no key"),
    ):
        file.write_text(text)
        file.chmod(mode)
        with pytest.raises(ConfigError, match=message) as error:
            key_of(Upstream("c", URL, key_file=file))
        assert SECRET not in str(error.value)
    with pytest.raises(ConfigError, match="OPENROUTER_API_KEY"):
        key_of(ROUTER)


def test_the_store_of_this_machine_is_in_memory() -> None:
    """What is searched in a folder would be searched in the instance, which opens none."""
    assert trusting(ROUTER).cert_store_stats()["x509_ca"] > 10


def test_a_store_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "gone.pem"):
        with pytest.raises(ConfigError, match=name):
            trusting(Upstream("a", URL, ca=tmp_path / name))


def sent(body: dict[str, Any], upstream: Upstream = ROUTER) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(outgoing({"model": "z-ai/glm-4.7", **body}, upstream))
    return found


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ({}, {"data_collection": "deny", "zdr": True}),
        ({"provider": None}, {"data_collection": "deny", "zdr": True}),
        ({"provider": {"zdr": None, "order": ["a"]}}, {"data_collection": "deny", "zdr": True, "order": ["a"]}),
        ({"provider": {"zdr": True, "only": ["b"]}}, {"data_collection": "deny", "zdr": True, "only": ["b"]}),
    ],
)
def test_openrouter_is_told_that_nobody_may_keep_it(asked: dict[str, Any], goes: dict[str, Any]) -> None:
    assert sent(asked)["provider"] == goes


LOOSER: list[tuple[dict[str, Any], str]] = [
    ({"provider": {"zdr": False}}, "provider.zdr"),
    ({"provider": {"zdr": "false"}}, "provider.zdr"),
    ({"provider": {"data_collection": "allow"}}, "provider.data_collection"),
    ({"models": ["another"]}, "models"),
    ({"plugins": [{"id": "web"}]}, "plugins"),
    ({"preset": "mine"}, "preset"),
    ({"web_search_options": {"x": 1}}, "web_search_options"),
    ({"tools": [{"type": "openrouter:web_search"}]}, "tools"),
    ({"tools": "x"}, "tools"),
]


@pytest.mark.parametrize(("asked", "param"), LOOSER)
def test_a_caller_may_not_ask_for_less(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as error:
        sent(asked)
    assert (error.value.status, error.value.param) == (400, param)


@pytest.mark.parametrize(("asked", "_param"), LOOSER)
def test_unless_the_operator_allows_it(asked: dict[str, Any], _param: str) -> None:
    found = sent(asked, Upstream("a", URL, loosen=True))
    assert found["provider"] == {"data_collection": "deny", "zdr": True} | asked.get("provider", {})


def test_who_is_not_openrouter_is_told_nothing_of_it() -> None:
    found = sent({"provider": {"x": 1}, "noghost": {"path": True}}, Upstream("a", "https://host/v1", "theirs"))
    assert found == {"model": "theirs", "provider": {"x": 1}}


def test_a_number_that_is_none_does_not_leave() -> None:
    with pytest.raises(RequestError, match="a number"):
        outgoing({"x": float("nan")}, ROUTER)
