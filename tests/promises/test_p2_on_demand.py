"""P2 gone, for an instance that loaded its model itself: by every page, however it ends.

Control and mutant are those of test_p2_gone.py: the canary is there before the wipe, and without the wipe after it.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noghost.weights.find import find
from promises.talking import Call, say
from promises.test_p2_gone import PROMPT, receipt_of, report_on, the_instance, watched
from running import Service, wait_for

pytestmark = pytest.mark.slow


def on_demand(home: Path, wipe: str) -> Iterator[Service]:
    copy = shutil.copy(find().path, home.with_name(f"{home.name}.gguf"))
    yield from watched(home, wipe, WITNESS_ON_DEMAND=str(copy))


@pytest.fixture(scope="module")
def wiping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from on_demand(tmp_path_factory.mktemp("demand") / "on", "on")


@pytest.fixture(scope="module")
def mutant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from on_demand(tmp_path_factory.mktemp("demand") / "off", "off")


def talk(service: Service) -> tuple[Call, int]:
    """An answer under way that does not end by itself, and its instance."""
    wait_for(lambda: not service.instances(), 10, "no other instance")
    call = say(service, PROMPT, model=service_s_own(service), stream=True, ignore_eos=True, max_tokens=1500)
    call.read_until(b'"delta":{"content":')
    return call, the_instance(service)


def service_s_own(service: Service) -> str:
    """The name of the model on demand."""
    return service.home.name


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (lambda call, _pid: call.connection.close(), "disconnected"),
        (lambda _call, pid: os.kill(pid, signal.SIGKILL), "killed"),
        (lambda _call, pid: os.kill(pid, signal.SIGSEGV), "crashed"),
    ],
)
def test_every_page_is_zero(wiping: Service, end: Callable[[Call, int], None], outcome: str) -> None:
    call, pid = talk(wiping)
    with call:
        end(call, pid)
        found = report_on(wiping, pid)
        assert found["before"] > 0, "the control: it was there"
        assert found["after"] == 0
        ended = receipt_of(wiping, call.invocation)
    assert (ended["outcome"], ended["wipe"]) == (outcome, "verified")


def test_without_the_wipe_the_canary_is_found(mutant: Service) -> None:
    call, pid = talk(mutant)
    with call:
        os.kill(pid, signal.SIGKILL)
        assert report_on(mutant, pid)["after"] > 0
