"""The zip file of a data export: the texts of `conversations.json`, or of `conversations-000.json` and its followers,
into which ChatGPT has split it since 2026. Nothing else in it is read, and nothing is unpacked to a disk."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from noghost.client.transcript.file import decoded
from noghost.errors import TranscriptError

NAME = re.compile(r"(?:.*/)?conversations(?:-[0-9]+)?\.json")
# The last one: it asks for a password.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def texts(path: Path) -> list[str]:
    """In the order of their names. Raises TranscriptError where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(filter(NAME.fullmatch, archive.namelist()))
            found = [decoded(archive.read(name)) for name in names]
    except BROKEN:
        raise TranscriptError("cannot read the archive: it is damaged, or not a plain zip file") from None
    if not found:
        raise TranscriptError("cannot find the conversations: the archive has no conversations.json")
    return found
