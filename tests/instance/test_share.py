"""How many threads to compute with, while what computed before is wiped."""

from __future__ import annotations

from threading import Thread

import pytest

from noghost.board import Board
from noghost.instance import share
from noghost.instance.share import Share
from noghost.reaper.lives import Life
from noghost.reaper.stopped import Stopped


def test_a_wipe_of_what_computed_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "WIPE_LOOKS_S", (0.001,) * 60_000)
    board, found = Board(), list[int]()
    board.write_wiping(1)
    asking = Thread(target=lambda: found.append(Share(1, board).threads() + Share(2, board).threads()), daemon=True)
    asking.start()
    asking.join(0.3)
    assert asking.is_alive()
    board.write_wiping(0)
    asking.join(30)
    assert found in ([2], [3]), "one, and one or two"


def test_not_for_ever_and_not_by_who_has_no_second_core() -> None:
    board = Board()
    board.write_wiping(1)
    assert Share(2, board).threads() in (1, 2)
    board.write_taken(2)
    assert Share(2, board).threads() == 1


def test_only_what_computed_is_told_of() -> None:
    board = Board()
    stopped = Stopped(board)
    computed, refused = (Life(pid, None, opened=opened) for pid, opened in ((1, True), (2, False)))  # type: ignore[arg-type]
    stopped.add(refused)
    assert (len(stopped), board.wiping()) == (1, 0)
    stopped.add(computed)
    assert (stopped.first, board.wiping()) == (refused, 1)
    stopped.leave()
    assert (stopped.first, board.wiping()) == (computed, 1)
    stopped.leave()
    assert (len(stopped), board.wiping()) == (0, 0)
