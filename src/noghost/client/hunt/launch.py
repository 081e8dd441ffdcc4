"""Start `noghost serve` for one command, in a session and in folders of its own, and stop it by its pid."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from noghost.errors import HuntError

_START_S = 120.0
_STOP_S = 10.0
_POLL_S = 0.05
PDEATHSIG = 1  # PR_SET_PDEATHSIG of linux/prctl.h
_READY = "listening on "


@dataclass(frozen=True, slots=True)
class Launched:
    """A server that belongs to the command: its address, the root of its processes, its folder."""

    url: str
    pid: int
    folder: Path


@contextlib.contextmanager
def own_server(
    arguments: tuple[str, ...] = (), *, own_data: bool = True, ends_with_us: bool = False
) -> Iterator[Launched]:
    """Run `noghost serve --port 0` and yield it once it listens; raises HuntError if it does not.

    Its data, its temporary files and its output are under one folder, which is searched and then removed. Without
    `own_data` its ledger and its models are the caller's. `ends_with_us`: SIGTERM comes to it when the thread that
    called this is gone, as in a process that may be killed.
    """
    command = [sys.executable, "-m", "noghost.cli.main", "serve", "--port", "0", *arguments]
    with tempfile.TemporaryDirectory(prefix="noghost-hunt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        prctl = ctypes.CDLL(None).prctl
        with (folder / "output").open("wb") as output:
            server = subprocess.Popen(  # noqa: S603  our own command
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment(folder, own_data),
                start_new_session=True,
                # One call of C, which takes no lock that another thread could hold.
                preexec_fn=partial(prctl, PDEATHSIG, signal.SIGTERM) if ends_with_us else None,  # noqa: PLW1509
            )  # fmt: skip
        try:
            yield Launched(_wait_until_ready(server, folder / "output"), server.pid, folder)
        finally:
            _stop(server)


@contextlib.contextmanager
def own_service(options: tuple[str, ...], *, own_data: bool = True, ends_with_us: bool = False) -> Iterator[str]:
    """The same on a Unix socket that nobody else can reach; its URL. The HuntError says how to see why it failed."""
    with tempfile.TemporaryDirectory(prefix="noghost-own-") as folder, contextlib.ExitStack() as running:
        socket = ("--unix", str(Path(folder) / "socket"))
        try:
            launched = running.enter_context(
                own_server((*options, *socket), own_data=own_data, ends_with_us=ends_with_us)
            )
        except HuntError:
            hint = f"see why: {shlex.join(('noghost', 'serve', *options))}"
            raise HuntError("`noghost serve` did not start", hint) from None
        yield launched.url


def _environment(folder: Path, own_data: bool) -> dict[str, str]:
    own = {"TMPDIR": folder / "tmp"}
    if own_data:
        own |= {"XDG_DATA_HOME": folder / "data", "XDG_CACHE_HOME": folder / "cache"}
    for path in own.values():
        path.mkdir(mode=0o700)
    return os.environ | {key: str(path) for key, path in own.items()} | {"PYTHONUNBUFFERED": "1"}


def _wait_until_ready(server: subprocess.Popen[bytes], output: Path) -> str:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and server.poll() is None:
        for line in output.read_text(errors="replace").splitlines():
            if _READY in line:
                return line.split(_READY, 1)[1].split()[0]
        time.sleep(_POLL_S)
    raise HuntError("`noghost serve` did not start", "run it in another shell to see why, then give --url and --pid")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the process to end; what is left of its session after that is ended by force."""
    server.terminate()
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
