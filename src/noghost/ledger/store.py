"""The ledger on disk: append, make durable, sign, prove. Used by the reaper and, to read, by the caller.

Covered: no entry is lost once `sync` returned, whatever is killed; several processes append at once;
what was signed is compared with what is on the disk at every open; a full disk or a failed sync claims
nothing, and the ledger goes on when the disk does.
Not covered: a ledger that was removed or rewritten together with its key (see audit.py); threads.
One `Ledger` belongs to one thread of one process: open it after fork.

    <directory>/key               the signing key; 0600, never leaves this directory
    <directory>/checkpoint        the newest signed checkpoint
    <directory>/tail              the newest records, at most 256, in the form of an entry bundle
    <directory>/tile/...          all that is full, as tlog-tiles
    <directory>/lock, presence    flock: who writes now; who has the ledger open
    <directory>/room              for a moment, while `try_room` looks whether there is some
    <directory>/witnessed/...     of each witness, the newest checkpoint that it cosigned; client/witnessed.py keeps it
    <directory>/settled           up to which entry `recover_lost` has looked; a hint only
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from noghost.errors import LedgerError
from noghost.ledger import audit, checkpoint, files, lookup, tree
from noghost.ledger.checkpoint import SIZE, Checkpoint
from noghost.ledger.entry import Ended, Entry, Opened, parse_bytes, render
from noghost.ledger.keys import Signer, load_signer
from noghost.ledger.receipt import Consistency, Receipt, to_item
from noghost.ledger.statement import Statement
from noghost.ledger.tail import Tail
from noghost.ledger.tiles import WIDTH, Hashes, Tiles, damaged, join_records

ROOM_BYTES = 1 << 18  # for an entry, a checkpoint, and a tail that is sealed and begun anew


class Ledger:
    """An open ledger. Every method raises LedgerError when the disk or the ledger is at fault."""

    def __init__(self, path: Path) -> None:
        """Use `Ledger.open`."""
        self.path = path
        self._pid, self._closed = os.getpid(), False
        self._doubtful = False  # a sync failed: what the kernel holds need not be on the disk
        self._tiles = Tiles(path)
        self._newest: tuple[str, Checkpoint] | None = None
        with ExitStack() as undo, files.reporting("open the ledger"):
            files.make_directory(path)
            self._lock = files.open_lock(path / "lock")
            undo.callback(os.close, self._lock)
            self._presence = files.open_lock(path / "presence")
            undo.callback(os.close, self._presence)
            fcntl.flock(self._presence, fcntl.LOCK_SH)
            with files.exclusive(self._lock):
                self._signer = _load_key(path / "key")
                self._verifier = self._signer.verifier
                self._tail = self._load_tail(self._stored_size() // WIDTH)
                undo.callback(self._close_tail)
                self._load_newest()
            self._held = undo.pop_all()

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open or create the ledger in a directory; mends what a crash left behind.

        Raises LedgerError if what is on the disk is not what its checkpoint signs.
        """
        return cls(path)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints."""
        return self._signer.name

    @property
    def vkey(self) -> str:
        """The verifier key to hand out."""
        return self._verifier.render()

    @property
    def size(self) -> int:
        """Entries, as of the last call that looked."""
        return self._tail.size

    def append(self, entry: Entry) -> int:
        """Write an entry and return its index; it is durable after the next `sync`."""
        data = render(entry).encode("ascii")
        with self._locked("append to the ledger"):
            if self._tail.state.records == WIDTH:
                self._seal()
            self._tail.append(data)
            return self._tail.size - 1

    def sync(self) -> None:
        """Return when everything appended so far is on the disk.

        After a failure the kernel may have dropped what it could not write, and a second try would
        report success (fsync(2)). So nothing else is done before everything has been written anew
        (`_mend`), which the next call of any kind tries.
        """
        attempt = "make the ledger durable"
        if self._doubtful:
            with self._locked(attempt):
                return  # which was the mending
        self._check_usable()
        with files.reporting(attempt):
            self._flush()

    def try_room(self) -> None:
        """Return if the disk would take more entries now: neither full nor read-only, no quota or limit reached."""
        with self._locked("write to the ledger"):
            files.try_room(self.path / "room", ROOM_BYTES)

    def checkpoint(self) -> str:
        """Make everything durable, sign it, store the signed note and return it."""
        with self._locked("sign the ledger"):
            return self._sign()[0]

    def attest(self, statement: Statement) -> str:
        """An opening (spec/sealed-v1.md): the statement, signed, with the key that verifies it."""
        self._check_usable()
        return statement.sign(self._signer)

    def receipt(self, invocation_id: str, since_size: int | None = None) -> Receipt:
        """The entries of one invocation with their proofs, signing a checkpoint if none covers them.

        With `since_size`, also the proof that the log begins with its first `since_size` entries.
        Raises ReceiptNotFound for an unknown id.
        """
        with self._locked("make a receipt"):
            tail = self._tail.read()
            found = lookup.find_entries(self._tiles, self._tail.bundle, tail, invocation_id)
            text, signed = self._covering(max(found[-1][0] + 1, since_size or 0))
            node = self._hashes()
            items = tuple(to_item(data, index, tree.inclusion(index, signed.size, node), text) for index, data in found)
            grown = self._growth(since_size, signed.size, node) if since_size else None
            return Receipt(self.vkey, items, grown)

    def find(self, prefix: str) -> str:
        """The full id that begins with `prefix` (6 hex digits or more).

        Raises ReceiptNotFound if there is none, LedgerError if there are several.
        """
        with self._locked("read the ledger"):
            return lookup.find_id(self._tiles, self._tail.bundle, self._tail.read(), prefix)

    def consistency(self, old: Checkpoint, new: Checkpoint | None = None) -> Checkpoint:
        """Prove from the stored hashes that this log has grown from `old` into `new`, both verified.

        Without `new`, into the newest checkpoint, which is returned. Raises VerificationError if the
        log does not begin with the entries that were signed then.
        """
        with self._locked("compare checkpoints"):
            new = new or self._covering(0)[1]
            if not old.size <= new.size <= self._tail.size or {old.origin, new.origin} != {self.origin}:
                raise audit.differs("a checkpoint seen before")
            node = self._hashes()
            if old.size:
                path = tree.consistency(old.size, new.size, node)
                tree.verify_consistency(old.size, old.root, new.size, new.root, path)
            return new

    def grown(self, since_size: int) -> tuple[str, tuple[bytes, ...]]:
        """The newest signed checkpoint, and the proof that it begins with the first `since_size` entries."""
        with self._locked("prove the growth of the ledger"):
            text, signed = self._sign()
            if since_size > signed.size:
                raise audit.differs("a larger checkpoint seen before")
            return text, tree.consistency(since_size, signed.size, self._hashes()) if since_size else ()

    def entries(self) -> Iterator[Entry]:
        """Every entry in order, as of now; one bundle in memory at a time."""
        return self._entries_from(0)

    def unmatched(self) -> list[Opened]:
        """Births without an end: running now, or lost."""
        return lookup.unmatched(self._entries_from(self._settled() // WIDTH))

    def recover_lost(self, minute: str) -> int:
        """Append "lost" for every birth without an end, if no other process has the ledger open.

        To be called at start, before the first birth. Returns how many there were; 0 also when
        another process is there, because then they may be running.
        """
        self._check_usable()
        with files.reporting("recover the ledger"), files.alone(self._presence) as alone:
            if not alone:
                return 0
            self._doubtful = True  # the process before this one may have ended because a sync failed
            lost = self.unmatched()
            for birth in lost:
                self.append(Ended.lost(minute, birth.id))
            self.sync()
            if self._tail.bundle > self._settled() // WIDTH:
                files.replace(self.path / "settled", f"{self._tail.size}\n".encode())
            return len(lost)

    def verify_all(self) -> audit.Audit:
        """Recompute everything from the entries. Raises VerificationError for what differs."""
        with self._locked("verify the ledger"):
            newest = self._load_newest()
            signed = newest[1] if newest else None
            result = audit.recompute(self._tiles, self._tail.bundle, self._tail.read(), signed)
            if (result.size, result.root) != (self._tail.size, self._tail.state.frontier.root()):
                raise audit.differs("what this process has read before")
            return result

    def close(self) -> None:
        """Release the ledger. What was not synced is left to the kernel."""
        self._closed = True
        self._held.close()

    @contextmanager
    def _locked(self, attempt: str) -> Iterator[None]:
        self._check_usable()
        with files.reporting(attempt), files.exclusive(self._lock):
            if self._doubtful:
                self._mend()
            elif not self._tail.catch_up():
                self._reload()
            yield

    def _check_usable(self) -> None:
        if self._closed:
            raise LedgerError("cannot use the ledger: it is closed", "open it again")
        if self._pid != os.getpid():
            raise LedgerError("cannot use the ledger after a fork", "open it in the process that uses it")

    def _load_tail(self, guess: int) -> Tail:
        bundles = self._tiles.count_bundles(guess)
        tail = Tail(self.path / "tail", bundles, self._tiles.frontier(bundles))
        try:
            tail.catch_up()
        except BaseException:
            tail.close()
            raise
        return tail

    def _reload(self) -> None:
        """The tail is another file now: begin at that one, which must continue what we know."""
        old, new = self._tail, self._load_tail(self._tail.bundle + 1)
        try:
            self._check_continues(new, old.size, old.state.frontier.root())
        except BaseException:
            new.close()
            raise
        self._tail = new
        old.close()

    def _mend(self) -> None:
        """After a failed sync: write everything that it was about to new files, and sync those.

        A page that could not be written is clean afterwards, and no later sync tries it again; what is
        read back from it is compared with the tree of everything that this process has appended or
        read. If one entry is missing, VerificationError, now and at every later call: an invocation
        that still runs may rely on that entry, and only a new start knows that none does.
        """
        first = self._tail.bundle
        self._reload()
        for number in range(first, self._tail.bundle):  # sealed since, by us or by another process
            files.replace(self._tiles.bundle_path(number), join_records(self._tiles.bundle(number)))
        files.replace(self._tail.path, join_records(self._tail.read()))
        self._reload()
        self._doubtful = False

    def _seal(self) -> None:
        """Turn the full tail into bundle and tiles; each step can be repeated after a crash."""
        old = self._tail
        leaves = b"".join(tree.leaf_hash(record) for record in old.read())
        base = old.base.push(8, tree.fold([leaves[i : i + 32] for i in range(0, len(leaves), 32)]))
        if base != old.state.frontier:
            raise audit.differs("what this process has read before")
        self._flush()
        self._tiles.write(old.bundle, leaves)
        bundle = self._tiles.bundle_path(old.bundle)
        files.make_directory(bundle.parent)
        old.path.rename(bundle)
        self._doubtful = True  # until the new names are on the disk
        files.sync_directory(bundle.parent)
        self._tail = Tail(self.path / "tail", old.bundle + 1, base)
        self._doubtful = False
        old.close()
        self._tiles.prune(old.bundle)

    def _sign(self) -> tuple[str, Checkpoint]:
        newest = self._load_newest()
        if self._tail.state.records == WIDTH:
            self._seal()
        if newest and newest[1].size == self._tail.size:
            return newest
        self._flush()
        signed = Checkpoint(self.origin, self._tail.size, self._tail.state.frontier.root())
        text = checkpoint.sign(signed, self._signer)
        files.replace(self.path / "checkpoint", text.encode())
        self._newest = (text, signed)
        return self._newest

    def _covering(self, size: int) -> tuple[str, Checkpoint]:
        newest = self._load_newest()
        if newest is None or newest[1].size < size:
            newest = self._sign()
        if newest[1].size < size:
            raise audit.differs("a larger checkpoint seen before")
        return newest

    def _load_newest(self) -> tuple[str, Checkpoint] | None:
        """The stored checkpoint, verified again only if another process replaced it."""
        text = self._stored_checkpoint()
        if text is None:
            if self._newest is not None:
                raise damaged("its checkpoint")
            return None
        if self._newest is None or self._newest[0] != text:
            signed = checkpoint.verify(text, self._verifier)
            self._check_continues(self._tail, signed.size, signed.root)
            self._newest = (text, signed)
        return self._newest

    def _check_continues(self, tail: Tail, size: int, root: bytes) -> None:
        if size > tail.size or tree.range_hash(0, size, self._hashes(tail)) != root:
            raise audit.differs("what was signed or read before: some are missing or others")

    def _close_tail(self) -> None:
        self._tail.close()  # whichever is the tail by then

    def _flush(self) -> None:
        try:
            self._tail.sync()
        except OSError:
            self._doubtful = True
            raise

    def _stored_checkpoint(self) -> str | None:
        try:
            return (self.path / "checkpoint").read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return None

    def _stored_size(self) -> int:
        """The size in the stored checkpoint, unverified: only a guess where to look first."""
        line = (self._stored_checkpoint() or "\n0\n").split("\n")[1:2]
        return int(line[0]) if line and SIZE.fullmatch(line[0]) else 0

    def _settled(self) -> int:
        with suppress(OSError, ValueError):
            settled = int((self.path / "settled").read_bytes()[:20])
            return settled if 0 <= settled <= self._tail.size else 0
        return 0

    def _hashes(self, tail: Tail | None = None) -> Hashes:
        tail = tail or self._tail
        return Hashes(self._tiles, tail.bundle, [tree.leaf_hash(record) for record in tail.read()])

    def _growth(self, since: int, size: int, node: tree.Node) -> Consistency:
        return Consistency(since, tree.range_hash(0, since, node), tree.consistency(since, size, node))

    def _entries_from(self, bundle: int) -> Iterator[Entry]:
        with self._locked("read the ledger"):
            bundles, tail = self._tail.bundle, self._tail.read()
        for number in range(bundle, bundles):
            yield from map(parse_bytes, self._tiles.bundle(number))
        yield from map(parse_bytes, tail)


def _load_key(path: Path) -> Signer:
    needed = (path.parent / "checkpoint").exists() or (path.parent / "tail").exists()
    return load_signer(path, Signer.create, needed=needed)
