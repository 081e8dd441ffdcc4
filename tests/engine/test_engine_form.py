"""A conversation reaches each template in the form that it takes, and nothing of it is dropped on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.families import TOOLS, source_of
from noghost.engine.chat import ChatTemplate
from noghost.engine.model import Model
from noghost.errors import NoghostError, RequestError

MARKER = "zq-marker-zq"
USER = {"role": "user", "content": "?"}
SHOW = "{% for m in messages %}{{ m | tojson }}{% endfor %}"


def asks(arguments: Any = "{}", content: str | None = None, **more: Any) -> dict[str, Any]:
    calls = [{"id": "a", "function": {"name": "get_time", "arguments": arguments}}]
    return {"role": "assistant", "content": content, "tool_calls": calls, **more}


def shown(source: str, *messages: dict[str, Any], **kwargs: Any) -> str:
    return ChatTemplate(source, "<s>", "</s>").render([USER, *messages], **kwargs)


def test_arguments_become_an_object_and_what_is_missing_is_filled_in() -> None:
    assert json.loads(shown(SHOW.replace("messages", "messages[1:]"), asks('{"a": 1}'))) == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "id": "a", "function": {"name": "get_time", "arguments": {"a": 1}}}],
    }
    assert '"arguments": {}' in shown(SHOW, asks(""))
    assert '"arguments": {"a": 1}' in shown(SHOW, asks({"a": 1})), "an object stays one"
    assert '"name": "get_time"' in shown("{{ messages[2] | tojson }}", asks(), {"role": "tool", "tool_call_id": "a"})
    assert '"name"' not in shown("{{ messages[2] | tojson }}", asks(), {"role": "tool", "tool_call_id": "b"})


@pytest.mark.parametrize("empty", [None, []])
def test_a_message_without_calls_has_no_key_for_them(empty: Any) -> None:
    assert shown("{{ 'tool_calls' in messages[1] }}", {"role": "assistant", "tool_calls": empty}) == "False"


@pytest.mark.parametrize("arguments", ['{"a": ' + MARKER, "[]", "5", f'"{MARKER}"', "[" * 100_000])
def test_arguments_that_are_no_object_are_refused_without_being_shown(arguments: str) -> None:
    with pytest.raises(RequestError, match="arguments of a tool call") as caught:
        shown(SHOW, asks(arguments))
    assert (caught.value.status, caught.value.param) == (400, "messages")
    assert_no_content(caught.value)


def test_a_template_that_joins_arguments_to_text_gets_them_as_they_were_written() -> None:
    written = '{"a":  1}'
    assert written in shown(source_of("deepseek-r1-distill"), asks(written))
    assert '{"a": 1}' in shown(source_of("deepseek-r1-distill"), asks({"a": 1}))


@pytest.mark.parametrize("template", ["deepseek-r1-distill", "deepseek-r1-llama.cpp"])
def test_words_beside_a_call_come_before_it_where_the_template_takes_only_one_of_them(template: str) -> None:
    text = shown(source_of(template), asks(content="I look."))
    assert 0 < text.index("I look.") < text.index("get_time")


@pytest.mark.parametrize(("template", "times"), [("qwen3", 1), ("glm-4.7", 1), ("gpt-oss", 1), ("gemma3", 0)])
def test_reasoning_and_words_beside_a_call_are_shown_once(template: str, times: int) -> None:
    messages = [asks(content="I look.", reasoning_content="They ask.")] if times else []
    text = shown(source_of(template), *messages)
    assert [text.count(words) for words in ("They ask.", "I look.", "get_time")] == [times] * 3


def test_a_tool_without_a_description_gets_an_empty_one_only_where_it_must() -> None:
    bare = [{"type": "function", "function": {"name": "get_time", "description": None}}]
    assert "type get_time = () => any" in shown(source_of("gpt-oss"), tools=bare)
    assert '"description": null' in shown(source_of("qwen3"), tools=bare)
    assert "// Does get_time." in shown(source_of("gpt-oss"), tools=TOOLS)


def test_a_template_tells_whether_it_takes_tools(model: Model) -> None:
    taking = {"qwen2.5", "qwen3", "llama3.1", "mistral-nemo", "mistral-small-3.2", "gpt-oss", "glm-4.5", "glm-4.7"}
    for name in taking | {"gemma3", "deepseek-r1-distill"}:
        assert ChatTemplate(source_of(name), "", "").takes_tools == (name in taking), name
    assert not ChatTemplate(model.chat_template, model.bos, model.eos).takes_tools
    assert not ChatTemplate(None, "", "").takes_tools


def test_a_template_that_fails_on_the_made_up_dialogue_still_serves() -> None:
    assert shown("{{ messages[0].content }}{% if messages | length > 1 %}{{ raise_exception('no') }}{% endif %}") == "?"


def test_no_template_runs_before_it_is_asked_to() -> None:
    endless = ChatTemplate("{% for i in range(10**5) %}{% for j in range(10**5) %}x{% endfor %}{% endfor %}", "", "")
    assert endless.source, "made in the warden, where it would never end"
    plain = ChatTemplate("{{ messages[0].content }}", "", "")
    assert plain.render([USER]) == "?"
    assert "_form" not in vars(plain), "a conversation without calls needs no form"


def assert_no_content(error: NoghostError) -> None:
    assert MARKER not in str(error) + repr(error)
    assert error.__context__ is None
