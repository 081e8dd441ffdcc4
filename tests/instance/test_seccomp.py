"""The filter of system calls: every number, every rule and every argument, in the kernel and by reading the program."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import platform
import signal
import struct
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from instance.forked import in_child
from noghost.errors import HostError
from noghost.instance import sandbox
from noghost.instance.calls import ALLOWED, LOADING, LOADING_TRIES, QUIET, SELF, Call, When
from noghost.instance.fitness import make_fences, trial, try_fences
from noghost.instance.sandbox import Fences
from noghost.instance.seccomp import (
    ALLOW,
    AND,
    AUDIT_ARCH,
    ERRNO,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    KILL_PROCESS,
    LOAD,
    NOTIFY,
    RETURN,
    Filter,
    assemble,
    number_of,
)

MACHINES = tuple(AUDIT_ARCH)
LAST_NUMBER = 470  # above the newest call
PID = 4242
PASSED_BY_THE_KERNEL = {335, 336}  # x86_64: uretprobe and uprobe skip every filter, and fail outside of a probe
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def confined(act: Callable[[], object]) -> object:
    """What `act` returns in a child behind the filter (refusals are not counted there)."""

    def behind() -> object:
        sandbox.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1)
        assemble(counted=False).install()
        return act()

    return in_child(behind)


def call(number: int, *arguments: int) -> int:
    """0, or the error, of a raw system call."""
    padded = [ctypes.c_long(value) for value in (*arguments, *[0] * (6 - len(arguments)))]
    return 0 if libc.syscall(ctypes.c_long(number), *padded) >= 0 else ctypes.get_errno()


def test_every_other_number_is_refused_by_the_kernel() -> None:
    listed = {number_of(one, platform.machine()) for one in (*ALLOWED, *(quiet for quiet, _ in QUIET))}
    listed |= PASSED_BY_THE_KERNEL
    others = [number for number in range(LAST_NUMBER) if number not in listed]

    def try_all() -> list[int]:
        return [number for number in others if call(number) != errno.EPERM]

    assert confined(try_all) == []
    assert len(others) > 300


@pytest.mark.parametrize("outward", [False, True])
def test_a_descriptor_can_be_taken_only_where_there_are_remote_models(outward: bool) -> None:
    def take() -> int:
        sandbox.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1)
        assemble(counted=False, outward=outward).install()
        return call({"x86_64": 47, "aarch64": 212}[platform.machine()], -1)

    assert in_child(take) == (errno.EBADF if outward else errno.EPERM)


def test_a_file_can_be_found_ones_way_in_and_mapped_only_where_models_are_on_demand() -> None:
    machine = platform.machine()
    bare, loading = assemble(counted=True), assemble(counted=True, loading=True)
    for one in LOADING:
        number = number_of(one, machine) or 0
        assert (action(bare, machine, number, fitting(one)), action(loading, machine, number, fitting(one))) == (
            NOTIFY,
            ALLOW,
        )
    for one in (call for calls, _ in LOADING_TRIES for call in calls):
        assert action(loading, machine, number_of(one, machine) or 0, fitting(one)) == NOTIFY


def test_without_the_filter_the_same_calls_do_something() -> None:
    """The positive control of the test above, with calls that do no harm."""
    for number in (39 if platform.machine() == "x86_64" else 172, 435):  # getpid, clone3 without arguments
        assert call(number) != errno.EPERM


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: os.open("/dev/null", os.O_RDONLY),
        lambda: os.stat("/"),  # noqa: PTH116
        os.fork,
        lambda: os.execv("/bin/true", ["true"]),
        lambda: os.memfd_create("x"),
        os.pipe,
        lambda: os.dup(1),
        lambda: os.kill(os.getpid(), signal.SIGTERM),
        lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
        lambda: sandbox.prctl(sandbox.PR_SET_DUMPABLE, 1),
        lambda: os.ftruncate(1, 0),
    ],
)
def test_python_is_told_that_it_may_not(attempt: Callable[[], object]) -> None:
    def try_it() -> str:
        try:
            attempt()
        except OSError as refused:
            return errno.errorcode[refused.errno or 0]
        return "done"

    assert confined(try_it) == "EPERM"


def test_what_an_answer_needs_goes_on_working() -> None:
    def work() -> list[str]:
        blocks = [bytes(100_000) for _ in range(300)]  # beyond what the heap has: brk is refused, mmap is not
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append("thread"))
        thread.start()
        thread.join()
        os.urandom(8)
        return [*seen, str(len(blocks))]

    assert confined(work) == ["thread", "300"]


def test_an_assertion_of_native_code_still_aborts() -> None:
    pid = os.fork()
    if pid == 0:
        faulthandler.disable()  # pytest's own handler
        sandbox.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1)
        sandbox.refuse_core(None)  # type: ignore[arg-type]  not used there
        assemble(counted=False).install()
        os.abort()
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT


# --- the program itself, for both architectures -----------------------------------------------------------------


def action(filter_: Filter, machine: str, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would do: classic BPF over struct seccomp_data, read as linux/filter.h defines it."""
    code = bytearray(filter_.code)
    for at in filter_.self_at:
        struct.pack_into("=I", code, at, PID)
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", number, AUDIT_ARCH[machine], 0, *padded)
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if operation == LOAD:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == AND:
            accumulator &= value
        elif operation == JUMP_EQUAL:
            at += if_true if accumulator == value else if_false
        elif operation == JUMP_AT_LEAST:
            at += if_true if accumulator >= value else if_false
        else:
            assert operation == RETURN
            return int(value)


