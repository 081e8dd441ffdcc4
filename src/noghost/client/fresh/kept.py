"""Each answer as a transcript of its own, in a folder of the caller's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noghost.client.fresh.asking import Answer, Asking
from noghost.client.transcript import Transcript, TranscriptFile
from noghost.client.transcript.facts import stamp
from noghost.errors import TranscriptError
from noghost.ledger import files


def make_folder(folder: Path) -> None:
    """For its owner alone; TranscriptError where there is something in it already, before anything is asked."""
    try:
        files.make_directory(folder)
        if any(folder.iterdir()):
            raise TranscriptError(f"cannot keep transcripts: there is something in {folder} already", "name a new one")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise TranscriptError(f"cannot keep transcripts in {folder}: {reason}", "name another folder") from None


def keep(path: Path, asking: Asking, question: str, answer: Answer) -> None:
    """One question with one answer to it, in a new file. Raises TranscriptError."""
    transcript = Transcript("Conversation", asking.model, answer.began)
    if asking.system:
        transcript.append("system", asking.system)
    transcript.append("user", question, {"began": stamp(answer.began)})
    transcript.append("assistant", answer.text, facts(asking, answer))
    TranscriptFile(path).create(transcript)


def facts(asking: Asking, answer: Answer) -> dict[str, Any]:
    """What is known of an answer, by the names of spec/transcript-v1.md."""
    known: dict[str, Any] = {
        "began": stamp(answer.began),
        "ended": stamp(answer.ended),
        "seed": answer.seed,
        "options": asking.options,
    }
    return known | ({"instance": answer.instance} if answer.instance else {})
