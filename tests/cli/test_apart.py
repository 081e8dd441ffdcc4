"""What a command knows apart is wiped with the process that knew it."""

from __future__ import annotations

import os
import signal

import pytest

from noghost.cli import apart as module
from noghost.cli.apart import NOT_WIPED, apart
from noghost.client.hunt import count_in_fd, needles_for, regions_of
from noghost.errors import HostError, HuntError, RequestError
from noghost.reaper.trace import Windows
from noghost.reaper.wipe import Wiped, read_all, wipe

Seen = list[int]


def secret(name: str) -> str:
    """Made only where it is needed, and another one for each test: this process must not have it when it forks."""
    return "".join(f"{name}-{word}-" for word in reversed(("yard", "lift", "8841", "bow", "bucket", "9903")))


def know(name: str) -> str:
    """Hold a secret until the end of the process."""
    know.kept = [secret(name) * 3, secret(name).encode()]  # type: ignore[attr-defined]
    return "a report"


def look(windows: Windows, name: str) -> int:
    regions = regions_of(read_all(windows.maps).decode())
    needles = needles_for(secret(name))
    return len(count_in_fd(windows.mem, regions, needles, pagemap_fd=windows.pagemap))


@pytest.mark.parametrize("really", [True, False], ids=["wiped", "mutant"])
def test_what_it_knew_is_wiped(monkeypatch: pytest.MonkeyPatch, really: bool) -> None:
    name = "first" if really else "second"
    seen: Seen = []

    def look_wipe_look(windows: Windows) -> Wiped:
        seen.append(look(windows, name))
        wiped = wipe(windows) if really else Wiped(0, 0)
        seen.append(look(windows, name))
        return wiped

    monkeypatch.setattr(module, "wipe", look_wipe_look)
    assert apart(lambda: know(name)) == ("a report", "")
    before, after = seen
    assert before > 0, "control: it is there before"
    assert (after == 0) is really


def test_an_error_of_ours_comes_back_with_its_hint() -> None:
    def fail() -> str:
        raise HuntError("no such process: 4711", "give the pid of a running server")

    with pytest.raises(HuntError, match="no such process: 4711") as raised:
        apart(fail)
    assert raised.value.hint == "give the pid of a running server"


def test_another_error_comes_back_without_its_words() -> None:
    def fail() -> str:
        raise ValueError("the secret words")

    with pytest.raises(HuntError, match="ValueError") as raised:
        apart(fail)
    assert "secret" not in str(raised.value)


def test_a_death_is_told() -> None:
    def die() -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    with pytest.raises(HuntError, match="died"):
        apart(die)


def test_a_host_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> Windows:
        raise HostError("refused")

    monkeypatch.setattr(module.trace, "attach", refuse)
    assert apart(lambda: "a report") == ("a report", NOT_WIPED)


def test_its_own_errors_are_of_our_tree() -> None:
    def fail() -> str:
        raise RequestError("a request was wrong")

    with pytest.raises(HuntError, match="a request was wrong"):
        apart(fail)
