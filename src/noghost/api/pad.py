"""Answers whose sizes say little: streamed events of one size, whole answers in steps. In an instance.

Encryption hides what an answer says and not how long its parts are; from the sizes of streamed records its topic can
be guessed (Whisper Leak, arXiv 2511.03675), and even its words. OpenAI's API has the same remedy: a chunk's field
`obfuscation`, and `stream_options.include_obfuscation` for those who do not want it.

Covered: each streamed event is one record (tls.py), filled up to the next multiple of EVENT_BYTES, the first, the
last and [DONE] too; what does not fit into one, a very long token or a long model name, takes two. A whole answer is
filled up to the next multiple of WHOLE_BYTES.
Not covered: how many events there are and when each comes, so how many tokens and how fast; the length of a whole
answer in steps of WHOLE_BYTES, or of EVENT_BYTES where the last events of a stream repeat it (/v1/responses);
requests, whose size is the caller's; errors before the answer, whose texts are constants; an answer that its caller
asked to have unfilled.

The filling is one character again and again: inside of TLS a byte is as good as any other, since nothing is
compressed there (TLS 1.3 cannot), and random ones would cost entropy and hide nothing more.
"""

from __future__ import annotations

import json
from typing import Any

EVENT_BYTES = 512  # a token's event is about 240 bytes long, the last with its figures about 440
WHOLE_BYTES = 4096
FIELD = b',"obfuscation":""'
COMMENT = b": \n"
FILLING = b"0"


def event(data: dict[str, Any], *, pads: bool) -> bytes:
    """One server-sent event; `pads`: a chunk of an answer gets its field, anything else a comment before it."""
    line = b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    if not pads:
        return line
    if "object" not in data:
        return commented(line)
    filling = FILLING * missing(len(line) + len(FIELD), EVENT_BYTES)
    return line[: -len(b"}\n\n")] + FIELD[:-1] + filling + b'"}\n\n'


def named(data: dict[str, Any], *, pads: bool) -> bytes:
    """One server-sent event of a stream whose events have names: that of its `type`."""
    line = f"event: {data['type']}\n".encode() + event(data, pads=False)
    return commented(line) if pads else line


def commented(line: bytes) -> bytes:
    """An event that has no field to fill, with a comment, which every reader of events skips."""
    filling = FILLING * missing(len(COMMENT) + len(line), EVENT_BYTES)
    return COMMENT[:-1] + filling + COMMENT[-1:] + line


def whole(data: dict[str, Any], *, pads: bool) -> bytes:
    """A whole answer as JSON; spaces after it are nothing to JSON."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return body + b" " * missing(len(body), WHOLE_BYTES) if pads else body


def missing(length: int, step: int) -> int:
    """How much is missing to the next multiple of `step`."""
    return -length % step
