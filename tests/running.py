"""Run a real service in a process of its own, with directories of its own; stopped by its process id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

READY_S = 60.0
STOP_S = 30.0
# noghost's own interpreter, where the tests run in another: the clients' (tests/clients/installed.py).
PYTHON = str(Path(os.environ.get("NOGHOST_PYTHON", sys.executable)).absolute())
SERVE = (PYTHON, "-m", "noghost.cli.main", "serve")


@dataclass
class Service:
    """A running `noghost serve`."""

    process: subprocess.Popen[str]
    url: str
    home: Path  # its XDG data directory, and where its log lies
    env: dict[str, str] = field(repr=False)

    @property
    def pid(self) -> int:
        """The warden's."""
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def fingerprint(self) -> str:
        """Of its certificate, as it printed it: SHA-256."""
        found = wait_for(
            lambda: re.search(r"^certificate sha256 (\S+)$", (self.home / "stdout").read_text(), re.MULTILINE),
            READY_S,
            "the fingerprint",
        )
        assert isinstance(found, re.Match)
        return str(found[1])

    @property
    def reaper_pid(self) -> int:
        """The warden's child that says it is the reaper."""
        return next(pid for pid in children(self.pid) if title(pid) == "noghost: reaper")

    @property
    def connector_pid(self) -> int:
        """The warden's child that connects with upstreams."""
        return next(pid for pid in children(self.pid) if title(pid) == "noghost: connector")

    @property
    def ledger(self) -> Path:
        return self.home / "noghost" / "ledger"

    @property
    def log(self) -> str:
        return (self.home / "stderr").read_text()

    def instances(self) -> list[int]:
        """Instances alive now, zombies not counted."""
        others = ("noghost: reaper", "noghost: connector", "noghost: ear", "noghost: mouth")
        return [pid for pid in children(self.pid) if title(pid) not in others and state(pid) not in ("Z", "")]

    def noghost(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run another command with this service's directories."""
        command = [PYTHON, "-m", "noghost.cli.main", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, **options)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@contextmanager
def running(
    home: Path, *arguments: str, command: tuple[str, ...] = SERVE, env: dict[str, str] | None = None
) -> Iterator[Service]:
    """A service on a free loopback port, ready to answer."""
    home.mkdir(parents=True, exist_ok=True)
    environment = private_environment(home) | (env or {})
    with (home / "stdout").open("w") as out, (home / "stderr").open("w") as err:
        process = subprocess.Popen(
            [*command, "--port", "0", *arguments], stdout=out, stderr=err, text=True, env=environment
        )
    try:
        found = wait_for(lambda: ready_line(home, process), READY_S, "the service to be ready")
        yield Service(process, found, home, environment)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def private_environment(home: Path) -> dict[str, str]:
    """This environment with the directories of `home`."""
    return os.environ | {"XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


def ready_line(home: Path, process: subprocess.Popen[str]) -> str | None:
    """The address, once it stands in the output; an error with the log when the process has ended."""
    if found := re.search(r"^listening on (\S+)$", (home / "stdout").read_text(), re.MULTILINE):
        return found[1]
    if process.poll() is not None:
        raise AssertionError(f"the service ended with {process.returncode}: {(home / 'stderr').read_text()}")
    return None


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> object:
    """The first true value of `condition`; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"waited {seconds} s for {what}")


def children(pid: int) -> list[int]:
    """Live children of a process, zombies included."""
    everybody = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [one for one in everybody if parent(one) == pid]


def parent(pid: int) -> int:
    fields = stat_fields(pid)
    return int(fields[1]) if fields else 0


def state(pid: int) -> str:
    """R, S, t, Z …; empty when there is no such process."""
    fields = stat_fields(pid)
    return fields[0] if fields else ""


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def title(pid: int) -> str:
    """The process title as ps shows it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def private_bytes(pid: int) -> int:
    """Anonymous memory that is this process's alone; mapped files are the page cache's, not counted."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(kb) for kb in re.findall(r"^Private_Dirty: +(\d+) kB", text, re.MULTILINE))
