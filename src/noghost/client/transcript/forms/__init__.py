"""Other forms of a conversation: read into transcripts, and written from them. Of the caller's side, for files.

found = list(read(text))          # the form is told from the text
text = write(transcript, "openai")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from noghost.client.transcript.forms import chatgpt, claude, openai, plain, sharegpt
from noghost.client.transcript.forms.found import Found
from noghost.client.transcript.head import is_title
from noghost.client.transcript.transcript import Transcript
from noghost.errors import TranscriptError

JSON_READERS: dict[str, Callable[[dict[str, Any]], Found]] = {
    "chatgpt": chatgpt.read,
    "claude": claude.read,
    "openai": openai.read,
    "sharegpt": sharegpt.read,
}
# By what one recognises an object of each form: the field that holds its turns.
FIELDS = {"mapping": "chatgpt", "chat_messages": "claude", "messages": "openai", "conversations": "sharegpt"}
WRITERS: dict[str, Callable[[Transcript], str]] = {
    "transcript": Transcript.render,
    "openai": openai.write,
    "sharegpt": sharegpt.write,
    "text": plain.write,
}
READS = ("transcript", *JSON_READERS, "text")


def read(text: str, form: str | None = None) -> Iterator[Found]:
    """Every conversation in a file. Raises TranscriptError for what is none, with its number."""
    form = form or guess(text)
    if form == "transcript":
        yield Found(Transcript.parse(text))
    elif form == "text":
        yield plain.read(text)
    else:
        yield from _read_json(load(text), JSON_READERS[form])


def write(transcript: Transcript, form: str) -> str:
    """The text of a file in that form, one of WRITERS."""
    return WRITERS[form](transcript)


def guess(text: str) -> str:
    """The form of a file: by its first line, or by the field that holds the turns."""
    if is_title(text.partition("\n")[0]):
        return "transcript"
    if not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return "text"
    conversations = load(text)
    fields = [field for field in FIELDS if conversations and field in conversations[0]]
    if not fields:
        raise TranscriptError("cannot tell the form of the conversation", "name it with --from")
    return FIELDS[fields[0]]


def load(text: str) -> list[dict[str, Any]]:
    """The conversations of a JSON file: one, a list of them, or one on each line. A list of messages is one as well."""
    try:
        found = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        found = _lines(text)
    if isinstance(found, list) and found and isinstance(found[0], dict) and "role" in found[0]:
        found = {"messages": found}
    conversations = found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in conversations):
        raise TranscriptError("cannot read the conversations: each has to be a JSON object")
    return conversations


def _lines(text: str) -> list[Any]:
    """One value on each line. Raises TranscriptError for the line that is none."""
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        try:
            found += [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError):
            reason = "this is no JSON, and neither is the file as a whole"
            raise TranscriptError(f"cannot read the conversations: line {number}: {reason}", line=number) from None
    return found


def _read_json(conversations: list[dict[str, Any]], reader: Callable[[dict[str, Any]], Found]) -> Iterator[Found]:
    """Each by the same reader; its error gets the number."""
    for number, one in enumerate(conversations, start=1):
        try:
            yield reader(one)
        except TranscriptError as error:
            raise TranscriptError(f"conversation {number}: {error.message}", error.hint) from None
