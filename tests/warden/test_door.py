"""The door: TCP addresses, Unix sockets, and what is never replaced."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from noghost.client.reach import open_client
from noghost.config import Config, Tls
from noghost.errors import ConfigError
from noghost.warden.door import open_door
from running import SERVE, Service, private_environment, running

PARIS: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a socket may be."""
    return tmp_path / "socket"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_address_is_a_url() -> None:
    for config, scheme in ((Config(port=0), "http"), (Config(port=0, tls=Tls()), "https")):
        door = open_door(config)
        assert door.address == f"{scheme}://127.0.0.1:{door.listener.getsockname()[1]}"
        door.close()


def test_an_address_of_ipv6_is_in_brackets() -> None:
    door = open_door(Config(host="::1", port=0))
    assert door.address.startswith("http://[::1]:")
    door.close()


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_only_the_owner_reaches_a_unix_socket_whatever_the_umask(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        door = open_door(Config(unix=place))
        assert os.umask(umask) == umask, "it is put back"
    finally:
        os.umask(before)
    assert mode(place) == 0o600
    assert door.address == f"unix:{place}"
    door.close()


def test_it_is_gone_at_the_end(place: Path) -> None:
    door = open_door(Config(unix=place))
    door.close()
    assert not place.exists()


def test_a_socket_that_took_its_place_stays(place: Path) -> None:
    door = open_door(Config(unix=place))
    place.unlink()
    with listening(place):
        door.close()
        assert place.exists()


def listening(path: Path) -> socket.socket:
    """Somebody else's."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_the_socket_of_a_service_that_is_gone_is_replaced(place: Path) -> None:
    listening(place).close()
    assert place.exists()
    open_door(Config(unix=place)).close()


def test_a_service_that_listens_is_left_alone(place: Path) -> None:
    with listening(place), pytest.raises(ConfigError, match="a service listens there"):
        open_door(Config(unix=place))
    assert place.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to a socket"])
def test_anything_else_is_left_alone(place: Path, kind: str) -> None:
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        target = place.with_name("target")
        if kind == "link to a socket":
            listening(target).close()
        place.symlink_to(target)
    before = place.lstat()
    with pytest.raises(ConfigError, match="no socket"):
        open_door(Config(unix=place))
    assert (place.lstat().st_ino, place.lstat().st_mode) == (before.st_ino, before.st_mode)


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        open_door(Config(unix=tmp_path / "none" / "socket"))
    with pytest.raises(ConfigError, match="cannot listen") as refused:
        open_door(Config(unix=tmp_path / ("x" * 120)))
    assert "107 bytes" in refused.value.hint


@pytest.fixture(scope="module")
def on_unix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path]]:
    home = tmp_path_factory.mktemp("unix")
    with running(home, "--unix", str(home / "door")) as found:
        yield found, home / "door"


@pytest.mark.slow
def test_openais_client_over_a_unix_socket(on_unix: tuple[Service, Path]) -> None:
    service, path = on_unix
    assert service.url == f"unix:{path}"
    assert mode(path) == 0o600
    transport = httpx.HTTPTransport(uds=str(path))
    with (
        httpx.Client(transport=transport) as http,
        OpenAI(base_url="http://localhost/v1", api_key="none", max_retries=0, http_client=http) as client,
    ):
        asked: dict[str, Any] = {"model": "default", "messages": PARIS, "temperature": 0, "max_tokens": 16}
        whole = client.chat.completions.create(**asked)
        assert whole.choices[0].message.content == "The capital of France is Paris."
        chunks = list(client.chat.completions.create(**asked, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content


@pytest.mark.slow
def test_a_second_service_does_not_start_there(on_unix: tuple[Service, Path], tmp_path: Path) -> None:
    _, path = on_unix
    done = subprocess.run(
        [*SERVE, "--unix", str(path)], env=private_environment(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "a service listens there" in done.stderr


@pytest.mark.slow
def test_killed_and_started_again_with_tls(tmp_path: Path) -> None:
    path = tmp_path / "door"
    with running(tmp_path, "--unix", str(path)) as killed:
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
    assert path.exists()
    with running(tmp_path, "--unix", str(path), "--tls") as service:
        with open_client(service.url, fingerprint=service.fingerprint) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
        assert service.stop() == 0
    assert not path.exists()
