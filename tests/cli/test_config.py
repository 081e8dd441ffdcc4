"""`noghost config show` and `check`, and `serve` with a mistake: which setting wins, and where it came from."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.test_serve import fail_to_start
from noghost.cli.config import config
from noghost.cli.settings import effective
from noghost.config import Config
from noghost.errors import ConfigError
from noghost.settings import KEYS
from running import running

SECRET = "ng_canary_0123456789"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests."""
    for name in ("NOGHOST_CONFIG", *(key.variable for key in KEYS)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def run(*arguments: str) -> str:
    done = CliRunner().invoke(config, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def shown(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("show", "--json", *arguments))
    return found


def file(folder: Path, text: str) -> str:
    (folder / "noghost.toml").write_text(text)
    return str(folder / "noghost.toml")


def test_without_a_word_the_defaults_are_those_of_the_service() -> None:
    assert effective(None).config == Config()
    assert {one["source"] for name, one in shown().items() if not name.endswith("_in_file")} == {"default"}


def test_flags_go_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(
        tmp_path, "seats = 1\nthreads = 1\ncontext = 512\ntls = true\n[limit]\nqueue = 1\nsilent = 1\nunheard = 1"
    )
    for name, value in {
        "THREADS": "2",
        "CONTEXT": "1024",
        "LIMIT_SILENT": "2",
        "LIMIT_UNHEARD": "2",
        "PORT": "",
    }.items():
        monkeypatch.setenv(f"NOGHOST_{name}", value)
    found = shown("--config", path, "--context", "2048", "--limit", "unheard=3", "--no-tls")
    assert {name: (one["value"], one["source"]) for name, one in found.items() if name in LAYERED} == {
        "seats": (1, f"{path}:1"),
        "threads": (2, "NOGHOST_THREADS"),
        "context": (2048, "--context"),
        "tls": (False, "--tls"),
        "limit.queue": (1, f"{path}:6"),
        "limit.silent": (2, "NOGHOST_LIMIT_SILENT"),
        "limit.unheard": (3, "--limit unheard"),
        "port": (8462, "default"),
    }


LAYERED = {"seats", "threads", "context", "tls", "limit.queue", "limit.silent", "limit.unheard", "port"}


def test_every_key_has_a_variable_that_sets_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = {bool: "yes", int: "77", float: "77", str: "a, b", Path: str(tmp_path / "x")}
    left_out = {
        "host",
        "template",
        "upstream",
        "metrics",
        "otlp",
        "ear",
        "mouth",
    }  # "a, b" is no address, no template, no upstream and no voice; with idle_exit no metrics
    for key in KEYS:
        if key.name not in left_out:
            monkeypatch.setenv(key.variable, texts[key.kind])
    found = shown()
    assert {name for name, one in found.items() if one == [] or one["source"] == "default"} == {
        "host",
        "template",
        "upstream",
        "metrics",
        "otlp",
        "ear",
        "mouth",
        "templates_in_file",
        "upstreams_in_file",
    }
    assert found["without"]["value"] == ["a", "b"]
    assert found["idle_exit"]["value"] == 77.0


def test_the_text_is_a_file_that_sets_the_same(tmp_path: Path) -> None:
    flags = ("--limit", "request_s=2.5", "--model", 'a "b"', "--model", "ü", "--unix", "socket", "--allow-host", "x")
    text = run("show", *flags)
    again = run("show", "--config", file(tmp_path, text))
    assert tomllib.loads(again) == tomllib.loads(text)
    assert effective(tmp_path / "noghost.toml").config.limits.request_s == 2.5


def test_what_is_decided_at_start_is_shown_as_it_was_decided() -> None:
    decided = {name: shown("--host", "0.0.0.0", "--tls")[name]["value"] for name in ("keys", "pad")}
    assert decided == {"keys": True, "pad": True}
    assert shown()["keys"]["value"] is False
    assert shown()["seats"]["value"] == effective(None).config.most_seats > 0


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key.pem").write_text(SECRET)
    (tmp_path / "system.txt").write_text(SECRET)
    monkeypatch.setenv("NOGHOST_API_KEY", SECRET)
    path = file(tmp_path, 'tls_key = "key.pem"\ntls_cert = "key.pem"\n[[template]]\nname = "t"\nsystem = "system.txt"')
    for arguments in (("show",), ("show", "--json")):
        text = run(*arguments, "--config", path)
        assert SECRET not in text
        assert f"{path}:3" in text, "control: the template is named"
    for variable in ("NOGHOST_KEYS", "NOGHOST_PORT", "NOGHOST_LIMIT_QUEUE"):
        monkeypatch.setenv(variable, SECRET)
        with pytest.raises(ConfigError, match=variable) as told:
            effective(None)
        assert SECRET not in str(told.value)
        monkeypatch.delenv(variable)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\nports = 1", ":2: unknown key `ports`; did you mean `port`?"),
        ("\n\nport = 70000", ":3: port is 70000"),
        ("[limit]\nqueue = 0", ":2: limit.queue is 0"),
        ('host = "0.0.0.0"', ":1: no TLS on 0.0.0.0"),
        ('\ntls_cert = "a"', ":2: only one of certificate and key"),
        ("context = 1", ":1: context is 1"),
        ('\nmetrics = "9464"', ":2: metrics is no address"),
        ('metrics = "localhost:65536"', ":1: metrics is no address"),
        ('metrics = "localhost:1"\nidle_exit = 5', ":1: there are no metrics of a service that --idle-exit ends"),
        ('otlp = "http://localhost:4318"', ":1: otlp pushes the metrics, and this service has none"),
        ('otlp = "http://a:b@localhost"\nmetrics = "localhost:1"', ":1: otlp is no address of a collector"),
        ("otlp_interval = 0", ":1: otlp_interval is 0"),
        ("tls = true\nidle_exit = 5", ":2: a self-signed certificate ends with the service"),
    ],
)
def test_check_names_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        run("check", path)
    assert str(told.value).startswith(path + says)
    assert told.value.hint


def test_check_of_what_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("check", file(tmp_path, "port = 1")) == f"ok: {tmp_path / 'noghost.toml'}\n"
    assert run("check") == "ok: the environment\n"
    monkeypatch.setenv("NOGHOST_CONFIG", file(tmp_path, "ports = 1"))
    with pytest.raises(ConfigError, match="toml:1"):
        run("check")


@pytest.mark.slow
def test_serve_with_a_mistake_says_the_same(tmp_path: Path) -> None:
    path = file(tmp_path, "# mine\nseets = 1")
    assert f"{path}:2: unknown key `seets`; did you mean `seats`?" in fail_to_start(tmp_path, "--config", path)
    done = fail_to_start(tmp_path, "--config", file(tmp_path, "seats = 1000"))
    assert f"{path}:1: seats is 1000" in done


@pytest.mark.slow
def test_serve_does_what_file_and_environment_say(tmp_path: Path) -> None:
    path = file(tmp_path, "context = 512\nport = 1\n[limit]\ninstances = 5")
    env = {"NOGHOST_CONFIG": path, "NOGHOST_UNIX": str(tmp_path / "socket")}
    with running(tmp_path / "home", env=env) as service:
        assert service.url == f"unix:{tmp_path / 'socket'}"
        models = service.noghost("config", "show", "--json").stdout
        assert json.loads(models)["context"] == {"value": 512, "source": f"{path}:1"}
