"""Receipts collected from real ledgers: one history each, and what a node's receipts say about it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ledger.samples import MINUTE, birth, end, number_id
from noghost.client.batch.collecting import Collected, Collector
from noghost.client.batch.node import Answer
from noghost.client.bundle import read_bundle, verify_all
from noghost.client.verification import Trust
from noghost.errors import BatchError, HuntError, LedgerError, VerificationError
from noghost.ledger.receipt import HEADER
from noghost.ledger.store import Ledger

pytestmark = pytest.mark.slow

BORN_S = datetime.fromisoformat(MINUTE).timestamp()
WEIGHTS = {"default": birth(0).weights}


class Kept:
    """A node whose answers are in a ledger; it answers no more."""

    def __init__(self, ledger: Ledger) -> None:
        self.name = ledger.path.name
        self.ledger = ledger

    def models(self) -> dict[str, str]:
        return WEIGHTS

    def ask(self, url: str, body: bytes) -> Answer:
        raise HuntError("it answers no more")

    def get(self, path: str) -> bytes:
        parts = urlsplit(path)
        since = int(parse_qs(parts.query).get("since", ["0"])[0])
        try:
            return self.ledger.receipt(parts.path.rpartition("/")[2], since or None).render().encode()
        except LedgerError:
            raise HuntError("404") from None

    def close(self) -> None:
        self.ledger.close()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Kept]]:
    """Two, each with five invocations under checkpoints of their own."""
    found = [Kept(Ledger.open(tmp_path / name)) for name in ("a", "b")]
    for at, node in enumerate(found):
        for number in range(10 * at, 10 * at + 5):
            node.ledger.append(birth(number))
            node.ledger.append(end(number))
            node.ledger.checkpoint()
    yield found
    for node in found:
        node.close()


def collected(path: Path, node: Kept, numbers: range, *, now_s: float = BORN_S, resume: bool = True) -> list[str]:
    """What was wrong."""
    into = Collected.open(path, resume=resume)
    collector = Collector(node, into, WEIGHTS)
    for number in numbers:
        collector.want(number_id(number), "default", now_s)
    collector.finish()
    into.file.close()
    return collector.faults


def test_two_logs_in_one_file_each_with_one_history(nodes: list[Kept], tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    assert collected(out, nodes[0], range(3), resume=False) == []
    assert collected(out, nodes[1], range(10, 15)) == []
    assert collected(out, nodes[0], range(3, 5)) == []
    verified = verify_all(read_bundle(out), Trust(tmp_path / "seen"))
    assert len(verified) == 10
    assert len({one.vkey for one in verified}) == 2
    assert {one.since for one in verified} <= {"first", "same", "proved"}, "none is unchecked"


def test_a_log_that_was_rewritten_meanwhile_does_not_hold(nodes: list[Kept], tmp_path: Path) -> None:
    """The same key, another history: its receipts hold one by one, and not together."""
    out = tmp_path / "bundle"
    collected(out, nodes[0], range(2), resume=False)
    (tmp_path / "other").mkdir(mode=0o700)
    shutil.copy(tmp_path / "a" / "key", tmp_path / "other")
    with Ledger.open(tmp_path / "other") as ledger:
        for number in range(60, 70):
            ledger.append(birth(number))
        collected(tmp_path / "alone", Kept(ledger), range(60, 61), resume=False)
        assert verify_all(read_bundle(tmp_path / "alone"), Trust(tmp_path / "control"))
        collected(out, Kept(ledger), range(60, 61))
    with pytest.raises(VerificationError, match="receipt 3 of the file"):
        verify_all(read_bundle(out), Trust(tmp_path / "seen"))


def test_a_clock_that_is_off_and_weights_that_are_others_are_told(nodes: list[Kept], tmp_path: Path) -> None:
    off = collected(tmp_path / "one", nodes[0], range(3), now_s=BORN_S + 3600, resume=False)
    assert off == ["the clock of a is off by about -60 min, and its ledger with it"]
    assert len(read_bundle(tmp_path / "one")) == 3, "they are kept all the same"
    nodes[0].ledger.append(birth(5))
    alive = collected(tmp_path / "alive", nodes[0], range(5, 6), now_s=BORN_S + 3600, resume=False)
    assert alive == [], "one that is not yet recorded as ended may have lived so long"
    into = Collected.open(tmp_path / "two", resume=False)
    collector = Collector(nodes[0], into, {"default": "99" * 32})
    collector.want(number_id(1), "default", BORN_S)
    collector.finish()
    assert collector.faults == [f"a answered for default with other weights than it listed: {WEIGHTS['default']}"]


def test_a_bundle_that_was_cut_goes_on_with_what_is_whole(nodes: list[Kept], tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    collected(out, nodes[0], range(3), resume=False)
    text = out.read_text()
    out.write_text(text[: text.rindex(HEADER) + 300])
    into = Collected.open(out, resume=True)
    assert into.ids == {number_id(0), number_id(1)}
    into.file.close()
    assert collected(out, nodes[0], range(2, 3)) == []
    assert len(read_bundle(out)) == 3
    with pytest.raises(BatchError, match="already"):
        Collected.open(out, resume=False)
