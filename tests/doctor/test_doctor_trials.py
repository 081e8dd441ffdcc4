"""The trials against the real kernel: each says yes where it can be done, and no where a filter refuses it.

The filters stand in for hosts that cannot: a container's seccomp profile refuses in the same way.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import shutil
import signal
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import bpf
from doctor.made_up import host
from instance.forked import in_child as forked
from noghost.doctor import trials
from noghost.doctor.caller import RULES, look_at_audit
from noghost.doctor.child import Tried, in_child
from noghost.doctor.facts import gather
from noghost.doctor.files import Files
from noghost.doctor.finding import State
from noghost.doctor.life import Pages, a_life, see_end, see_own_pages, zero_pages
from noghost.errors import HostError
from noghost.reaper.trace import Windows
from noghost.reaper.wipe import own_runs, steps_of, verify

X86 = platform.machine() == "x86_64"
CALLS = {
    "prctl": 157 if X86 else 167,
    "seccomp": 317 if X86 else 277,
    "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446,
    "unshare": 272 if X86 else 97,
    "mlockall": 151 if X86 else 230,
    "capset": 126 if X86 else 91,
    "pwrite64": 18 if X86 else 68,
}
REFUSE = bpf.ERRNO | errno.EPERM
PRETEND = bpf.ERRNO  # the call does nothing and answers 0
NOBODY = 65534


def under(action: int, call: str, trial: Callable[[], Tried]) -> Tried:
    """What a trial comes to in a process in which one system call gets `action`."""

    def look() -> list[object]:
        bpf.NUMBERS.update(CALLS)
        bpf.install(action, call)
        tried = trial()
        return [tried.value, tried.why]

    value, why = forked(look)
    return Tried(value, why)


# --- a life, traced and wiped ---------------------------------------------------------------------------------


def test_a_life_is_traced_and_its_pages_are_known_and_zeroed() -> None:
    assert a_life(see_end) == Tried(1)
    own, zeroed = a_life(see_own_pages), a_life(zero_pages)
    assert own.done
    assert zeroed.done
    assert own.value >= os.sysconf("SC_PAGE_SIZE")
    assert zeroed.value >= os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("look", [see_end, see_own_pages, zero_pages])
def test_without_ptrace_nothing_of_it_can_be_done(look: Callable[[Windows, Pages], int]) -> None:
    tried = under(REFUSE, "ptrace", lambda: a_life(look))
    assert not tried.done
    assert "may not trace" in tried.why


def test_a_wipe_that_may_not_write_is_told() -> None:
    assert "could not be zeroed" in under(REFUSE, "pwrite64", lambda: a_life(zero_pages)).why


def test_a_wipe_that_writes_nothing_is_found() -> None:
    """The mutant: the pages are read back, not believed."""
    tried = a_life(lambda windows, _pages: sum(verify(windows.mem, step) for step in steps_of(own_runs(windows))))
    assert "not zero" in tried.why


def test_a_page_map_that_tells_the_wrong_page_is_found() -> None:
    """The mutant: the page that was written and the one that was not are taken for each other."""
    tried = a_life(lambda windows, pages: see_own_pages(windows, Pages(pages.left, pages.written)))
    assert "does not tell" in tried.why


# --- what confines --------------------------------------------------------------------------------------------


def test_seccomp_is_tried() -> None:
    assert in_child(trials.filter_calls) == Tried(1)
    assert under(REFUSE, "prctl", lambda: in_child(trials.filter_calls)).why == "Operation not permitted"
    assert "does not refuse" in under(PRETEND, "prctl", lambda: in_child(trials.filter_calls)).why


def test_counting_is_tried() -> None:
    assert in_child(trials.hear_refusals) == Tried(1)
    assert under(REFUSE, "seccomp", lambda: in_child(trials.hear_refusals)).why == "Operation not permitted"


def test_a_second_listener_is_refused_by_the_kernel() -> None:
    """As in a container whose own profile has one."""

    def look() -> str:
        trials.hear_refusals()
        return in_child(trials.hear_refusals).why

    assert forked(look) == os.strerror(errno.EBUSY)


def test_landlock_is_tried() -> None:
    tried = in_child(trials.refuse_paths)
    if not tried.done:
        assert tried.why in (os.strerror(errno.ENOSYS), os.strerror(errno.EOPNOTSUPP))
        pytest.skip("this kernel has no Landlock")
    assert tried.value >= 1
    refused = under(REFUSE, "landlock_create_ruleset", lambda: in_child(trials.refuse_paths))
    assert refused == Tried(why="Operation not permitted")
    pretended = under(PRETEND, "landlock_restrict_self", lambda: in_child(trials.refuse_paths))
    assert "does not refuse" in pretended.why


def test_a_network_namespace_is_tried() -> None:
    tried = in_child(trials.leave_network)
    assert tried.value in ((1, 2) if tried.done else (0,))
    assert under(REFUSE, "unshare", lambda: in_child(trials.leave_network)).why == "Operation not permitted"
    if len(os.listdir("/sys/class/net")) > 1:  # noqa: PTH208  names
        assert "still has interfaces" in under(PRETEND, "unshare", lambda: in_child(trials.leave_network)).why


def test_locking_is_refused_to_a_process_with_a_limit_and_no_capability() -> None:
    def look() -> str:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        trials.checked(trials._libc.capset(struct.pack("=Ii", trials.CAPABILITIES_V3, 0), bytes(24)))
        return in_child(trials.lock_memory).why

    assert forked(look) in (os.strerror(errno.EPERM), os.strerror(errno.ENOMEM))


def test_locking_by_a_capability_does_not_outlast_it() -> None:
    """What an instance would find at its next mapping. The control: where nothing is dropped it goes on."""

    def look() -> list[str]:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
        dropped = in_child(trials.lock_memory).why
        bpf.NUMBERS.update(CALLS)
        bpf.install(PRETEND, "capset")
        return [dropped, in_child(trials.lock_memory).why]

    if not capable(14):  # CAP_IPC_LOCK
        pytest.skip("needs CAP_IPC_LOCK")
    if capable(24):  # CAP_SYS_RESOURCE raises the limit, and then nothing is refused
        assert in_child(trials.lock_memory).done
    else:
        assert forked(look) == [os.strerror(errno.EAGAIN), ""]


def capable(capability: int) -> bool:
    return gather().capable(capability)


# --- the child that tries -------------------------------------------------------------------------------------


def test_a_trial_that_the_kernel_ends_is_told() -> None:
    killed = under(bpf.KILL_PROCESS, "landlock_create_ruleset", lambda: in_child(trials.refuse_paths))
    assert killed == Tried(why="it ended without an answer")


@pytest.mark.slow
def test_a_trial_that_does_not_end_is_ended() -> None:
    reading, writing = os.pipe()

    def hang() -> int:
        os.write(writing, b"%d" % os.getpid())
        signal.pause()
        return 1

    assert in_child(hang, limit_s=1) == Tried(why="no answer within 1 s")
    pid = int(os.read(reading, 32))
    os.close(reading)
    os.close(writing)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_trial_that_goes_wrong_is_told_and_nothing_of_the_parent_runs_on() -> None:
    def host_error() -> int:
        raise HostError("it is not there")

    def surprise() -> int:
        raise RuntimeError

    assert in_child(host_error) == Tried(why="it is not there")
    assert in_child(surprise) == Tried(why="it ended without an answer")


def test_trials_leave_nothing_behind(tmp_path: Path) -> None:
    """No child, no descriptor, no change of this process."""

    def look() -> list[object]:
        def state() -> list[object]:
            status = Path("/proc/self/status").read_text().splitlines()
            kept = ("NoNewPrivs", "Seccomp:", "CapEff", "TracerPid")
            return [[line for line in status if line.startswith(kept)], len(list(Path("/proc/self/fd").iterdir()))]

        before = state()
        from noghost.doctor.checks import try_all

        try_all()
        after = state()
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return [before, after]
        raise AssertionError("a child is left")

    before, after = forked(look)
    assert before == after


# --- looking --------------------------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for closed in folder.glob("etc/*"):
        closed.chmod(0o755)
    shutil.rmtree(folder)


def test_audit_rules_that_may_not_be_read_are_not_taken_for_none(open_folder: Path) -> None:
    facts = host(open_folder, {RULES: "-a always,exit -S execve\n"})
    assert look_at_audit(facts).state is State.WEAK, "the control: where they may be read"
    (open_folder / RULES).parent.chmod(0)

    def look() -> list[object]:
        with suppress(PermissionError):  # without CAP_SETUID, root's files are closed to this process as well
            os.setuid(NOBODY)
        seen = look_at_audit(facts)
        return [seen.state.value, seen.facts["audit_records_commands"], Files(open_folder).hidden("etc/none")]

    assert forked(look) == ["info", None, False]


def test_merging_is_what_the_kernel_says_of_this_process() -> None:
    def look() -> list[bool]:
        before = gather().merges_pages
        ctypes.CDLL(None).prctl(67, 1, 0, 0, 0)  # PR_SET_MEMORY_MERGE
        return [before, gather().merges_pages]

    before, after = forked(look)
    if not after:
        pytest.skip("this kernel has no PR_SET_MEMORY_MERGE, or does not let us")
    assert not before
