"""`noghost keys`, and where `noghost serve` wants one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.config import Config, Tls
from noghost.errors import ConfigError
from noghost.keys.key import KEY
from running import SERVE, private_environment


def keys(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noghost.cli.main", "keys", *arguments]
    return subprocess.run(command, env=private_environment(home), capture_output=True, text=True, timeout=60)


def fail(home: Path, *arguments: str) -> str:
    """What it says when it fails; never a traceback, nothing on standard output."""
    done = keys(home, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "hint: " in done.stderr
    return done.stderr


def test_a_key_goes_to_standard_output_alone(tmp_path: Path) -> None:
    done = keys(tmp_path, "add", "Anna's laptop")
    assert done.returncode == 0
    key = done.stdout.removesuffix("\n")
    assert KEY.fullmatch(key)
    assert "Anna's laptop" in done.stderr
    assert key[12:] not in done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert all(key[12:] not in path.read_text() for path in written)
    assert stat.S_IMODE((tmp_path / "noghost").stat().st_mode) == 0o700


def test_list_and_revoke(tmp_path: Path) -> None:
    assert json.loads(keys(tmp_path, "list", "--json").stdout) == []
    made = [keys(tmp_path, "add", name).stdout for name in ("one", "two", "three")]
    listed = json.loads(keys(tmp_path, "list", "--json").stdout)
    assert [entry["name"] for entry in listed] == ["one", "two", "three"]
    assert [entry["id"] for entry in listed] == [key[3:11] for key in made]
    assert all(set(entry) == {"id", "name", "created"} for entry in listed)
    assert keys(tmp_path, "revoke", "two").returncode == 0
    assert keys(tmp_path, "revoke", listed[2]["id"]).returncode == 0
    table = keys(tmp_path, "list").stdout
    assert [line.split()[-1] for line in table.splitlines()] == ["NAME", "one"]
    assert not any(key[12:].strip() in table for key in made)


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    keys(tmp_path, "add", "one")
    assert "already" in fail(tmp_path, "add", "one")
    assert "no key has that id or name" in fail(tmp_path, "revoke", "two")
    assert "printable" in fail(tmp_path, "add", "a\tb")
    path = tmp_path / "noghost" / "keys" / "hashes"
    path.write_bytes(b"\xff" + path.read_bytes())
    for arguments in (("list",), ("add", "two"), ("revoke", "one")):
        assert f"line 1 of {path}" in fail(tmp_path, *arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot" in fail(tmp_path, "add", "one")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--keys",), "noghost keys add NAME"),
        (("--host", "0.0.0.0", "--insecure"), "noghost keys add NAME"),
        (("--host", "0.0.0.0", "--no-keys"), "--insecure"),
    ],
)
def test_a_service_that_should_ask_and_cannot_does_not_start(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    command = [*SERVE, "--port", "0", *arguments]
    done = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_nobody_is_asked_unless_said(host: str) -> None:
    assert not Config(host=host).reachable
    assert not Config(host=host).asks_keys
    assert Config(host=host, keys=True).asks_keys


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "", "example.org", "127.1"])
def test_elsewhere_everybody_is_asked_unless_both_are_said(host: str) -> None:
    assert Config(host=host, insecure=True).reachable
    assert Config(host=host, insecure=True).asks_keys
    assert not Config(host=host, insecure=True, keys=False).asks_keys
    with pytest.raises(ConfigError, match="no API keys"):
        Config(host=host, tls=Tls(), keys=False)
    assert Config(host=host, tls=Tls()).asks_keys


def test_a_unix_socket_is_not_reached_by_others() -> None:
    assert not Config(host="0.0.0.0", unix=Path("/run/noghost")).asks_keys
