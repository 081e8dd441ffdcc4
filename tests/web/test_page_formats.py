"""The page reads receipts and transcripts as the specifications ask, by the vectors that everybody shares."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from running import Service
from web.visiting import Visit, Visitor

VECTORS = Path(__file__).parents[1] / "vectors"
RECEIPTS = VECTORS / "receipt-v1"
TRANSCRIPTS = VECTORS / "transcript-v1"

CHECK_RECEIPT = """(async ({ vkey, text, seen }) => {
  try {
    const bytes = Bytes.from64(text);
    const key = await Receipt.parseKey(vkey);
    const checkpoint = seen && await Receipt.openCheckpoint(Bytes.decode(Bytes.from64(seen)), key);
    return (await Receipt.verify(Bytes.decode(bytes), () => ({ vkey, checkpoint }))).since;
  } catch (error) {
    return error instanceof Receipt.ReceiptError || error instanceof TypeError ? "error" : String(error);
  }
})"""
READ_TRANSCRIPT = """(({ text }) => {
  try {
    const read = Transcript.parse(Transcript.decode(Bytes.from64(text)));
    const same = Bytes.to64(Bytes.encode(Transcript.render(read))) === text;
    const { source, turns, ...head } = read;
    const bare = turns.map(({ source, ...turn }) => turn);
    const anew = Bytes.to64(Bytes.encode(Transcript.render({ ...head, turns: bare })));
    return { ...head, turns: bare, same, anew };
  } catch (error) {
    return { line: error.line };
  }
})"""


def called(visit: Visit, function: str, argument: object) -> Any:
    return visit.run(f"{function}({json.dumps(argument)})")


def in64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.slow
def test_receipts(visitor: Visitor, service: Service) -> None:
    index = json.loads((RECEIPTS / "index.json").read_text())
    with visitor.visit(service.url) as visit:
        for case in index["vectors"]:
            seen = in64(RECEIPTS / case["seen"]) if "seen" in case else None
            given = {"vkey": case.get("vkey", index["vkey"]), "text": in64(RECEIPTS / case["file"]), "seen": seen}
            expected = case.get("since", "first") if case["expect"] == "ok" else "error"
            assert called(visit, CHECK_RECEIPT, given) == expected, case


@pytest.mark.slow
def test_a_changed_byte_of_a_receipt_is_found(visitor: Visitor, service: Service) -> None:
    index = json.loads((RECEIPTS / "index.json").read_text())
    good = (RECEIPTS / "good" / "grown.txt").read_bytes()
    with visitor.visit(service.url) as visit:
        for at in range(0, len(good), 29):
            forged = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
            given = {"vkey": index["vkey"], "text": base64.b64encode(forged).decode(), "seen": None}
            assert called(visit, CHECK_RECEIPT, given) == "error", at


@pytest.mark.slow
def test_transcripts(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        for case in json.loads((TRANSCRIPTS / "index.json").read_text()):
            text = in64(TRANSCRIPTS / case["file"])
            read = called(visit, READ_TRANSCRIPT, {"text": text})
            if "line" in case:
                assert read == {"line": case["line"]}, case["file"]
                continue
            assert read.pop("same"), case["file"]
            assert (read.pop("anew") == text) == case["canonical"], case["file"]
            turns = [{"unread": "", **turn} for turn in case["turns"]]
            assert read == {**{name: case[name] for name in ("title", "model", "started", "newline")}, "turns": turns}
