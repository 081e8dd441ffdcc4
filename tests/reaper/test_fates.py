"""The last few ends: bounded in number and age, found by their key alone."""

from __future__ import annotations

import socket

import pytest

from noghost.messages import Answer, Follow, Open, Outcome, Wipe
from noghost.reaper import fates
from noghost.reaper.fates import Fates
from noghost.reaper.lives import Life


def ended(digest: bytes, *, opened: bool = True) -> Life:
    """One that has ended."""
    life = Life(1, socket.socket(), wants=Open(digest[:16], 0, False, bytes(32)), opened=opened, wipe=Wipe.VERIFIED)
    life.line.close()
    life.follow = Follow(digest, 1, 2)
    return life


def digest(number: int) -> bytes:
    return number.to_bytes(32)


def test_so_many_are_kept_and_no_more() -> None:
    kept = Fates()
    for number in range(fates.MOST + 1):
        kept.end(ended(digest(number)), Outcome.ANSWERED)
    assert kept.find(digest(0)).answer == Answer.NOT_FOUND, "the oldest went"
    assert kept.find(digest(1)).invocation == digest(1)[:16]
    assert kept.find(digest(fates.MOST)).answer == Answer.YES


def test_one_that_is_old_is_told_to_nobody_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Fates()
    kept.end(ended(digest(1)), Outcome.ANSWERED)
    assert kept.find(digest(1)).answer == Answer.YES, "control"
    monkeypatch.setattr(fates, "KEPT_NS", 0)
    kept.end(ended(digest(2), opened=False), Outcome.ANSWERED)
    monkeypatch.undo()
    assert kept.find(digest(1)).answer == Answer.NOT_FOUND
    assert kept.find(digest(2)).answer == Answer.NOT_FOUND, "it computed nothing"


def test_of_two_with_one_key_the_newer_is_told() -> None:
    kept = Fates()
    for outcome in (Outcome.ANSWERED, Outcome.KILLED):
        kept.end(ended(digest(1)), outcome)
    assert kept.find(digest(1)).outcome == Outcome.KILLED
