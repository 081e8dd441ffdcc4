"""What a service of one protocol has of the other: nothing; and what its rehearsal leaves behind: nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from noghost.api.wyoming.rehearse import TALKS, TIMES, rehearse
from noghost.config import Limits
from noghost.messages import Outcome

IMPORTED = """
import sys
from noghost.api.spoken import spoken_by
from noghost.config import Config
spoken_by(Config(voice={wyoming}, wyoming={wyoming}), (), None, None)
print(*(name for name in ("noghost.api.wyoming", "wyoming", "uvicorn", "numpy") if name in sys.modules))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wyoming", "there"),
    [(False, "uvicorn"), (True, "noghost.api.wyoming")],
)
def test_neither_imports_what_only_the_other_needs(wyoming: bool, there: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(wyoming=wyoming)], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == [there]


@pytest.mark.filterwarnings("ignore:There is no current event loop")
def test_a_rehearsal_ends_every_talk_with_an_error_and_leaves_nothing() -> None:
    before, threads = descriptors(), threading.active_count()
    assert rehearse(Limits()) == [Outcome.REFUSED] * (TIMES * len(TALKS))
    assert (descriptors(), threading.active_count()) == (before, threads)


def descriptors() -> set[str]:
    """The process's own."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}
