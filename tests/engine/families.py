"""Templates of the families, tools, and an answer's events joined. For the tests of the parsers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noghost.engine.families.events import CallArguments, CallBegun, CallEnded, Content, Event, Reasoning
from noghost.engine.families.family import Family, family_of

TEMPLATES = Path(__file__).parents[1] / "vectors" / "templates"


def source_of(name: str) -> str:
    """A template's text; README.md beside them says where each is from."""
    return (TEMPLATES / f"{name}.jinja").read_text("utf-8")


def family(name: str) -> Family:
    """The family that this template is recognised as."""
    return family_of(source_of(name))


def tool(name: str, **properties: Any) -> dict[str, Any]:
    """A tool as OpenAI's API takes it."""
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": parameters}}


TOOLS = [
    tool("get_weather", city={"type": "string"}, days={"type": "integer"}, metric={"type": "boolean"}),
    tool("get_time"),
    tool("get", what={"anyOf": [{"type": "string"}, {"type": "null"}]}, where={}),
]


@dataclass
class Answer:
    """All that an answer said."""

    reasoning: str = ""
    content: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)  # name and arguments


def joined(events: Iterable[Event]) -> Answer:
    """Join events, and see that they come in an order that makes sense."""
    answer, ended = Answer(), 0
    for event in events:
        match event:
            case Reasoning(text):
                answer.reasoning += text
            case Content(text):
                answer.content += text
            case CallBegun(index, name):
                assert index == ended == len(answer.calls), "calls come one after the other"
                answer.calls.append((name, ""))
            case CallArguments(index, text):
                assert index == ended, "arguments are of the open call"
                answer.calls[index] = (answer.calls[index][0], answer.calls[index][1] + text)
            case CallEnded(index):
                assert index == ended == len(answer.calls) - 1, "an open call ends"
                ended += 1
        assert getattr(event, "text", "-"), "no event is empty"
    assert ended == len(answer.calls), "each call ends"
    return answer


def read(
    of: Family, pieces: Iterable[str], prompt: str = "<|start|>assistant", tools: Sequence[dict[str, Any]] = TOOLS
) -> Answer:
    """Feed a parser of its own with `pieces`, and finish."""
    parser = of.parser(prompt, tools)
    return joined([*(event for piece in pieces for event in parser.feed(piece)), *parser.finish()])
