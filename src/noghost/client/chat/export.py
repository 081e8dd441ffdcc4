"""A conversation as a file that the person asked for: a transcript, or OpenAI's messages."""

from __future__ import annotations

import os
from pathlib import Path

from noghost.client.transcript import Transcript
from noghost.client.transcript.forms import write
from noghost.errors import ConfigError


def export(transcript: Transcript, path: Path) -> None:
    """Write it to a new file, for its owner alone: JSON by that ending, else Markdown. Raises ConfigError."""
    text = write(transcript, "openai" if path.suffix == ".json" else "transcript")
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"could not write {path}: {(error.strerror or '').lower()}", "name a new file") from None
