"""A witness: an honest log is cosigned, a forked or shrunk one never; and without the check it would be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.samples import birth, fill, filled
from noghost.errors import LedgerError, RequestError
from noghost.ledger import checkpoint, cosignature
from noghost.ledger.checkpoint import Checkpoint
from noghost.ledger.keys import Signer, Verifier
from noghost.ledger.store import Ledger
from noghost.ledger.submission import Submission
from noghost.witness.book import Book
from noghost.witness.judge import Witness

Make = Callable[..., Witness]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Ledger]:
    """300 entries: a full bundle and a tail."""
    with filled(tmp_path / "log", 300) as ledger:
        yield ledger


@pytest.fixture
def make(log: Ledger, tmp_path: Path) -> Iterator[Make]:
    """A witness that knows the log; with the same directory, as if it was started anew."""
    books = []

    def made(folder: str = "witness", **options: object) -> Witness:
        books.append(Book(tmp_path / folder))
        return Witness(books[-1], (Verifier.parse(log.vkey),), **options)  # type: ignore[arg-type]

    yield made
    for book in books:
        book.close()


def submission(ledger: Ledger, old: int) -> Submission:
    signed, path = ledger.grown(old)
    return Submission(old, path, signed)


def add(witness: Witness, asked: Submission) -> str:
    """The cosignature; that it holds is checked."""
    line = witness.add(asked.render().encode())
    assert cosignature.verify(asked.signed + line, witness.book.signer.verifier) > 1_700_000_000
    return line


def refused(witness: Witness, asked: Submission | bytes) -> tuple[int, str]:
    """(status, what is said), and nothing has changed."""
    before = state(witness)
    with pytest.raises(RequestError) as caught:
        witness.add(asked if isinstance(asked, bytes) else asked.render().encode())
    assert state(witness) == before
    return caught.value.status, caught.value.message


def state(witness: Witness) -> tuple[int, bytes]:
    latest = witness.book.latest(witness.logs[0])
    return latest.size, latest.root


def fork(log: Ledger, place: Path, count: int) -> Ledger:
    """The same key, another history from the first entry on."""
    place.mkdir(mode=0o700)
    shutil.copy(log.path / "key", place)
    other = Ledger.open(place)
    fill(other, count, first=5000)
    return other


def test_an_honest_log_is_cosigned_as_it_grows(log: Ledger, make: Make) -> None:
    witness = make()
    add(witness, submission(log, 0))
    for count in (1, 1, 211, 600):
        old = log.size
        fill(log, count, first=old)
        add(witness, submission(log, old))
        add(make(), submission(log, log.size))  # the same again, and by a witness that was started anew
    assert state(witness)[0] == 1113


def test_an_empty_log_is_cosigned_too(log: Ledger, make: Make, tmp_path: Path) -> None:
    with closing(fork(log, tmp_path / "empty", 0)) as empty:
        witness = make()
        add(witness, submission(empty, 0))
        fill(empty, 3)
        add(witness, submission(empty, 0))
    assert state(witness)[0] == 3


@pytest.mark.parametrize("count", [300, 301, 700])
def test_a_fork_is_refused_and_without_the_check_it_is_cosigned(
    log: Ledger, make: Make, tmp_path: Path, count: int
) -> None:
    witness, mutant = make(), make("mutant", grows=lambda *_: None)
    with closing(fork(log, tmp_path / "fork", count)) as forked:
        for one in (witness, mutant):
            add(one, submission(log, 0))
        honest = state(witness)
        assert refused(witness, submission(forked, 300))[0] == (409 if count == 300 else 422)
        assert refused(witness, submission(forked, 0)) == (409, "300")
        if count > 300:
            add(mutant, submission(forked, 300))
            assert state(mutant) != honest, "the mutant has cosigned both"
    fill(log, 1, first=300)
    add(witness, submission(log, 300))


def test_a_shrunk_log_is_refused_and_by_a_witness_that_forgets_it_is_cosigned(
    log: Ledger, make: Make, tmp_path: Path
) -> None:
    shutil.copytree(log.path, tmp_path / "old")
    witness, mutant = make(), make("mutant")
    fill(log, 20, first=300)
    for one in (witness, mutant):
        add(one, submission(log, 0))
    for path in mutant.book._directory.glob("log-*"):
        path.unlink()
    with closing(Ledger.open(tmp_path / "old")) as shrunk:
        assert refused(witness, submission(shrunk, 0)) == (409, "320")
        assert refused(witness, submission(shrunk, 300)) == (409, "320")
        assert refused(witness, Submission(320, (), shrunk.checkpoint()))[0] == 400
        add(mutant, submission(shrunk, 0))


def test_a_proof_that_does_not_lead_there_is_refused(log: Ledger, make: Make) -> None:
    witness = make()
    assert refused(witness, Submission(0, (bytes(32),), log.checkpoint()))[0] == 422
    add(witness, submission(log, 0))
    fill(log, 9, first=300)
    good = submission(log, 300)
    for path in ((), good.path[:-1], good.path[1:], (*good.path, bytes(32)), (bytes(32), *good.path[1:])):
        assert refused(witness, Submission(300, path, good.signed))[0] == 422
    add(witness, good)


def test_who_signed_it_is_asked_first(log: Ledger, make: Make) -> None:
    witness, good = make(), submission(log, 0)
    head, _, tail = good.signed.partition("\n\n")
    stranger, forged = (
        checkpoint.sign(Checkpoint(signer.name, 1, bytes(32)), signer)
        for signer in (Signer("example.com/log", bytes(32)), Signer(log.origin, bytes(32)))
    )
    broken = good.signed.replace("\n300\n", "\n301\n")
    extended = f"{head}\nextension\n\n{tail}"
    for signed, status in ((stranger, 404), (forged, 403), (broken, 403), (extended, 403), ("x\n", 400)):
        assert refused(witness, Submission(0, (), signed))[0] == status
    for data in (b"", b"\xff", good.render().encode()[:-1], b"old 1\n" + good.render().encode()):
        assert refused(witness, data)[0] == 400
    add(witness, Submission(0, (), good.signed + stranger.partition("\n\n")[2]))


def test_what_cannot_be_kept_is_not_cosigned(log: Ledger, make: Make) -> None:
    """A directory in the place of the new file: it cannot be written, whoever asks. Control: without it, it can."""
    witness = make()
    add(witness, submission(log, 0))
    fill(log, 1, first=300)
    (kept,) = witness.book._directory.glob("log-*")
    hindrance = kept.with_name(kept.name + ".tmp")
    hindrance.mkdir()
    with pytest.raises(LedgerError):
        witness.add(submission(log, 300).render().encode())
    assert state(witness)[0] == 300
    hindrance.rmdir()
    add(witness, submission(log, 300))


def test_what_was_cosigned_is_verified_when_it_is_read(log: Ledger, make: Make) -> None:
    witness = make()
    add(witness, submission(log, 0))
    (kept,) = witness.book._directory.glob("log-*")
    kept.write_text(kept.read_text().replace("\n300\n", "\n200\n"))
    with pytest.raises(LedgerError):
        witness.add(submission(log, 200).render().encode())


def test_the_key_is_its_owners_and_is_not_made_anew(log: Ledger, make: Make, tmp_path: Path) -> None:
    witness = make()
    assert (tmp_path / "witness" / "key").stat().st_mode & 0o777 == 0o600
    assert make().book.signer == witness.book.signer
    add(witness, submission(log, 0))
    (tmp_path / "witness" / "key").unlink()
    with pytest.raises(LedgerError, match="key is missing"):
        make()


def test_two_logs_are_two(log: Ledger, make: Make, tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path / "second")) as second:
        second.append(birth(1))
        witness = Witness(make().book, tuple(map(Verifier.parse, (log.vkey, second.vkey))))
        add(witness, submission(log, 0))
        add(witness, submission(second, 0))
        assert [witness.book.latest(one).size for one in witness.logs] == [300, 1]
