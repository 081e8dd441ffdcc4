"""Whose socket it is: of real processes that listen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noghost.client.hunt.listener import listener
from noghost.errors import HuntError

# A parent that listens, and a child of it that holds the same sockets.
SERVER = """
import os, socket, sys, time
tcp = socket.create_server(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix.bind(sys.argv[1])
unix.listen()
read, write = os.pipe()
if os.fork() == 0:
    os.close(write)
    os.read(read, 1)
    os._exit(0)
print(tcp.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, str, Path]]:
    """(its pid, its port, its Unix socket)."""
    path = tmp_path / "socket"
    run = [sys.executable, "-c", SERVER, str(path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip(), path
        process.kill()


def test_the_parent_is_found_by_port_and_by_path(server: tuple[int, str, Path]) -> None:
    pid, port, path = server
    assert listener(f"http://127.0.0.1:{port}/v1") == pid
    assert listener(f"unix:{path}") == pid


def test_nobody_listens(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:1", f"unix:{tmp_path / 'none'}"):
        with pytest.raises(HuntError, match="no process of yours"):
            listener(url)
