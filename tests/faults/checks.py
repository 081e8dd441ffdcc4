"""What must hold after any number of faults. Each check returns what is wrong, in words; nothing is right.

The ledger is read from a copy, so that looking does not mend it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from noghost.client.hunt import Needle, count_in_file, count_in_pid
from noghost.errors import LedgerError
from noghost.ledger import checkpoint
from noghost.ledger.entry import Ended, Entry, Opened
from noghost.ledger.keys import Verifier
from noghost.ledger.store import Ledger

RAISED = re.compile(r"^Traceback .*\n(?:[ \t].*\n)+(\S.*)$", re.MULTILINE)


@contextmanager
def copied(ledger: Path) -> Iterator[Ledger]:
    """A copy of the ledger at rest, open."""
    with tempfile.TemporaryDirectory(prefix="noghost-faults-") as folder:
        shutil.copytree(ledger, Path(folder) / "ledger")
        with Ledger.open(Path(folder) / "ledger") as copy:
            yield copy


def lost_entries(entries: Iterable[Entry], acknowledged: Iterable[str]) -> list[str]:
    """Answers that were whole at the caller, and are in no "opened" entry."""
    known = {entry.id for entry in entries if isinstance(entry, Opened)}
    return [f"acknowledged, and not in the ledger: {one}" for one in acknowledged if one not in known]


def unpaired(entries: Iterable[Entry]) -> list[str]:
    """Births without exactly one end after them, ends without a birth before them."""
    opened: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    wrong = []
    for entry in entries:
        if isinstance(entry, Ended):
            ended[entry.id] += 1
            if not opened[entry.id]:
                wrong.append(f"an end without a birth: {entry.id}")
        else:
            opened[entry.id] += 1
    wrong += [f"{count} births of one id: {one}" for one, count in opened.items() if count != 1]
    wrong += [f"a birth with {ended[one]} ends: {one}" for one in opened if ended[one] != 1]
    return wrong


def rewritten(ledger: Ledger, notes: Sequence[str]) -> list[str]:
    """Checkpoints seen over time that are not signed by this log, or that it has not grown from."""
    wrong = []
    verifier = Verifier.parse(ledger.vkey)
    for number, note in enumerate(notes):
        try:
            ledger.consistency(checkpoint.verify(note, verifier))
        except LedgerError as error:
            wrong.append(f"checkpoint {number} of {len(notes)}: {error.message}")
    return wrong


def not_whole(ledger: Ledger) -> list[str]:
    """What a recomputation of the whole log finds."""
    try:
        ledger.verify_all()
    except LedgerError as error:
        return [error.message]
    return []


def ghosts(pids: Sequence[int], folder: Path, needles: Sequence[Needle]) -> list[str]:
    """Copies of the canary in processes and in files; content is not in what is returned."""
    finds = [find for pid in pids for find in count_in_pid(pid, needles, place=f"process {pid}")]
    finds += [find for path in folder.rglob("*") if path.is_file() for find in count_in_file(path, needles)]
    return [f"a copy of the canary in {find.place}, {find.kind}, {find.encoding}" for find in finds]


def tracebacks(logs: Iterable[str]) -> list[str]:
    """Faults of our own, by the line that names them; want of memory in the reaper is none."""
    named = [line for log in logs for line in RAISED.findall(log)]
    return [f"a traceback: {line}" for line in named if not line.startswith("MemoryError")]


def ends(entries: Iterable[Entry]) -> dict[str, int]:
    """How many ends of each outcome and wipe."""
    found = Counter(f"{entry.outcome}, {entry.wipe}" for entry in entries if isinstance(entry, Ended))
    return dict(sorted(found.items()))
