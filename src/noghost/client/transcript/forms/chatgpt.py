"""A conversation of ChatGPT's data export (`conversations.json`): `title`, `create_time`, `mapping`, `current_node`.

`mapping` is a tree of nodes, each with `message`, `parent`, `children`. What was shown last is the way from
`current_node` up to the root; other branches are left out, and counted. Of a message: `author.role`, `create_time`,
`recipient` (a tool, or `all`), `metadata.model_slug`, and `content`, by its `content_type`: `parts` of `text` and
`multimodal_text`, `text` of `code`, `execution_output` and others, `result` of browsing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from noghost.client.transcript.forms.found import Found, model_or, moment, now, stamped, text_or, way_to
from noghost.client.transcript.lines import ROLES
from noghost.client.transcript.transcript import Transcript
from noghost.client.transcript.turn import Turn
from noghost.errors import TranscriptError

UNKNOWN = "chatgpt"


def read(one: dict[str, Any]) -> Found:
    """Left out and counted: messages without a text that was said (thoughts, memories, empty ones), and what was never
    shown."""
    nodes = one.get("mapping")
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise TranscriptError("cannot read mapping: it is no object of objects")
    shown = _way(nodes, one.get("current_node"))
    found = Found(
        Transcript("Conversation", UNKNOWN, moment(one.get("create_time")) or now()), text_or(one.get("title"))
    )
    others = sum(1 for name, node in nodes.items() if name not in shown and isinstance(node.get("message"), dict))
    found.left_out.update({"message of another branch": others} if others else {})
    for name in shown:
        if isinstance(message := nodes[name].get("message"), dict):
            _add(found, message)
    slugs = [turn.facts["model"] for turn in found.transcript.turns if "model" in turn.facts]
    found.transcript.model = model_or(one.get("default_model_slug"), slugs[-1] if slugs else UNKNOWN)
    return found


def _way(nodes: dict[str, Any], leaf: object) -> list[str]:
    """From the root to the leaf; without a leaf, to the node that stands last."""
    known = isinstance(leaf, str) and leaf in nodes
    parents = {name: node.get("parent") for name, node in nodes.items()}
    return way_to(leaf if known else next(reversed(nodes), None), parents, "mapping")


def _add(found: Found, message: dict[str, Any]) -> None:
    """One message as a turn, or one more that is left out."""
    role = _of(message, "author").get("role")
    content = _of(message, "content")
    text = _text(content, found.left_out)
    if role not in ROLES or text is None:
        found.left_out[f"{content.get('content_type')} message"] += 1
    elif text and _of(message, "metadata").get("is_visually_hidden_from_conversation") is True:
        found.left_out["hidden message"] += 1
    elif text:
        found.transcript.turns.append(Turn(str(role), text, _facts(str(role), message)))


def _text(content: dict[str, Any], left_out: Counter[str]) -> str | None:
    """What was said, or what a tool gave; None for what is neither. Parts that are no text are named in it."""
    kind = content.get("content_type")
    if kind in ("text", "multimodal_text"):
        parts = content.get("parts")
        return (
            "\n\n".join(filter(None, (_part(part, left_out) for part in parts if part)))
            if isinstance(parts, list)
            else ""
        )
    if kind in ("code", "execution_output", "tether_quote", "system_error"):
        return text_or(content.get("text"))
    return text_or(content.get("result")) if kind == "tether_browsing_display" else None


def _part(part: object, left_out: Counter[str]) -> str:
    """A text, a transcription, or the kind of what is neither."""
    if isinstance(part, str):
        return part
    fields = part if isinstance(part, dict) else {}
    if isinstance(fields.get("text"), str):
        return str(fields["text"])
    kind = text_or(fields.get("content_type"), "unknown").removesuffix("_asset_pointer")
    left_out[kind] += 1
    return f"[{kind}]"


def _facts(role: str, message: dict[str, Any]) -> dict[str, Any]:
    """When, by which model, to which tool."""
    facts = stamped(began=message.get("create_time"))
    if role == "assistant" and (slug := text_or(_of(message, "metadata").get("model_slug"))):
        facts["model"] = slug
    further = {"recipient": message.get("recipient"), "author": _of(message, "author").get("name")}
    named = {name: value for name, value in further.items() if isinstance(value, str) and value != "all"}
    return facts | ({"chatgpt": named} if named else {})


def _of(message: dict[str, Any], name: str) -> dict[str, Any]:
    value = message.get(name)
    return value if isinstance(value, dict) else {}
