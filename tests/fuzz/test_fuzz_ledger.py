"""Receipts, proofs, checkpoints, notes, entries and whole ledger directories with something in them changed.

What is read is what was written, or there is a LedgerError; what was changed never verifies.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.effort import effort
from fuzz.mutation import mutated, mutated_text
from ledger.samples import VECTORS, birth, end, fill, number_id
from noghost.client import receipts
from noghost.errors import LedgerError
from noghost.ledger import checkpoint, entry, note
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.keys import Signer, Verifier
from noghost.ledger.proof import Proof
from noghost.ledger.receipt import Consistency, Receipt
from noghost.ledger.store import Ledger

HALF = "\ud800"
VKEY = json.loads((VECTORS / "index.json").read_text())["vkey"]
GOOD = {path.name: path.read_bytes().decode() for path in sorted((VECTORS / "good").glob("*.txt"))}
GROWN = Receipt.parse(GOOD["grown.txt"])
OPENED = GROWN.items[0]
NOTE = GROWN.checkpoint
SIGNER = Signer("noghost.local/fuzz", bytes(range(32)))
# Everything that is read as a text: the text, how it is read, and how what was read is written.
FORMS: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]] = {
    "receipt": (GOOD["grown.txt"], Receipt.parse, Receipt.render),
    "entry": (OPENED.text, entry.parse, entry.render),
    "end": (GROWN.items[1].text, entry.parse, entry.render),
    "proof": (OPENED.proof.render(), Proof.parse, Proof.render),
    "checkpoint": (note.split(NOTE)[0], Checkpoint.parse, Checkpoint.render),
    "verifier": (VKEY, Verifier.parse, Verifier.render),
    "signer": (SIGNER.render(), Signer.parse, Signer.render),
}
if GROWN.consistency:
    FORMS["consistency"] = (GROWN.consistency.render(), Consistency.parse, Consistency.render)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_a_text_is_read_as_it_stands_or_refused(name: str) -> None:
    good, parse, render = FORMS[name]

    @effort(250)
    @given(text=st.one_of(mutated_text(good), st.text(max_size=200)))
    @example(text=good)
    @example(text=good[:-1])
    @example(text=good + HALF)
    @example(text=good.replace(" ", f" {HALF}"))
    def read(text: str) -> None:
        try:
            found = parse(text)
        except LedgerError:
            return
        assert render(found) == text

    read()


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_a_receipt_that_was_changed_never_verifies(name: str) -> None:
    good = GOOD[name]
    whole = {good, *(good.partition(f"=== {end}")[0] for end in ("consistency", "closed", "lost"))}

    @effort(150)
    @given(text=mutated_text(good, most=2).filter(lambda text: text not in whole))
    @example(text=good + HALF)
    @example(text=good.replace("vkey ", f"vkey {HALF}"))
    def verify(text: str) -> None:
        with pytest.raises(LedgerError):
            Receipt.parse(text).verify(VKEY)

    verify()


@effort(300)
@given(text=mutated_text(NOTE, most=2))
@example(text=NOTE + HALF)
@example(text=HALF + NOTE)
def test_a_note_that_was_changed_has_another_text_or_is_refused(text: str) -> None:
    verifier = Verifier.parse(VKEY)
    try:
        found = checkpoint.verify(text, verifier)
    except LedgerError:
        return
    assert found == checkpoint.verify(NOTE, verifier)


@effort(200)
@given(data=mutated(GOOD["grown.txt"].encode()))
def test_a_receipt_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "receipt.txt"
    path.write_bytes(data)
    try:
        receipts.read_receipt(path)
    except LedgerError:
        return


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a full bundle, tiles of two levels, a tail, and a checkpoint over all of it."""
    path = tmp_path_factory.mktemp("whole") / "ledger"
    with Ledger.open(path) as ledger:
        fill(ledger, 300)
        ledger.append(end(7))
        ledger.append(end(299))
        ledger.checkpoint()
        assert ledger.recover_lost("2026-03-01T14:06Z") == 298
        ledger.append(birth(1000))
        ledger.checkpoint()
    return path


def use(path: Path, seen: Path) -> list[entry.Entry]:
    """Everything that is done with a ledger directory; its entries."""
    with Ledger.open(path) as ledger:
        entries = list(ledger.entries())
        ledger.verify_all()
        ledger.receipt(number_id(7)).verify(ledger.vkey)
        ledger.find(number_id(299))
        receipts.check_ledger(ledger, seen)
        receipts.list_rows(entries)
        ledger.unmatched()
        ledger.append(birth(2000))
        ledger.sync()
        receipts.verify_id(ledger, number_id(2000), seen)
        ledger.recover_lost("2026-03-01T14:07Z")
        return entries


@pytest.mark.slow
@effort(150)
@given(data=st.data())
def test_a_ledger_that_was_changed_is_refused_or_the_same(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    right = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file() and path.stat().st_size]
    home = tmp_path_factory.mktemp("changed")
    copy, seen = home / "ledger", home / "seen"
    shutil.copytree(whole, copy)
    known = use_copy_once(whole, home)
    file = copy / data.draw(st.sampled_from(right))
    match data.draw(st.integers(0, 5)):
        case 0:
            file.unlink()
        case 1:
            file.unlink()
            file.mkdir()
        case _:
            file.write_bytes(data.draw(mutated(file.read_bytes(), most=2)))
    try:
        assert use(copy, seen) == known
    except LedgerError:
        pass
    finally:
        shutil.rmtree(home)


def use_copy_once(whole: Path, home: Path) -> list[entry.Entry]:
    """The entries of the ledger as it was."""
    copy = home / "right"
    shutil.copytree(whole, copy)
    with Ledger.open(copy) as ledger:
        return list(ledger.entries())


@pytest.mark.slow
@effort(150)
@given(data=st.data())
def test_what_was_seen_and_was_changed_is_refused_or_believed_anew(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    home = tmp_path_factory.mktemp("seen")
    with Ledger.open(whole) as ledger:
        receipts.verify_id(ledger, number_id(7), home)
        file = data.draw(st.sampled_from(sorted(path for path in home.iterdir() if path.stat().st_size)))
        file.write_bytes(data.draw(mutated(file.read_bytes(), most=2)))
        try:
            receipts.verify_id(ledger, number_id(7), home)
        except LedgerError:
            pass
        finally:
            shutil.rmtree(home)
