"""Every step of the confinement does what it says, and a step that fails ends the instance."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from instance.forked import in_child
from noghost.errors import HostError
from noghost.instance import landlock, sandbox
from noghost.instance.fitness import may_lock
from noghost.instance.sandbox import Bounds, Fences, Step, confine

NO_FENCES = Fences(None, None, lock=False)


def bounds(*keep: int, silent: bool = True, deadline_s: int = 60, fences: Fences = NO_FENCES) -> Bounds:
    return Bounds(keep, silent, os.getppid(), deadline_s, 64 << 20, fences, lambda _listener: None)


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


@pytest.mark.slow
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
        sandbox.die_with_the_warden(replace(bounds(), warden_pid=1))  # not our parent: the warden died before the call
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_a_step_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_bounds: Bounds) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(sandbox, "STEPS", (Step("landlock", refuse, waivable=True),))
    with pytest.raises(HostError, match="landlock failed") as raised:
        confine(bounds())
    assert "--without landlock" in raised.value.hint


def test_no_capability_is_left() -> None:
    def look() -> list[int]:
        before = int(status_field("CapEff"), 16)
        sandbox.drop_capabilities(bounds())
        return [before, int(status_field("CapEff"), 16), int(status_field("CapPrm"), 16)]

    before, *after = in_child(look)
    assert after == [0, 0]
    assert before != 0 or os.geteuid() != 0  # control: root has them all


def test_an_instance_cannot_take_memory_without_end() -> None:
    def look() -> list[str]:
        before = take(128 << 20)
        sandbox.refuse_more_memory(bounds())
        return [before, take(128 << 20), take(16 << 20)]

    assert in_child(look) == ["taken", "refused", "taken"]


def take(count_bytes: int) -> str:
    try:
        bytearray(count_bytes)
    except MemoryError:
        return "refused"
    return "taken"


@pytest.mark.skipif(not may_lock(), reason="this user may not lock memory without limit")
def test_locked_memory_is_not_swappable() -> None:
    def look() -> list[int]:
        before = int(status_field("VmLck"))
        sandbox.lock_memory(bounds(fences=Fences(None, None, lock=True)))
        block = bytearray(1 << 20)
        return [before, int(status_field("VmLck")), len(block)]

    before, after, _ = in_child(look)
    assert before == 0
    assert after > 1024  # kB: address space that is locked once it is touched


@pytest.mark.skipif(not may_lock(), reason="this user may not lock memory without limit")
def test_a_locked_instance_can_still_take_memory_when_its_rights_are_gone() -> None:
    def look() -> int:
        lower_limit()
        locked = bounds(fences=Fences(None, None, lock=True))
        sandbox.lock_memory(locked)
        sandbox.drop_capabilities(locked)
        return len(mmap.mmap(-1, 64 << 20))

    assert in_child(look) == 64 << 20


def test_memory_is_not_locked_by_who_may_not() -> None:
    def look() -> bool:
        lower_limit()
        sandbox.keep_capabilities(0)
        return may_lock()

    assert in_child(look) is False


def test_a_right_that_is_dropped_after_the_lock_would_be_missed() -> None:
    """The control: with no right left and a limit, a further mapping is refused."""

    def look() -> str:
        lower_limit()
        sandbox.lock_memory(bounds(fences=Fences(None, None, lock=True)))
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))
        sandbox.keep_capabilities(0)
        try:
            mmap.mmap(-1, 64 << 20)
        except OSError as refused:
            return errno.errorcode[refused.errno or 0]
        return "mapped"

    if not may_lock():
        pytest.skip("this user may not lock memory without limit")
    assert in_child(look) == "EAGAIN"


def lower_limit() -> None:
    """As on most hosts: 8 MiB at most."""
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/status", "/dev/null", "/"])
def test_landlock_refuses_every_path(path: str) -> None:
    def look() -> list[bool]:
        sandbox.refuse_privileges(bounds())
        before = can_open(path)
        sandbox.refuse_paths(bounds(fences=Fences(None, landlock.refuse_everything(), lock=False)))
        return [before, can_open(path)]

    assert in_child(look) == [True, False]


def test_landlock_refuses_tcp_of_our_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def look() -> list[str]:
            sandbox.refuse_privileges(bounds())
            sandbox.refuse_paths(bounds(fences=Fences(None, landlock.refuse_everything(), lock=False)))
            refused = []
            for act in (lambda one: one.connect(listener.getsockname()), lambda one: one.bind(("127.0.0.1", 0))):
                try:
                    act(socket.socket())
                except PermissionError:
                    refused.append("refused")
            return refused

        socket.create_connection(listener.getsockname()).close()  # control
        if landlock.version() < 4:
            pytest.skip("this kernel's Landlock knows no TCP")
        assert in_child(look) == ["refused", "refused"]


def can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except PermissionError:
        return False
    return True
