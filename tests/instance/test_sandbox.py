"""Every step of the confinement does what it says, and a step that fails ends the instance."""

from __future__ import annotations

import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from instance.forked import in_child
from noghost.errors import HostError
from noghost.instance import sandbox
from noghost.instance.sandbox import Bounds, confine


def bounds(*keep: int, silent: bool = True, deadline_s: int = 60) -> Bounds:
    return Bounds(keep, silent, os.getppid(), deadline_s)


def status_field(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name))


def test_no_new_privileges() -> None:
    def look() -> list[str]:
        before = status_field("NoNewPrivs")
        sandbox.refuse_privileges(bounds())
        return [before, status_field("NoNewPrivs")]

    assert in_child(look) == ["0", "1"]


def test_undumpable_means_that_proc_is_not_ours() -> None:
    def look() -> int:
        sandbox.be_undumpable(bounds())
        return int(sandbox._libc.prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE

    assert in_child(look) == 0


def test_no_core() -> None:
    def look() -> list[int]:
        sandbox.refuse_core(bounds())
        return list(resource.getrlimit(resource.RLIMIT_CORE))

    assert in_child(look) == [0, 0]


def test_only_the_kept_descriptors_stay_open() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        kept, other = socket.socketpair()
        sandbox.close_descriptors(bounds(kept.fileno(), writing))
        os.write(writing, b"%d%d" % (is_open(kept.fileno()), is_open(other.fileno())))
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 16) == b"10"
    os.close(reading)
    os.waitpid(pid, 0)


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_streams_of_a_served_instance_go_nowhere() -> None:
    def look() -> list[str]:
        sandbox.silence_streams(bounds(silent=True))
        return [str(Path(f"/proc/self/fd/{stream}").readlink()) for stream in (0, 1, 2)]

    assert in_child(look) == ["/dev/null"] * 3


def test_the_deadline_is_a_signal_that_nothing_catches() -> None:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        sandbox.keep_deadline(bounds(deadline_s=1))
        while True:
            pass
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGALRM


def test_an_instance_whose_warden_has_gone_ends_at_once() -> None:
    pid = os.fork()
    if pid == 0:
        sandbox.die_with_the_warden(Bounds((), True, 1, 60))  # not our parent: the warden died before the call
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_step_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_bounds: Bounds) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(sandbox, "STEPS", (refuse,))
    with pytest.raises(HostError, match="confinement failed at refuse"):
        confine(bounds())
