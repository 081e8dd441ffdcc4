"""Make the vector files again: `python tests/vectors/transcript-v1/make_vectors.py DIRECTORY`.

What each reads as stands here by hand, and is not asked of the code; a test compares the files with a fresh run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEAD = "# Conversation: smollm2-135m-instruct\n*2026-03-01 14:05:00*\n\n---\n\n"
HELLO = "**USER:**\n\nHello.\n\n---\n\n"
ANSWER = '**ASSISTANT:**\n\nHello to you.\n\n<!-- noghost: {"seed":7} -->\n\n---\n\n'
SHORT = HEAD + HELLO + ANSWER
TURNS: list[dict[str, Any]] = [
    {"role": "user", "text": "Hello.", "facts": {}},
    {"role": "assistant", "text": "Hello to you.", "facts": {"seed": 7}},
]
HOSTILE = "a\n\n---\n\n**USER:**\n\n\\**TOOL:**\n\\\\<!-- noghost: {} -->\n<!-- noghost:\n**NOTE:**\n\n\\---\n"
ESCAPED = "a\n\n---\n\n\\**USER:**\n\n\\\\**TOOL:**\n\\\\\\<!-- noghost: {} -->\n\\<!-- noghost:\n**NOTE:**\n\n\\---\n"


def user(text: str, facts: dict[str, Any] | None = None) -> dict[str, Any]:
    """A turn of the index."""
    return {"role": "user", "text": text, "facts": facts or {}}


def written(text: str) -> str:
    """A file with one turn of that text, which is escaped already."""
    return f"{HEAD}**USER:**\n\n{text}\n\n---\n\n"


def canonical() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, text, what it reads as; each is as a writer writes it."""
    yield "short", SHORT, {"turns": TURNS}
    yield "voice", SHORT.replace("# C", "# Voice C"), {"title": "Voice Conversation", "turns": TURNS}
    yield "no-turns", HEAD, {"turns": []}
    yield "text-empty", written(""), {"turns": [user("")]}
    yield "text-blank-lines", written("\n \na\n\n"), {"turns": [user("\n \na\n\n")]}
    yield "text-like-the-format", written(ESCAPED), {"turns": [user(HOSTILE)]}
    yield "text-carriage-returns", written("a\r\nb\r"), {"turns": [user("a\r\nb\r")]}
    yield "text-other-line-ends", written("a\u2028**USER:**\x0b\x85b"), {"turns": [user("a\u2028**USER:**\x0b\x85b")]}
    yield "text-code-fence", written("```\n---\n```"), {"turns": [user("```\n---\n```")]}
    yield (
        "facts-hyphens",
        written('a\n\n<!-- noghost: {"a":"-\\u002d> -\\u002d-","b":"\\u00e9\\n"} -->'),
        {"turns": [user("a", {"a": "--> ---", "b": "é\n"})]},
    )
    yield (
        "facts-no-object",
        SHORT.replace('{"seed":7}', "[7]"),
        {"turns": [TURNS[0], TURNS[1] | {"facts": {}, "unread": "[7]"}]},
    )
    yield (
        "facts-name-twice",
        SHORT.replace('{"seed":7}', '{"seed":7,"seed":8}'),
        {"turns": [TURNS[0], TURNS[1] | {"facts": {}, "unread": '{"seed":7,"seed":8}'}]},
    )
    yield (
        "separators-in-text",
        SHORT.replace("Hello.", "a\n---\nb\n\n---\n\n**NOTE:**"),
        {"turns": [user("a\n---\nb\n\n---\n\n**NOTE:**"), TURNS[1]]},
    )
    yield "crlf", SHORT.replace("\n", "\r\n"), {"turns": TURNS, "newline": "\r\n"}
    yield "crlf-text", written("a\r\nb").replace("\n", "\r\n"), {"turns": [user("a\r\nb")], "newline": "\r\n"}


def foreign() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """As `canonical`, of files that another program wrote: they are read, and stay as they are."""
    yield "byte-order-mark", "\ufeff" + SHORT, {"turns": TURNS}
    yield "end-without-newline", SHORT.rstrip(), {"turns": TURNS}
    yield "no-blank-lines", SHORT.replace("\n\n", "\n"), {"turns": TURNS}
    yield (
        "space-at-line-ends",
        SHORT.replace("\n", " \n").replace("o. \n", "o.\n").replace("u. \n", "u.\n"),
        {"turns": TURNS},
    )
    yield "facts-spread", SHORT.replace('{"seed":7}', '{ "seed": 7 }'), {"turns": TURNS}
    yield "facts-then-blank-lines", SHORT.replace("} -->\n", "} -->\n\n\n"), {"turns": TURNS}
    yield "role-without-separator", SHORT.replace("Hello.", "**TOOL:**"), {"turns": [user("**TOOL:**"), TURNS[1]]}


def bad() -> Iterator[tuple[str, str, int]]:
    """Name, text, the line of the fault."""
    yield "empty", "", 1
    yield "title-missing", SHORT.partition("\n")[2], 1
    yield "title-of-another-kind", SHORT.replace("# C", "# Group C"), 1
    yield "title-second-level", "#" + SHORT, 1
    yield "model-missing", SHORT.replace("smollm2-135m-instruct", ""), 1
    yield "time-missing", SHORT.replace("*2026-03-01 14:05:00*\n\n", ""), 2
    yield "time-does-not-exist", SHORT.replace("03-01 14", "02-30 14"), 2
    yield "time-with-a-zone", SHORT.replace(":00*", ":00Z*"), 2
    yield "head-not-closed", SHORT.replace("---\n\n**USER", "**USER"), 4
    yield "head-with-more", SHORT.replace("---\n\n**USER", "More.\n\n---\n\n**USER"), 4
    yield "role-unknown", SHORT.replace("**USER", "**NARRATOR"), 6
    yield "role-in-lower-case", SHORT.replace("**USER:**", "**User:**"), 6
    yield "role-and-text-on-one-line", SHORT.replace("**USER:**\n\n", "**USER:** "), 6
    yield "last-turn-not-closed", SHORT.removesuffix("---\n\n"), 12
    yield "last-turn-closed-by-four", SHORT.removesuffix("---\n\n") + "----\n\n", 12
    yield "text-after-the-last-turn", SHORT + "More.\n", 12


def make(directory: Path) -> None:
    """Write every vector and `index.json`."""
    head = {
        "title": "Conversation",
        "model": "smollm2-135m-instruct",
        "started": "2026-03-01 14:05:00",
        "newline": "\n",
    }
    index = []
    for folder in ("good", "bad"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    for is_canonical, rows in ((True, canonical()), (False, foreign())):
        for name, text, reads in rows:
            index.append({"file": f"good/{name}.md", "canonical": is_canonical, **head, **reads})
            (directory / index[-1]["file"]).write_bytes(text.encode())
    for name, text, line in bad():
        index.append({"file": f"bad/{name}.md", "line": line})
        (directory / index[-1]["file"]).write_bytes(text.encode())
    not_utf8 = SHORT.encode().replace(b"Hello.", b"\xff")
    index.append({"file": "bad/not-utf-8.txt", "line": 8})
    (directory / "bad/not-utf-8.txt").write_bytes(not_utf8)
    (directory / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
