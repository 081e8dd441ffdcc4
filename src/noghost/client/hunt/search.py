"""The hunt itself: talk, wait, look everywhere, count."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx

from noghost.client.hunt.files import changed_since, count_in_file, in_shared_memory, may_hold_news
from noghost.client.hunt.needle import TEXT_WIDTH_CHARS, Needle, needles_for
from noghost.client.hunt.processes import mapped_weights, open_for_writing, tree
from noghost.client.hunt.scan import Find, count_in_pid
from noghost.client.hunt.talk import (
    CANARY_WINDOW_CHARS,
    PUBLIC_TEXTS,
    Exchange,
    exchange,
    first_model,
)
from noghost.client.hunt.tokenise import ids_from_gguf, ids_from_server
from noghost.client.reach import open_client
from noghost.client.sealed.trust import Trust
from noghost.errors import HuntError

WAIT_S = 2.0
EXCHANGES = 2  # one answered whole, one streamed


@dataclass(frozen=True, slots=True)
class HuntResult:
    """What was found and what was searched; it holds no content.

    `not_searched` names what could not be looked for, so that its absence proves nothing.
    """

    finds: tuple[Find, ...]
    processes: int
    files: int
    not_searched: tuple[str, ...]
    took_s: float

    @property
    def copies(self) -> int:
        return len(self.finds)

    @property
    def places(self) -> int:
        return len({find.place for find in self.finds})


@dataclass(frozen=True, slots=True)
class _Ground:
    """Where to look."""

    pids: tuple[int, ...]
    folders: tuple[Path, ...]
    since_s: float
    every: bool


def hunt(
    url: str,
    pids: Sequence[int],
    files: Sequence[Path] = (),
    *,
    model: str | None = None,
    tokenizer: Path | None = None,
    wait_s: float = WAIT_S,
    every: bool = False,
    api_key: str | None = None,
    fingerprint: str | None = None,
    trust: Trust | None = None,
) -> HuntResult:
    """Say a canary to the server at `url`, twice, and count the copies that are left `wait_s` later.

    `pids` are the roots of the server's process trees, `files` folders it may write to, `tokenizer` a GGUF
    with its vocabulary: what of an answer stands in that (without one, in those that the server has mapped) is public,
    and no find; `every` also reads shared read-only mappings; `fingerprint` is the SHA-256 of the server's
    certificate. Raises HuntError if it cannot look.
    """
    began_s = time.time()
    ground = _Ground(tuple(pids), tuple(files), began_s, every)
    _refuse_blind(ground)
    reach = partial(open_client, url, api_key, fingerprint, trust)
    with reach() as client:
        name = model or first_model(client)
        said = [exchange(client, name, stream=bool(turn % 2)) for turn in range(EXCHANGES)]
    time.sleep(wait_s)
    weights = [tokenizer] if tokenizer else sorted(set().union(*map(mapped_weights, pids)))
    texts = _text_needles(said, weights)
    first = _look(ground, texts)
    ids = _token_needles(reach, said, tokenizer)
    second = _look(ground, ids) if ids else first
    found = first.finds + (second.finds if ids else ())
    missing = _not_searched(texts, ids)
    return replace(first, finds=found, not_searched=missing, took_s=time.time() - began_s)


def _refuse_blind(ground: _Ground) -> None:
    """Fail before anything is said: every process must be there and readable, every folder too."""
    if not ground.pids:
        raise HuntError("no process to search", "give the server's --pid")
    for pid in ground.pids:
        for process in tree(pid):
            _in_process(process.pid, str(process.pid), ground, ())
    for folder in ground.folders:
        next(changed_since(folder, ground.since_s), None)


def _text_needles(said: Sequence[Exchange], weights: Sequence[Path]) -> list[Needle]:
    needles: list[Needle] = []
    for source, pair in enumerate(said):
        needles += needles_for(pair.canary, source=source, width_chars=CANARY_WINDOW_CHARS)
        public = (*PUBLIC_TEXTS, pair.canary, *_recited(pair.answer, weights))
        needles += needles_for(pair.answer, what="answer", source=source, exclude=public)
    return needles


def _recited(answer: str, weights: Sequence[Path]) -> list[str]:
    """Windows of the answer that stand in a model file itself, such as its template's system prompt."""
    cut = [answer[at : at + TEXT_WIDTH_CHARS] for at in range(0, len(answer), TEXT_WIDTH_CHARS)]
    found: list[str] = []
    for path in weights:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found += [window for window in cut if data.find(window.encode()) >= 0]
    return found


def _token_needles(reach: Callable[[], httpx.Client], said: Sequence[Exchange], tokenizer: Path | None) -> list[Needle]:
    texts = [text for pair in said for text in (pair.canary, pair.answer)]
    if tokenizer:
        ids: list[list[int]] | None = ids_from_gguf(tokenizer, texts)
    else:
        with reach() as client:
            ids = ids_from_server(client, texts)
    labels = [(what, source) for source in range(len(said)) for what in ("canary", "answer")]
    return [
        needle
        for (what, source), tokens in zip(labels, ids or (), strict=False)
        for needle in needles_for("", tokens, what=what, source=source)
    ]


def _not_searched(texts: Sequence[Needle], ids: Sequence[Needle]) -> tuple[str, ...]:
    answers = {needle.source for needle in texts if needle.what == "answer"}
    known = {(needle.what, needle.source) for needle in ids}
    missing = [] if len(answers) == EXCHANGES else ["text: an answer, too short to tell from chance"]
    if not ids:
        missing.append("token ids: no --tokenizer, and no /tokenize that serves")
    elif len(known) < 2 * EXCHANGES:
        missing.append("token ids: an answer, too short or with too long words")
    return tuple(missing)


def _look(ground: _Ground, needles: Sequence[Needle]) -> HuntResult:
    """Count in every process, in what it can write, in shared memory and in changed files."""
    began_s = time.time()
    finds: list[Find] = []
    processes = {process.pid: process for pid in ground.pids for process in tree(pid)}
    seen: set[tuple[int, int]] = set()
    for process in processes.values():
        place = f"{process.pid} {process.name}"
        finds += _in_process(process.pid, place, ground, needles)
        for file in open_for_writing(process.pid):
            key = (file.device, file.inode)
            if key not in seen and may_hold_news(file, ground.since_s):
                seen.add(key)
                finds += count_in_file(file.path, needles, place=f"{place} {file.label}", follow=True)
    for path in (*in_shared_memory(), *(p for f in ground.folders for p in changed_since(f, ground.since_s))):
        identity = _identity(path)
        if identity and identity not in seen:
            seen.add(identity)
            finds += count_in_file(path, needles)
    return HuntResult(tuple(finds), len(processes), len(seen), (), time.time() - began_s)


def _in_process(pid: int, place: str, ground: _Ground, needles: Sequence[Needle]) -> list[Find]:
    """Count in one process; one that ended since it was listed holds nothing any more."""
    try:
        return count_in_pid(pid, needles, place=place, every=ground.every)
    except HuntError:
        if pid in ground.pids or Path("/proc", str(pid)).exists():
            raise
        return []


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
