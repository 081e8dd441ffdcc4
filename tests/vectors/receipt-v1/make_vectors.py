"""Make the vector files again: `python tests/vectors/receipt-v1/make_vectors.py DIRECTORY`.

Everything is deterministic (fixed key, fixed ids), and a test compares the files with a fresh run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from noghost.ledger.checkpoint import Checkpoint, sign
from noghost.ledger.entry import Ended, Opened
from noghost.ledger.keys import Signer, encode64
from noghost.ledger.store import Ledger

MINUTE = "2026-03-01T14:05Z"
SIGNER = Signer("noghost.local/vectors", bytes(range(32)))
OTHER = Signer("noghost.local/vectors", bytes(range(1, 33)))


def birth(
    number: int, threads: str = "free", seed: str = "-", commitment: str = "-", weights: str = "11" * 32
) -> Opened:
    host = "swap=none,init_on_free=0,core=file,network=own,memory=unlocked,without=none"
    repeat = ("x86_64=avx.f16c.fma.avx2", "8192", "tile-64", threads, "-" if seed == "-" else "44" * 32, seed)
    return Opened(MINUTE, f"{number:032x}", weights, "0.1.0", "22" * 32, "33" * 32, host, *repeat, commitment)


def end(number: int, commitment: str = "-") -> Ended:
    return Ended("2026-03-01T14:06Z", f"{number:032x}", "answered", "verified", 13, 13, 6, 7, commitment=commitment)


def make(directory: Path, scratch: Path) -> None:
    """Write every vector and `index.json`, which says what each must give."""
    index = []
    with Ledger.open(begun(scratch / "other")) as ledger:
        ledger.append(birth(6, weights="remote/openrouter.ai"))
        ledger.append(end(6))
        ledger.checkpoint()
        remote = ledger.receipt(f"{6:032x}").render()
        ledger.append(birth(7, commitment="ab" * 32))
        ledger.append(end(7, "cd" * 32))
        ledger.checkpoint()
        committed = ledger.receipt(f"{7:032x}").render()
    with Ledger.open(begun(scratch / "ledger")) as ledger:
        ledger.append(birth(1))
        ledger.append(end(1))
        seen = ledger.checkpoint()
        ledger.append(birth(2, "2", "4294967294", "ab" * 32))
        ledger.append(birth(3))
        ledger.append(Ended.lost("2026-03-01T15:00Z", f"{3:032x}"))
        ledger.checkpoint()
        good = {
            "closed": ledger.receipt(f"{1:032x}").render(),
            "opened": ledger.receipt(f"{2:032x}").render(),
            "lost": ledger.receipt(f"{3:032x}").render(),
            "grown": ledger.receipt(f"{1:032x}", since_size=2).render(),
            "remote": remote,
            "committed": committed,
        }
    rows = [("good", name, text) for name, text in good.items()]
    rows += [("bad", name, text) for name, text in bad(good)]
    (directory / "seen.checkpoint").write_bytes(seen.encode())
    (directory / "fork.checkpoint").write_bytes(sign(Checkpoint(SIGNER.name, 2, bytes(32)), SIGNER).encode())
    for folder, name, text in rows:
        (directory / folder).mkdir(exist_ok=True)
        (directory / folder / f"{name}.txt").write_bytes(text.encode())
        index.append({"file": f"{folder}/{name}.txt", "expect": "ok" if folder == "good" else "error"})
    index += [
        {"file": "good/grown.txt", "seen": "seen.checkpoint", "expect": "ok", "since": "proved"},
        {"file": "good/closed.txt", "seen": "seen.checkpoint", "expect": "ok", "since": "unchecked"},
        {"file": "good/grown.txt", "seen": "fork.checkpoint", "expect": "error"},
        {"file": "good/closed.txt", "vkey": OTHER.verifier.render(), "expect": "error"},
    ]
    (directory / "index.json").write_text(
        json.dumps({"vkey": SIGNER.verifier.render(), "vectors": index}, indent=1) + "\n"
    )


def begun(directory: Path) -> Path:
    """A new ledger's directory, with the key."""
    directory.mkdir(parents=True)
    (directory / "key").write_text(SIGNER.render() + "\n")
    (directory / "key").chmod(0o600)
    return directory


