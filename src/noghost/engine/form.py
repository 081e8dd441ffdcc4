"""The form in which a chat template wants tool calls, reasoning and tools. PURE, in an instance.

Templates differ in what they take, and few of them refuse the rest: most drop a call, or write Python's form of a dict.
So each form is tried on a small made-up dialogue, and the first that comes through is the template's, as llama.cpp does
it (common/chat.cpp: capabilities). Not in the warden: a template is a stranger's program, and runs where it is confined
and has a deadline. Where nothing has to differ, a message reaches the template as it would in transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noghost.errors import NoghostError, RequestError

Message = Mapping[str, Any]
Render = Callable[[Sequence[Message], Sequence[Mapping[str, Any]] | None], str]

FORMED = frozenset({"tool_calls", "reasoning_content"})  # the keys of a message that a form changes

# Of the made-up dialogue. Mistral's templates refuse an id that has not nine letters or digits.
NAME, KEY, VALUE, TEXT, CALL_ID = "probe_name", "probe_key", "probe_value", "probe text", "probe0000"
USER = {"role": "user", "content": TEXT}
SCHEMA = {"type": "object", "properties": {KEY: {"type": "string"}}}


@dataclass(frozen=True)
class Form:
    """What is done to a conversation.

    `arguments_text`: a call's arguments stay JSON text; else they become an object. `calls_apart`: a message with
    calls has no content, and its words stand in a message of their own before it. `described`: a tool without a
    description gets an empty one. `takes_tools`: tools are shown to the model. `reasoning`: the name under which the
    template reads it; "blocks" are parts of the content.
    """

    arguments_text: bool = False
    calls_apart: bool = False
    described: bool = False
    takes_tools: bool = True
    reasoning: str = "reasoning_content"

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Return `messages`, whose contents are texts, in this form. Raises RequestError for wrong arguments."""
        names: dict[Any, str] = {}
        return [formed for message in messages for formed in self._formed(message, names)]

    def tools(self, tools: Sequence[Mapping[str, Any]] | None) -> Sequence[Mapping[str, Any]] | None:
        """Return `tools` in this form; None where there are none."""
        if not tools or not self.described:
            return tools or None
        return [{**tool, "function": _described(tool["function"])} for tool in tools]

    def _formed(self, message: Message, names: dict[Any, str]) -> Iterator[dict[str, Any]]:
        """One message, or two. `names`: of the calls so far, by their ids."""
        calls = message.get("tool_calls") or ()
        formed = {key: value for key, value in message.items() if key != "tool_calls"}
        if message.get("role") == "tool" and message.get("tool_call_id") in names:
            formed.setdefault("name", names[message["tool_call_id"]])
        if calls:
            names |= {call.get("id"): call["function"]["name"] for call in calls}
            if self.calls_apart and formed["content"]:
                yield {key: value for key, value in formed.items() if key != "reasoning_content"}
            if self.calls_apart:
                formed["content"] = None
            formed["tool_calls"] = [self._call(call) for call in calls]
        yield self._reasoned(formed)

    def _call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        arguments = call["function"].get("arguments") or "{}"
        written = isinstance(arguments, str)
        if self.arguments_text and not written:
            arguments = json.dumps(arguments, ensure_ascii=False)
        elif written and not self.arguments_text:
            arguments = _object(arguments)
        return {"type": "function", **call, "function": {**call["function"], "arguments": arguments}}

    def _reasoned(self, message: dict[str, Any]) -> dict[str, Any]:
        """Put the reasoning where the template reads it, too."""
        text = message.get("reasoning_content")
        if self.reasoning == "reasoning_content" or not text:
            return message
        content = message["content"]
        if self.reasoning == "blocks":
            said = [{"type": "text", "text": content}] if content else []
            return {**message, "content": [{"type": "thinking", "thinking": text}, *said]}
        if content and "tool_calls" in message:  # gpt-oss: one of the two beside a call, and it writes both alike
            return {**message, "content": "", "thinking": f"{text}\n\n{content}"}
        return {**message, "thinking": text}


def _described(function: Mapping[str, Any]) -> Mapping[str, Any]:
    return function if function.get("description") is not None else {**function, "description": ""}


def _object(arguments: str) -> dict[str, Any]:
    try:
        read = json.loads(arguments)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        # not in the handler above: its exception holds the text
        raise RequestError("the arguments of a tool call are not the JSON text of an object", param="messages")
    return read


def form_of(source: str, render: Render) -> Form:
    """Find the form of the template with this source. `render` renders messages and tools as they are."""
    form = Form(reasoning=_reasoning_of(source))
    if not _shows(NAME, render, form, [USER]):
        form = replace(form, described=True)
        form = form if _shows(NAME, render, form, [USER]) else replace(form, described=False, takes_tools=False)
    tried = (
        replace(form, arguments_text=as_text, calls_apart=apart) for apart in (False, True) for as_text in (False, True)
    )
    return next((one for one in tried if all(_comes_through(one, render, text) for text in ("", TEXT))), form)


def _reasoning_of(source: str) -> str:
    """The name under which it reads reasoning: gpt-oss's and Mistral's own, or the common one."""
    if "'[THINK]' + block['thinking']" in source:
        return "blocks"
    return "thinking" if "message.thinking" in source else "reasoning_content"


def _comes_through(form: Form, render: Render, content: str) -> bool:
    """Tell whether a call beside `content` is shown, and its arguments neither as Python nor as JSON in JSON."""
    call = {"id": CALL_ID, "type": "function", "function": {"name": NAME, "arguments": json.dumps({KEY: VALUE})}}
    result = {"role": "tool", "tool_call_id": CALL_ID, "content": TEXT}
    shown = _shown(render, form, [USER, {"role": "assistant", "content": content, "tool_calls": [call]}, result], None)
    return NAME in shown and VALUE in shown and f"'{KEY}'" not in shown and '\\"' not in shown


def _shows(name: str, render: Render, form: Form, messages: Sequence[Message]) -> bool:
    """Tell whether a tool of this name is shown."""
    tool = {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
    return name in _shown(render, form, messages, [tool])


def _shown(render: Render, form: Form, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None) -> str:
    """What the template makes of a made-up dialogue; "" where it refuses it or fails."""
    try:
        return render(form.messages(messages), form.tools(tools))
    except NoghostError:
        return ""