def fitting(one: Call) -> tuple[int, ...]:
    arguments = [0] * 6
    for when in one.when:
        arguments[when.argument] = PID if when.value == SELF else when.value
    return tuple(arguments)


def spoiled(one: Call, when: When) -> list[tuple[int, ...]]:
    """The fitting arguments with each bit that `when` looks at turned over, the upper word's included."""
    looked_at = [bit for bit in range(64) if bit >= 32 or when.mask >> bit & 1]
    good = fitting(one)
    return [
        tuple(value ^ (1 << bit) if index == when.argument else value for index, value in enumerate(good))
        for bit in looked_at
    ]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("loading", [True, False])
def test_each_rule_allows_what_it_says_and_nothing_beside_it(machine: str, counted: bool, loading: bool) -> None:
    """Two rules of one call do not make a third together."""
    program = assemble(counted=counted, loading=loading, machine=machine)
    refused = NOTIFY if counted else ERRNO | errno.EPERM
    for one in (*ALLOWED, *(LOADING if loading else ())):
        number = number_of(one, machine)
        if number is None:
            continue
        assert action(program, machine, number, fitting(one)) == ALLOW, one.name
        for when in one.when:
            for bad in spoiled(one, when):
                assert action(program, machine, number, bad) == refused, (one.name, bad)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_that_is_not_listed_is_refused(machine: str) -> None:
    program = assemble(counted=True, machine=machine)
    listed = {number_of(one, machine) for one in ALLOWED} | {number_of(one, machine) for one, _ in QUIET}
    for number in range(4096):
        if number not in listed:
            assert action(program, machine, number) == NOTIFY
    for one, error in QUIET:
        assert action(program, machine, number_of(one, machine) or 0) == ERRNO | error


def test_calls_of_another_architecture_kill() -> None:
    program = assemble(counted=True, machine="x86_64")
    assert action(program, "aarch64", 63) == KILL_PROCESS
    assert action(program, "x86_64", 0x40000000) == KILL_PROCESS  # x32: the same numbers by another door


def test_a_rule_left_out_is_seen() -> None:
    """The mutant: a filter that also allows openat is told from ours."""
    program = assemble(counted=False)
    allowed_too = struct.pack("=HBBI", JUMP_EQUAL, 0, 1, 257) + struct.pack("=HBBI", RETURN, 0, 0, ALLOW)
    mutant = replace(program, code=program.code[: 6 * 8] + allowed_too + program.code[6 * 8 :])
    shifted = replace(mutant, self_at=tuple(at + len(allowed_too) for at in program.self_at))
    assert action(shifted, "x86_64", 257) == ALLOW
    assert action(program, "x86_64", 257) == ERRNO | errno.EPERM


def test_an_architecture_without_a_list_is_an_error() -> None:
    with pytest.raises(HostError, match="no list of system calls for riscv64"):
        assemble(counted=True, machine="riscv64")


# --- the trial at start -----------------------------------------------------------------------------------------


def test_this_host_passes_the_trial() -> None:
    fences = make_fences(())
    assert trial(fences) is None
    assert fences.paths is not None
    os.close(fences.paths)


def test_a_step_that_the_host_refuses_is_named_with_the_way_out() -> None:
    reading, writing = os.pipe()  # no ruleset of Landlock: the kernel refuses it
    os.close(reading)
    try:
        with pytest.raises(HostError, match="landlock failed") as raised:
            try_fences(Fences(None, writing, lock=False))
    finally:
        os.close(writing)
    assert "--without landlock" in raised.value.hint


def test_a_listener_in_the_way_is_named() -> None:
    """As in a container whose runtime has a listener of its own: the kernel takes one of them."""

    def start() -> str:
        sandbox.prctl(sandbox.PR_SET_NO_NEW_PRIVS, 1)
        allow_all = Filter(struct.pack("=HBBI", RETURN, 0, 0, ALLOW) + bytes(8), True, (12,))
        replace(allow_all, code=struct.pack("=HBBI", RETURN, 0, 0, ALLOW) * 2).install()
        try:
            try_fences(make_fences(()))
        except HostError as error:
            return str(error)
        return "passed"

    assert "--without counting" in str(in_child(start))
