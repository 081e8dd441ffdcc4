"""What a conversation's request asks of a model: its prompt, and what its answer may be. In an instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noghost.api.schemas import ChatMessage, ChatRequest
from noghost.engine.calls import Calls, chosen
from noghost.engine.families.family import Family
from noghost.engine.families.manner import Manner
from noghost.engine.families.written import MOST_CALLS
from noghost.engine.loaded import Loaded
from noghost.engine.schema import Schema
from noghost.engine.told_tools import told
from noghost.errors import RequestError

ALWAYS = "the reasoning of this model cannot be turned off; send reasoning_effort low"
NOT_HELD = "this model cannot reason before an answer that is held to a form; leave thinking out"


@dataclass(frozen=True, repr=False)  # no repr: it would hold content
class Asked:
    """The prompt, how the model answers it, the tools that it may call, and what the answer is held to."""

    prompt: str
    manner: Manner
    tools: Sequence[Mapping[str, Any]]
    held: Schema | Calls | None


def asked_of(loaded: Loaded, body: ChatRequest) -> Asked:
    """Render what is asked. Raises RequestError where this model cannot do it."""
    tools, schema = body.offered, body.held_to
    is_held = body.must_call or schema is not None
    variables = ({"enable_thinking": False} if is_held or body.goes_on else {}) | body.template_variables
    manner, prompt = prompt_of(
        loaded,
        body.messages,
        tools,
        add_generation_prompt=body.add_generation_prompt,
        continue_final_message=body.continue_final_message,
        **variables,
    )
    prompt += unthought(manner.family, prompt, body, is_held)
    return Asked(prompt, manner, tools, held_of(manner.family, prompt, body, schema))


def prompt_of(
    loaded: Loaded, messages: Sequence[ChatMessage], tools: Sequence[Mapping[str, Any]] = (), **options: Any
) -> tuple[Manner, str]:
    """How the model answers, and the prompt. A template that shows no tools is given them as text."""
    template = loaded.template
    plain = [message.plain() for message in messages]
    called = bool(tools) or any("tool_calls" in message for message in plain)
    is_told = called and not template.takes_tools
    manner = loaded.manners.told if is_told else loaded.manners.own
    if is_told:
        plain, tools = told(plain, tools), ()
    return manner, template.render_open(plain, manner.family.opens_text, tools=tools or None, **options)


def unthought(family: Family, prompt: str, body: ChatRequest, is_held: bool) -> str:
    """What ends the reasoning that a prompt opens and that is not to be. What is held to a form begins at once, unless
    the request asks for reasoning."""
    if family.syntax is None and body.thinks is False:
        raise RequestError(ALWAYS, code="unsupported_parameter", param="thinking")
    if family.syntax is None and body.thinks and is_held:
        raise RequestError(NOT_HELD, code="unsupported_parameter", param="thinking")
    return family.close(prompt) if body.thinks is False or (is_held and not body.thinks) else ""


def held_of(family: Family, prompt: str, body: ChatRequest, schema: Schema | None) -> Schema | Calls | None:
    """What the answer is held to."""
    thinks = bool(body.thinks)
    most = body.most_calls or MOST_CALLS
    tools = chosen(body.offered, body.chosen)
    if body.must_call:
        return Calls(family, prompt, tools, most=most, thinks=thinks)
    if schema is not None and not (tools or thinks or family.written.answer):
        return schema
    if schema is not None:
        return Calls(family, prompt, tools, most=most, thinks=thinks, otherwise=schema)
    if not tools or not body.holds_calls or not family.written.marker:
        return None
    return Calls(family, prompt, tools, most=most, free=True)
