"""Where the faults strike: a service that is started again when it has ended, its disk, and the load on it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from faults.host import empty_disk
from faults.load import Load, Said
from running import SERVE, Service, children, running, state, wait_for

END_S = 20.0  # after warden or reaper was killed: until nothing of the service is left
WAIT_S = 30.0
SEATS = 4
CONTEXT_TOKENS = 1024


@dataclass
class Field:
    """One run. `violations` is what must stay empty."""

    home: Path
    load: Load
    env: dict[str, str]
    sync_flag: Path
    command: tuple[str, ...] = SERVE
    impossible: dict[str, str] = field(default_factory=dict)  # what this host cannot do: why
    violations: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    starts: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)
    _service: Service | None = None

    @property
    def service(self) -> Service:
        assert self._service is not None
        return self._service

    @property
    def service_runs(self) -> bool:
        return self._service is not None and self._service.process.poll() is None

    @property
    def disk(self) -> Path:
        """The folder whose disk can be filled: the data directory, with the ledger."""
        return self.home / "noghost"

    def start(self) -> None:
        """As a supervisor does: on the same ledger. Raises AssertionError with the log when it does not start."""
        arguments = ("--seats", str(SEATS), "--context", str(CONTEXT_TOKENS))
        self._stack = ExitStack()
        self._service = self._stack.enter_context(running(self.home, *arguments, command=self.command, env=self.env))
        self.starts += 1
        self.load.resume(self.service.port)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        status = self.service.stop()
        self.await_end("a stop")
        return status

    def await_end(self, after: str) -> None:
        """Warden, reaper and every instance are gone within seconds; keep the log."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self.service.process.poll() is not None, END_S, "the warden to end")
        try:
            wait_for(lambda: not self.orphans(), END_S, "the orphans to end")
        except AssertionError:
            self.violations.append(f"{after}: {len(self.orphans())} processes are left after {END_S} s")
            for pid in self.orphans():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.service.process.kill()
        self._stack.close()
        self.logs.append(self.service.log)

    def orphans(self) -> list[int]:
        """Descendants that outlived the warden: they became children of this process. Zombies are buried."""
        alive = [pid for pid in children(os.getpid()) if pid != self.service.pid]
        for pid in alive:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return [pid for pid in alive if state(pid)]

    def an_instance(self, chance: random.Random) -> int | None:
        """One that is alive; None when there is none for a while."""
        with contextlib.suppress(AssertionError, StopIteration):
            found = wait_for(self.service.instances, WAIT_S, "an instance")
            assert isinstance(found, list)
            return int(chance.choice(sorted(found)))
        return None

    def probe(self, kind: str = "completion", seconds: float = WAIT_S) -> Said:
        """Ask until it is answered with 200; the last answer, whatever it was."""
        deadline = time.monotonic() + seconds
        while True:
            said = self.load.once(kind, random.Random(0))
            if said.status == 200 or time.monotonic() > deadline:
                return said
            time.sleep(0.02)

    def must_serve(self, after: str, kind: str = "completion") -> None:
        """The same service, without a new start, answers again."""
        if self.probe(kind).status != 200:
            self.violations.append(f"{after}: the service does not answer any more")
        if self.service.process.poll() is not None:
            self.violations.append(f"{after}: the service has ended with {self.service.process.poll()}")

    def must_refuse(self, after: str) -> None:
        """A birth is refused: 503, with Retry-After, soon. Nothing else is an answer now."""
        deadline = time.monotonic() + WAIT_S
        said = self.load.once("completion", random.Random(1))
        while said.status != 503 and time.monotonic() < deadline:
            said = self.load.once("completion", random.Random(1))
        if said.status != 503 or not said.retry_after:
            self.violations.append(f"{after}: a birth was not refused with 503 and Retry-After, but {said.status}")

    def note_checkpoint(self) -> None:
        """Remember what the service has signed."""
        with contextlib.suppress(FileNotFoundError):
            note = (self.disk / "ledger" / "checkpoint").read_text()
            if note and note not in self.checkpoints[-1:]:
                self.checkpoints.append(note)

    def at_rest(self) -> None:
        """No request, no instance: one that outlives its caller is a violation, and killed."""
        self.load.pause()
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not self.service.instances(), WAIT_S, "every instance to end")
        for pid in self.service.instances():
            self.violations.append(f"an instance outlives its caller by {WAIT_S} s: {' '.join(where(pid))}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.service.instances(), WAIT_S, "the killed instances to end")

    def lost_said(self) -> int:
        """How many births the starts have said to be lost."""
        return sum(int(number) for log in self.all_logs() for number in re.findall(r"noghost: lost: count=(\d+)", log))

    def failed_wipes(self) -> int:
        """How many wipes the reapers have said to have failed."""
        return sum(log.count("noghost: wipe_failed:") for log in self.all_logs())

    def all_logs(self) -> list[str]:
        """Of every start; that of one that has ended is there already."""
        return [*self.logs, *([self.service.log] if self.service_runs else [])]

    def heal(self) -> None:
        """Whatever the last fault was, the disk works now."""
        self.sync_flag.unlink(missing_ok=True)
        empty_disk(self.disk)


def where(pid: int) -> list[str]:
    """Of each thread of a process: its state, and what in the kernel it waits for."""
    found = []
    with contextlib.suppress(OSError):
        for task in sorted(Path(f"/proc/{pid}/task").iterdir()):
            letter = (task / "stat").read_text().rpartition(")")[2].split()[0]
            found.append(f"{letter}:{(task / 'wchan').read_text()}")
    return found
