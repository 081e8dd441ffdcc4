"""The store: what it writes, finds, signs and refuses."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

from ledger.processes import run_in_child
from ledger.samples import MINUTE, birth, end, fill, filled, number_id
from noghost.errors import LedgerError, ReceiptNotFound, VerificationError
from noghost.ledger import checkpoint, files, tree
from noghost.ledger.entry import Ended, render
from noghost.ledger.keys import Verifier
from noghost.ledger.store import Ledger
from noghost.ledger.tiles import Hashes, Tiles, index_path, join_record, split_hashes, split_records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def signed_size(ledger: Ledger) -> int:
    return checkpoint.verify(ledger.checkpoint(), Verifier.parse(ledger.vkey)).size


def rewrite_bundle(file: Path, position: int) -> None:
    """Change one entry of a bundle or tail to another well-formed one."""
    records, _ = split_records(file.read_bytes())
    records[position] = render(birth(999_999)).encode()
    file.write_bytes(b"".join(map(join_record, records)))


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 511, 512, 513, 700])
def test_the_root_is_that_of_the_entries(path: Path, count: int) -> None:
    frontier = tree.Frontier()
    for number in range(count):
        frontier = frontier.push(0, tree.leaf_hash(render(birth(number)).encode()))
    with filled(path, count) as ledger:
        audited = ledger.verify_all()
        signed = checkpoint.verify(ledger.checkpoint(), Verifier.parse(ledger.vkey))
    assert (audited.size, audited.root) == (signed.size, signed.root) == (count, frontier.root())
    with Ledger.open(path) as ledger:
        assert ledger.size == count
        assert [entry.id for entry in ledger.entries()] == [number_id(n) for n in range(count)]
        assert ledger.verify_all().signed == count


def test_indexes_and_receipts_across_bundles(path: Path) -> None:
    with filled(path, 600) as ledger:
        assert ledger.append(end(3)) == 600
        for number in (0, 3, 255, 256, 511, 512, 599):
            receipt = ledger.receipt(number_id(number), since_size=number + 1)
            verified = receipt.verify(ledger.vkey)
            assert verified.id == number_id(number)
            assert receipt.items[0].proof.index == number
            assert verified.ended == (end(3) if number == 3 else None)


def test_unknown_and_ambiguous_ids(path: Path) -> None:
    with filled(path, 300) as ledger:
        assert ledger.find(number_id(18)) == number_id(18)
        with pytest.raises(LedgerError, match="several"):
            ledger.find("000000")
        for prefix in ("ffffff", "00000", "zzzzzz", "", "......", "0" * 33):
            with pytest.raises(ReceiptNotFound):
                ledger.find(prefix)
        with pytest.raises(ReceiptNotFound):
            ledger.receipt("f" * 32)


def test_files_are_the_owners_alone(path: Path) -> None:
    previous = os.umask(0)
    try:
        with filled(path, 300) as ledger:
            ledger.checkpoint()
    finally:
        os.umask(previous)
    modes = {item.stat().st_mode & 0o777 for item in path.rglob("*") if item.is_file()}
    assert modes == {0o600}
    assert {item.stat().st_mode & 0o777 for item in (path, *path.rglob("*")) if item.is_dir()} == {0o700}


def test_a_key_that_others_may_read_or_that_is_gone(path: Path) -> None:
    filled(path, 1).__enter__().close()
    (path / "key").chmod(0o640)
    with pytest.raises(LedgerError, match="chmod 600"):
        Ledger.open(path)
    (path / "key").unlink()
    with pytest.raises(LedgerError, match="key is missing"):
        Ledger.open(path)


def test_a_torn_record_is_dropped(path: Path) -> None:
    with filled(path, 3) as ledger:
        ledger.checkpoint()
    whole = (path / "tail").read_bytes()
    record = join_record(render(birth(9)).encode())
    torn = [record[:cut] for cut in (1, 2, 3, 100, len(record) - 1)]
    torn += [bytes(1), bytes(5000), record[:100] + bytes(len(record) - 100)]
    for suffix in torn:
        (path / "tail").write_bytes(whole + suffix)
        with Ledger.open(path) as ledger:
            assert ledger.size == 3
            assert (path / "tail").read_bytes() == whole
            assert ledger.append(end(2)) == 3
            assert ledger.verify_all().size == 4
        (path / "tail").write_bytes(whole)
    (path / "tail").write_bytes(whole + record)
    with Ledger.open(path) as ledger:
        assert ledger.size == 4


@pytest.mark.parametrize("junk", [b"\xff" * 3000, b"\x00\x05hello", b"\x00" + b"\xff" * 300])
def test_junk_is_not_taken_for_a_torn_record(path: Path, junk: bytes) -> None:
    filled(path, 3).__enter__().close()
    whole = (path / "tail").read_bytes()
    (path / "tail").write_bytes(whole + junk)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger.open(path)
    assert (path / "tail").read_bytes() == whole + junk


@pytest.mark.parametrize("count", [5, 256, 300, 520])
def test_a_truncated_ledger_is_refused(path: Path, count: int) -> None:
    with filled(path, count) as ledger:
        ledger.append(birth(count))
        assert signed_size(ledger) == count + 1
    Ledger.open(path).close()
    tail = (path / "tail").read_bytes()
    records, _ = split_records(tail)
    (path / "tail").write_bytes(b"".join(map(join_record, records[:-1])))
    with pytest.raises(VerificationError, match="truncated"):
        Ledger.open(path)
    (path / "tail").unlink()
    with pytest.raises(VerificationError, match="truncated"):
        Ledger.open(path)


def test_a_missing_bundle_is_refused(path: Path) -> None:
    with filled(path, 600) as ledger:
        ledger.checkpoint()
    (path / "tile/entries/001").unlink()
    with pytest.raises(LedgerError, match="truncated"):
        Ledger.open(path)


def test_a_rewritten_entry_in_the_tail_is_refused(path: Path) -> None:
    with filled(path, 300) as ledger:
        ledger.checkpoint()
    rewrite_bundle(path / "tail", 10)
    with pytest.raises(VerificationError, match="rewritten"):
        Ledger.open(path)


def test_a_ledger_of_an_earlier_release_is_called_that_and_is_left_as_it_is(path: Path) -> None:
    with filled(path, 2):
        pass
    tail = path / "tail"
    *first, last = split_records(tail.read_bytes())[0]
    older = b"".join(map(join_record, [*first, last.replace(b"commitment -\n", b"")]))
    tail.write_bytes(older)
    with pytest.raises(LedgerError, match="no field commitment") as caught:
        Ledger.open(path)
    assert "move that ledger away" in caught.value.hint
    assert tail.read_bytes() == older


def test_a_rewritten_entry_in_a_bundle_is_found(path: Path) -> None:
    with filled(path, 300) as ledger:
        ledger.checkpoint()
        assert ledger.verify_all().size == 300
        ledger.receipt(number_id(10)).verify(ledger.vkey)
        rewrite_bundle(path / "tile/entries/000", 10)
        with pytest.raises(VerificationError, match="rewritten"):
            ledger.verify_all()
        with pytest.raises(VerificationError):
            ledger.receipt(number_id(999_999)).verify(ledger.vkey)


@pytest.mark.parametrize("tile", ["tile/0/000", "tile/1/000.p/2"])
def test_a_changed_tile_is_found(path: Path, tile: str) -> None:
    with filled(path, 600) as ledger:
        ledger.checkpoint()
        data = bytearray((path / tile).read_bytes())
        data[5] ^= 1
        (path / tile).write_bytes(data)
        with pytest.raises(VerificationError):
            ledger.verify_all()


def test_a_history_signed_anew_does_not_fit_the_checkpoint_seen(path: Path, tmp_path: Path) -> None:
    with filled(path, 300) as ledger:
        seen = checkpoint.verify(ledger.checkpoint(), Verifier.parse(ledger.vkey))
        fill(ledger, 100, first=300)
        ledger.checkpoint()
        assert ledger.receipt(number_id(1), 300).verify(ledger.vkey, seen).since == "proved"
        assert ledger.consistency(seen).size == 400
    other = tmp_path / "rewritten"
    other.mkdir()
    shutil.copy(path / "key", other / "key")
    with Ledger.open(other) as ledger:
        fill(ledger, 10)
        ledger.append(birth(999_999))
        fill(ledger, 400, first=11)
        assert ledger.verify_all().size == 411
        ledger.receipt(number_id(1)).verify(ledger.vkey)
        with pytest.raises(VerificationError):
            ledger.receipt(number_id(1), 300).verify(ledger.vkey, seen)
        with pytest.raises(VerificationError):
            ledger.consistency(seen)


def test_a_forged_checkpoint_is_refused(path: Path, tmp_path: Path) -> None:
    with filled(path, 3) as ledger, filled(tmp_path / "other", 3) as other:
        ledger.checkpoint()
        (path / "checkpoint").write_text(other.checkpoint())
        with pytest.raises(VerificationError):
            Ledger.open(path)
        with pytest.raises(VerificationError):
            ledger.checkpoint()


def test_truncation_under_a_running_process_is_noticed(path: Path) -> None:
    with filled(path, 5) as ledger:
        os.truncate(path / "tail", 10)
        with pytest.raises(LedgerError, match="damaged"):
            ledger.append(birth(5))


def test_a_tail_rewritten_under_a_running_process_is_not_sealed(path: Path) -> None:
    with filled(path, 256) as ledger:
        rewrite_bundle(path / "tail", 10)
        with pytest.raises(LedgerError):
            ledger.append(birth(256))
        assert not (path / "tile/entries/000").exists()


def test_two_openers_see_each_others_entries(path: Path) -> None:
    with Ledger.open(path) as one, Ledger.open(path) as two:
        for number in range(0, 1200, 2):
            assert one.append(birth(number)) == number
            assert two.append(birth(number + 1)) == number + 1
        assert one.checkpoint() == two.checkpoint()
        fill(one, 600, first=1200)
        assert two.append(birth(1800)) == 1800
        assert one.verify_all() == two.verify_all()
        assert [entry.id for entry in two.entries()] == [number_id(n) for n in range(1801)]


def test_lost_is_written_once_and_only_when_alone(path: Path) -> None:
    with Ledger.open(path) as ledger:
        fill(ledger, 300)
        for number in range(298):
            ledger.append(end(number))
        assert [entry.id for entry in ledger.unmatched()] == [number_id(298), number_id(299)]
        with Ledger.open(path) as starter:
            assert starter.recover_lost(MINUTE) == 0
    with Ledger.open(path) as ledger:
        assert ledger.recover_lost(MINUTE) == 2
        assert ledger.unmatched() == []
        assert ledger.recover_lost(MINUTE) == 0
        assert ledger.receipt(number_id(298)).verify().ended == Ended.lost(MINUTE, number_id(298))
        ledger.append(end(400))
        ledger.append(birth(400))
        assert [entry.id for entry in ledger.unmatched()] == [number_id(400)]
        with Ledger.open(path) as other:
            assert other.recover_lost(MINUTE) == 0
        assert ledger.recover_lost(MINUTE) == 1


def test_after_a_fork_the_ledger_must_be_opened_anew(path: Path) -> None:
    with filled(path, 1) as ledger:

        def work() -> None:
            with pytest.raises(LedgerError, match="fork"):
                ledger.append(birth(1))
            ledger.close()
            with Ledger.open(path) as own:
                own.append(birth(1))

        run_in_child(work)
        assert ledger.append(birth(2)) == 2


def test_after_a_failed_sync_everything_is_written_anew(path: Path) -> None:
    with filled(path, 2) as ledger:
        ledger.sync()
        before = (path / "tail").stat().st_ino
        reader, writer = os.pipe()
        os.dup2(writer, ledger._tail._fd)  # a pipe cannot be synced: EINVAL stands for EIO
        with pytest.raises(LedgerError, match="durable"):
            ledger.sync()
        ledger.sync()
        assert (path / "tail").stat().st_ino != before
        assert ledger.append(birth(2)) == 2
        assert ledger.verify_all().size == 3
        os.close(reader)
        os.close(writer)
    with pytest.raises(LedgerError, match="open it again"):
        ledger.sync()
    with Ledger.open(path) as ledger:
        assert ledger.verify_all().size == 3


def test_what_another_process_appends_is_in_the_file_written_anew(path: Path) -> None:
    with Ledger.open(path) as one, Ledger.open(path) as two:
        fill(one, 200)
        reader, writer = os.pipe()
        os.dup2(writer, one._tail._fd)
        with pytest.raises(LedgerError, match="durable"):
            one.sync()
        fill(two, 100, first=200)  # seals the tail that `one` doubts
        one.sync()
        assert one.append(birth(300)) == two.append(birth(301)) - 1 == 300
        assert one.verify_all() == two.verify_all()
        assert [entry.id for entry in one.entries()] == [number_id(n) for n in range(302)]
        os.close(reader)
        os.close(writer)


def test_memory_does_not_grow_with_the_entries(path: Path) -> None:
    with filled(path, 600) as ledger:
        ledger.checkpoint()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        fill(ledger, 3000, first=600)
        grown_bytes = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert grown_bytes < 16_384


def test_tiles_of_three_levels(tmp_path: Path) -> None:
    tiles, frontier = Tiles(tmp_path), tree.Frontier()
    leaves = [tree.leaf_hash(b"%d" % i) for i in range(256 * 260)]
    roots = [tree.fold(leaves[i : i + 256]) for i in range(0, len(leaves), 256)]
    begun = tiles.tile_path(1, 0, 250)  # as if the first 250 bundles had been written
    files.make_directory(begun.parent)
    files.replace(begun, b"".join(roots[:250]))
    for number in range(250, 260):
        own = b"".join(leaves[number * 256 : (number + 1) * 256])
        tiles.write(number, own)
        tiles.write(number, own)
        tiles.prune(number)
    for root in roots:
        frontier = frontier.push(8, root)
    names = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert names - {f"tile/0/{index_path(n)}" for n in range(250, 260)} == {
        "tile/1/000",
        "tile/1/001.p/4",
        "tile/2/000.p/1",
    }
    assert tiles.frontier(260) == frontier
    node = Hashes(tiles, 260, [])
    for height, index in ((0, 64_000), (0, 66_559), (3, 8_017), (8, 259), (10, 64), (16, 0)):
        assert node(height, index) == tree.fold(leaves[index << height : (index + 1) << height])
    with pytest.raises(LedgerError):
        Hashes(tiles, 261, [])(8, 260)


def test_index_path() -> None:
    assert [index_path(n) for n in (0, 999, 1000, 1234067)] == ["000", "999", "x001/000", "x001/x234/067"]


def test_split_hashes_undoes_join() -> None:
    assert split_hashes(b"a" * 32 + b"b" * 32) == [b"a" * 32, b"b" * 32]