def bad(good: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each is one change to a good receipt, named after the change."""
    closed, lost, grown = good["closed"], good["lost"], good["grown"]
    signature = closed.split("— ")[1].split("\n")[0]
    forged = sign(Checkpoint(SIGNER.name, 5, bytes(32)), OTHER).split("— ")[1].strip()
    path_line = closed.split("index 0\n")[1].split("\n")[0]
    changes = {
        "entry-changed": ("answer_tokens 7", "answer_tokens 8"),
        "entry-keys-swapped": ("prompt_tokens 6\nanswer_tokens 7", "answer_tokens 7\nprompt_tokens 6"),
        "entry-extra-key": ("seed -\ncommitment -\n", "seed -\ncommitment -\nnote hello\n"),
        "entry-upper-case-digest": ("22" * 32, "AA" * 32),
        "entry-threads-none": ("threads free", "threads 0"),
        "entry-threads-over-256": ("threads free", "threads 257"),
        "entry-seed-out-of-range": ("seed -", "seed 4294967295"),
        "entry-seed-leading-zero": ("seed -", "seed 07"),
        "entry-template-no-digest": ("template -", "template none"),
        "entry-without-threads": ("threads free\n", ""),
        "entry-number-leading-zero": ("prompt_tokens 6", "prompt_tokens 06"),
        "entry-minute-does-not-exist": ("2026-03-01T14:06Z", "2026-02-30T14:06Z"),
        "entry-verified-fewer-than-wiped": ("verified_pages 13", "verified_pages 12"),
        "entry-unknown-outcome": ("outcome answered", "outcome finished"),
        "other-kind-in-section-name": ("=== closed", "=== lost"),
        "id-of-another-invocation": (f"id {1:032x}\noutcome", f"id {2:032x}\noutcome"),
        "proof-index-changed": ("index 0\n", "index 2\n"),
        "proof-index-leading-zero": ("index 0\n", "index 00\n"),
        "proof-hash-missing": (f"index 0\n{path_line}\n", "index 0\n"),
        "proof-hash-twice": (f"{path_line}\n", f"{path_line}\n{path_line}\n"),
        "proof-extra-line": ("index 0\n", "extra aGVsbG8=\nindex 0\n"),
        "base64-not-canonical": (f"{path_line}\n", path_line[:-2] + _next(path_line[-2]) + "=\n"),
        "checkpoint-size-changed": (f"{SIGNER.name}\n5\n", f"{SIGNER.name}\n6\n"),
        "signature-by-another-key": (signature, forged),
        "key-id-without-its-key": (
            SIGNER.verifier.render(),
            f"{SIGNER.name}+{OTHER.verifier.key_id.hex()}+{SIGNER.verifier.render().split('+', 2)[2]}",
        ),
        "another-vkey": (SIGNER.verifier.render(), OTHER.verifier.render()),
        "header-of-another-version": ("noghost-receipt/v1", "noghost-receipt/v2"),
        "carriage-returns": ("\n", "\r\n"),
    }
    for name, (old, new) in changes.items():
        yield name, _changed(closed, old, new)
    yield "remote-says-threads", _changed(good["remote"], "threads free", "threads 2")
    yield "remote-upper-case-host", _changed(good["remote"], "remote/openrouter.ai", "remote/OpenRouter.ai")
    yield "remote-without-a-host", _changed(good["remote"], "remote/openrouter.ai", "remote/")
    yield "end-commitment-upper-case", _changed(good["committed"], "cd" * 32, "CD" * 32)
    yield "end-commitment-changed", _changed(good["committed"], "cd" * 32, "ce" + "cd" * 31)
    yield "end-commitment-taken-out", _changed(good["committed"], f"commitment {'cd' * 32}\n", "commitment -\n")
    yield "end-without-commitment", _changed(closed, "refused_calls 0\ncommitment -\n", "refused_calls 0\n")
    yield (
        "lost-commits-to-an-answer",
        _changed(lost, "refused_calls 0\ncommitment -", f"refused_calls 0\ncommitment {'cd' * 32}"),
    )
    yield "lost-claims-a-wipe", _changed(lost, "wipe unseen", "wipe verified")
    old_root = grown.split("root ")[1].split("\n")[0]
    yield "consistency-root-changed", _changed(grown, old_root, encode64(bytes(32)))
    yield "consistency-since-changed", _changed(grown, "since 2\n", "since 3\n")
    yield "sections-swapped", _swapped(closed)
    yield "entries-of-two-invocations", closed.split("=== closed")[0] + "=== lost" + lost.split("=== lost")[1]
    yield "signature-missing", closed.replace(f"— {signature}\n", "")
    yield "last-newline-missing", closed[:-1]
    yield "bytes-after-the-end", closed + "\n"
    yield "empty", ""


def _changed(text: str, old: str, new: str) -> str:
    changed = text.replace(old, new)
    assert changed != text
    return changed


def _next(char: str) -> str:
    return chr(ord(char) + 1)


def _swapped(text: str) -> str:
    head, opened, proof1, closed, proof2 = text.split("=== ")
    return "=== ".join((head, closed, proof2, opened, proof1))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(sys.argv[1]), Path(scratch))
