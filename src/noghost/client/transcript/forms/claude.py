"""A conversation of Claude's data export (`conversations.json`): `name`, `created_at`, `chat_messages` in their order.

A message has `sender` (`human` or `assistant`), `content` (a list of blocks, of which `text` blocks are what was said),
`text` (the same as one text, in older exports alone), `attachments` with the text that was taken from them, and `files`
by name. Since 2026 each names its `parent_message_uuid`: of a question that was edited, or an answer that was asked for
again, all branches are there. The export does not name the model, nor the branch that was shown: the last one is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from noghost.client.transcript.forms.found import Found, listed, model_or, moment, now, stamped, text_or, way_to
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptError

ROLES = {"human": "user", "user": "user", "assistant": "assistant", "system": "system"}
UNKNOWN = "claude"
ROOT = "00000000-0000-4000-8000-000000000000"  # the parent of a first message


def read(one: dict[str, Any]) -> Found:
    """Blocks that are no text (thinking, use of tools) are left out and counted; files are named in the text."""
    started = moment(one.get("created_at")) or now()
    found = Found(Transcript("Conversation", model_or(one.get("model"), UNKNOWN), started), text_or(one.get("name")))
    messages = listed(one.get("chat_messages"), "chat_messages")
    shown = _shown(messages, one.get("current_leaf_message_uuid"))
    others = len(messages) - len(shown)
    found.left_out.update({"message of another branch": others} if others else {})
    for number, message in shown:
        role = ROLES.get(str(message.get("sender")))
        if role is None:
            raise TranscriptError(f"cannot read message {number}: it is from nobody known")
        blocks = listed(message.get("content") or [], f"the content of message {number}")
        found.left_out.update(_left_out(blocks))
        text = "\n\n".join(part for part in (*_texts(message, blocks), *_files(message, number)) if part)
        found.transcript.turns.append(Turn(role, text, _times(role, message, blocks)))
    return found


def _shown(messages: list[dict[str, Any]], leaf: object) -> list[tuple[int, dict[str, Any]]]:
    """(number, message) on the way to the leaf, or to the last one. All of them where they do not tell their parents:
    an older export, or one of which a part is missing."""
    numbered = {str(message.get("uuid")): (number, message) for number, message in enumerate(messages, start=1)}
    parents = {name: message.get("parent_message_uuid") for name, (_, message) in numbered.items()}
    known = isinstance(leaf, str) and leaf in numbered
    way = way_to(leaf if known else next(reversed(numbered), None), parents, "chat_messages")
    if len(numbered) < len(messages) or not way or parents[way[0]] != ROOT:
        return list(enumerate(messages, start=1))
    return [numbered[name] for name in way]


def _texts(message: dict[str, Any], blocks: list[dict[str, Any]]) -> list[str]:
    """Of the blocks; where there are none, the message's own."""
    texts = [text_or(block.get("text")) for block in blocks if block.get("type") == "text"]
    return texts if blocks else [text_or(message.get("text"))]


def _left_out(blocks: list[dict[str, Any]]) -> Counter[str]:
    return Counter(f"{block.get('type')} block" for block in blocks if block.get("type") != "text")


def _files(message: dict[str, Any], number: int) -> Iterator[str]:
    """Each by its name, with the text that was taken from it."""
    for field in ("attachments", "files"):
        for file in listed(message.get(field) or [], f"{field} of message {number}"):
            yield f"[file: {text_or(file.get('file_name'), 'without a name')}]"
            yield text_or(file.get("extracted_content"))


def _times(role: str, message: dict[str, Any], blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """When it was sent; of an answer, when its blocks began and ended, where they tell."""
    if role != "assistant":
        return stamped(began=message.get("created_at"))
    starts = [block["start_timestamp"] for block in blocks if block.get("start_timestamp")]
    stops = [block["stop_timestamp"] for block in blocks if block.get("stop_timestamp")]
    return stamped(began=[*starts, message.get("created_at")][0], ended=stops[-1] if stops else None)
