"""Transcripts for tests: a plain one, and hypothesis' own, full of what a transcript's own lines look like."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

from noghost.client.transcript import Transcript, Turn
from noghost.client.transcript.lines import ROLES

STARTED = datetime(2026, 3, 1, 14, 5)  # noqa: DTZ001  a transcript's head has no zone
SHORT = """\
# Conversation: smollm2-135m-instruct
*2026-03-01 14:05:00*

---

**USER:**

Hello.

---

**ASSISTANT:**

Hello to you.

<!-- noghost: {"began":"2026-03-01T14:05:01.000Z","seed":7} -->

---

"""
PIECES = st.sampled_from(
    [
        *(
            "---",
            "**USER:**",
            "**ASSISTANT:**",
            "**NOTE:**",
            "\\**USER:**",
            "\\\\**TOOL:**",
            "\\---",
            "----",
            "# Conversation: x",
        ),
        *(
            "<!-- noghost: {} -->",
            "<!-- noghost:",
            "\\<!-- noghost: {} -->",
            "<!-- a -->",
            "-->",
            "--",
            "```",
            "    ",
            "> ",
            "* a",
        ),
        *(
            "\n",
            "\n\n",
            "\r\n",
            "\r",
            "\t",
            " ",
            "\\",
            "\x0b",
            "\x0c",
            "\x1c",
            "\x85",
            "\u2028",
            "\ufeff",
            "é",
            "🜁",
            "\x00",
        ),
    ]
)
TEXTS = st.lists(PIECES | st.just("\n") | st.text(max_size=5), max_size=12).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FACTS = st.dictionaries(TEXTS.filter(lambda name: name != "capsule"), JSON, max_size=3)
TURNS = st.builds(Turn, st.sampled_from(ROLES), TEXTS, FACTS)
MODELS = st.text(min_size=1, max_size=20).filter(lambda name: name == name.strip(" \t\r") and "\n" not in name)
TRANSCRIPTS = st.builds(
    Transcript,
    st.sampled_from(["Conversation", "Voice Conversation"]),
    MODELS,
    st.datetimes(),
    st.lists(TURNS, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
)
