"""Sockets that another process opened: the protocol of sd_listen_fds(3), and systemd's own tool."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from noghost.config import Config
from noghost.errors import ConfigError
from noghost.warden.activation import config_at, take_over
from promises.talking import Call
from running import SERVE, private_environment, wait_for

ACTIVATE = shutil.which("systemd-socket-activate")
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
# Its first argument is the descriptor to hand over as 3, the next LISTEN_PID ("self": its own), then LISTEN_FDS.
HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); pid = sys.argv[2].replace('self', str(os.getpid()));"
    "os.environ |= {'LISTEN_PID': pid, 'LISTEN_FDS': sys.argv[3]}; os.execv(sys.argv[4], sys.argv[4:])"
)


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A socket as a supervisor would open it."""
    with socket.create_server((host, 0)) as found:
        yield found


def start(
    home: Path,
    handed: socket.socket,
    *arguments: str,
    pid: str = "self",
    count: str = "1",
    command: Sequence[str] = SERVE,
) -> subprocess.Popen[str]:
    """`noghost serve` with a socket handed over."""
    command = [sys.executable, "-c", HAND_OVER, str(handed.fileno()), pid, count, *command, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = private_environment(home)
    return subprocess.Popen(command, env=env, text=True, pass_fds=(handed.fileno(),), **pipes)  # type: ignore[call-overload, no-any-return]


def get(port: int) -> bytes:
    """The answer to a request that needs no model."""
    with socket.create_connection(("127.0.0.1", port), 60) as caller:
        caller.sendall(GET)
        return Call(caller).read_all()


@pytest.mark.slow
def test_a_service_at_a_socket_that_was_handed_over_answers_and_ends_when_idle(tmp_path: Path) -> None:
    with listening() as supervisor:
        port = supervisor.getsockname()[1]
        for _ in range(2):
            process = start(tmp_path, supervisor, "--idle-exit", "0.3", "--context", "512")
            assert b"200 OK" in get(port)
            told, log = process.communicate(timeout=60)
            assert (process.returncode, told) == (0, f"listening on http://127.0.0.1:{port}\n"), log
            assert not Path(f"/proc/{process.pid}").exists()


@pytest.mark.slow
def test_a_socket_for_another_process_is_left_alone(tmp_path: Path) -> None:
    with listening() as supervisor:
        process = start(tmp_path, supervisor, "--port", "0", "--context", "512", pid="1")
        assert process.stdout is not None
        address = process.stdout.readline()
        assert address.startswith("listening on")
        assert not address.endswith(f":{supervisor.getsockname()[1]}\n")
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["datagram", "connection", "two", "file", "reachable"])
def test_anything_else_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    with (
        listening("0.0.0.0" if kind == "reachable" else "127.0.0.1") as supervisor,
        {
            "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "connection": lambda: socket.create_connection(("127.0.0.1", supervisor.getsockname()[1])),
            "file": lambda: (tmp_path / "file").open("w"),
        }.get(kind, supervisor.dup)() as handed,
    ):
        process = start(tmp_path, handed, count="2" if kind == "two" else "1")
        _, log = process.communicate(timeout=60)
    words = {"two": "handed 2 sockets", "file": "no socket", "reachable": "no TLS on 0.0.0.0"}
    assert process.returncode == 1
    assert words.get(kind, "no stream socket that listens") in log
    assert "hint: " in log


def test_the_words_of_the_protocol_are_not_passed_on() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "HOME": "/"}
    assert take_over(environment) is None
    assert environment == {"HOME": "/"}


def test_what_is_taken_over_is_like_a_socket_of_our_own() -> None:
    with listening() as supervisor:
        handed = os.dup(supervisor.fileno())
        taken = take_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, first=handed)
        assert taken is not None
        with taken:
            assert (taken.fileno(), taken.proto, taken.getblocking(), taken.get_inheritable()) == (
                handed,
                0,
                False,
                False,
            )
            assert config_at(Config(host="127.0.0.2"), taken).port == supervisor.getsockname()[1]


def test_its_real_address_decides_what_is_asked_for() -> None:
    with listening("0.0.0.0") as supervisor, pytest.raises(ConfigError, match=r"no TLS on 0\.0\.0\.0"):
        config_at(Config(), supervisor)


@pytest.mark.slow
@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not installed")
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_with_systemds_own_tool(tmp_path: Path, unix: bool) -> None:
    """It starts the service at the first connection, in its own place; that connection is answered."""
    assert ACTIVATE is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = str(tmp_path / "socket") if unix else f"127.0.0.1:{port}"
    passed = [
        f"-E{name}"
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "PYTHONPATH", "PATH")
        if name in os.environ | private_environment(tmp_path)
    ]
    command = [ACTIVATE, "-l", where, *passed, *SERVE, "--idle-exit", "0.3", "--context", "512"]
    process = subprocess.Popen(
        command, env=private_environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    family, address = (socket.AF_UNIX, where) if unix else (socket.AF_INET, ("127.0.0.1", port))
    with socket.socket(family) as caller:
        caller.settimeout(60)
        wait_for(lambda: caller.connect_ex(address) == 0, 30, "systemd-socket-activate to listen")
        caller.sendall(GET)
        assert b"200 OK" in Call(caller).read_all()
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
