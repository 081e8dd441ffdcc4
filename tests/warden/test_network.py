"""The warden leaves the host's network with its door open: as root, and as anybody."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from instance.forked import in_child
from noghost.warden.network import leave_network, unshare_network, unshare_with_user, works_in_a_child

PR_GET_DUMPABLE = 3
WAYS: tuple[Callable[[], None], ...] = (unshare_network, unshare_with_user)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_in_reach_from_inside_and_callers_still_come_in(way: Callable[[], None]) -> None:
    if not works_in_a_child(way):
        pytest.skip("this host does not allow it to this user")
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as caller:

        def leave() -> dict[str, object]:
            before = reach(door.getsockname())
            way()
            accepted, _ = door.accept()
            heard = accepted.recv(8).decode()
            return {"before": before, "inside": reach(door.getsockname()), "has": interfaces(), "heard": heard}

        caller.sendall(b"hello")
        assert in_child(leave) == {"before": "reached", "inside": "unreachable", "has": ["lo"], "heard": "hello"}


def test_a_user_namespace_leaves_no_right_and_no_other_user_behind() -> None:
    """The reaper must be able to trace what is in it, and an instance gains nothing by it."""
    if not works_in_a_child(unshare_with_user):
        pytest.skip("this host does not allow user namespaces to this user")

    def enter() -> list[object]:
        before = [os.geteuid(), os.getegid()]
        unshare_with_user()
        capabilities = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapE")]
        dumpable = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
        return [before == [os.geteuid(), os.getegid()], capabilities, dumpable]

    assert in_child(enter) == [True, ["CapEff:\t0000000000000000"], 1]


def test_a_way_that_fails_in_the_child_is_not_taken() -> None:
    def fails() -> None:
        raise PermissionError

    before = Path("/proc/self/ns/net").readlink()
    assert not works_in_a_child(fails)
    assert Path("/proc/self/ns/net").readlink() == before


def test_the_service_is_told_whether_it_has_left() -> None:
    def leave() -> list[object]:
        before = str(Path("/proc/self/ns/net").readlink())
        left = leave_network()
        return [left, str(Path("/proc/self/ns/net").readlink()) != before]

    left, moved = in_child(leave)
    assert left == moved


def interfaces() -> list[str]:
    return [line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]]


def reach(address: tuple[str, int]) -> str:
    with socket.socket() as caller:
        try:
            caller.connect(address)
        except OSError:
            return "unreachable"
    return "reached"
