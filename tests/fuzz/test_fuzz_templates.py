"""Chat templates, hostile ones and made-up ones, on any messages: a text, or one of our errors; nothing else, and
nothing of the template or the messages is changed. A bomb of memory is the instance's bound's affair."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.effort import effort
from instance.forked import in_child
from noghost.engine.chat import CHATML, ChatTemplate
from noghost.errors import EngineError, RequestError
from noghost.instance.sandbox import Bounds, Fences, refuse_more_memory

NAMES = ("messages", "message", "tools", "bos_token", "add_generation_prompt", "x", "loop", "namespace()", "cycler")
EXPRESSIONS = (
    *NAMES,
    *("messages[0]", "messages[0].content", "messages[-1]['role']", "messages[99]", "x.y.z", "none", "1/0", "'a'*99"),
    *("messages|length", "messages|tojson", "x|upper", "messages|nosuch", "range(99999999)", "range(9)|list", "[1]+x"),
    *("''.__class__", "messages.__class__.__mro__", "x.__init__.__globals__", "messages.append(1)", "[].pop()"),
    *(
        "strftime_now('%Y')",
        "strftime_now(1)",
        "raise_exception('no')",
        "raise_exception(messages)",
        "self.x()",
        "'{}'",
    ),
    *("'%s'%messages", "'{0.__class__}'.format(messages)", "messages|map(attribute='content')|join", "lipsum(1)"),
)
SHAPES = (
    "{{{{ {0} }}}}",
    "{{% for message in {0} %}}{1}{{% endfor %}}",
    "{{% if {0} %}}{1}{{% else %}}{1}{{% endif %}}",
    "{{% set x = {0} %}}{1}",
    "{{% macro m(a) %}}{1}{{% endmacro %}}{{{{ m({0}) }}}}",
    "{{% generation %}}{1}{{% endgeneration %}}{{{{ {0} }}}}",
    "{{% break %}}{1}",
    "{1}{{% {0} %}}",
    "{{#{1}",
    "{1}<|im_start|>\n  {{%- if {0} -%}} a {{%- endif %}}",
)
templates = st.recursive(
    st.sampled_from(["", "text", "{{ message.content }}", "{% endfor %}", "\0", "\u202e", "{{"]),
    lambda inner: st.builds(str.format, st.sampled_from(SHAPES), st.sampled_from(EXPRESSIONS), inner),
    max_leaves=6,
)
texts = st.text(max_size=20) | st.sampled_from(["<|im_end|>", "{{ 7*7 }}", "{% raise %}", "</s>", "\ud7ff\ue000"])
parts = st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "image"]), "text": texts}), max_size=2)
contents = st.none() | texts | parts | st.integers()
messages = st.lists(
    st.fixed_dictionaries({"role": texts | st.sampled_from(["user", "system"]), "content": contents}), max_size=4
)


def render(source: str, conversation: list[dict[str, Any]]) -> str | None:
    """The text, or None where one of our errors was raised; one of another kind goes through."""
    try:
        return ChatTemplate(source, "<s>", "</s>").render(conversation)
    except (EngineError, RequestError) as error:
        told = str(error)
    assert not any(text in told for text in said(conversation))
    return None


def said(conversation: list[dict[str, Any]]) -> list[str]:
    """What is long enough to be known again in a message of ours."""
    return [one["content"] for one in conversation if isinstance(one["content"], str) and len(one["content"]) > 12]


@effort(300)
@given(source=templates, conversation=messages)
def test_any_template_on_any_messages(source: str, conversation: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(conversation)
    render(source, conversation)
    assert conversation == before


@effort(100)
@given(conversation=messages)
def test_the_models_form_takes_any_text_as_it_is(conversation: list[dict[str, Any]]) -> None:
    rendered = render(CHATML, conversation)
    for one in conversation:
        if rendered is not None and isinstance(one["content"], str):
            assert one["content"] in rendered


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
        "{% set _ = messages.append({}) %}",
        "{{ range(100000001)|list }}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
        "{% extends x %}",
        "{{ strftime_now.__globals__ }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ " + "(" * 4000 + ")" * 4000 + " }}",
        "{{ " + "-" * 20000 + "1 }}",
        "{% for a in range(9) %}" * 60 + "{% endfor %}" * 60,
    ],
)
def test_a_hostile_template_gets_nothing(source: str) -> None:
    rendered = render(source, [{"role": "user", "content": "a secret of thirteen words"}])
    assert rendered is None or ("root:" not in rendered and "__builtins__" not in rendered)


def test_a_bomb_of_memory_stays_in_its_instance() -> None:
    """Control: without the bound the text is made."""
    bomb = "{{ ('a' * 200000000)|length }}"

    def bounded() -> list[str | None]:
        free = render(bomb, [])
        refuse_more_memory(Bounds((), False, 0, 0, 64 << 20, Fences(None, None, lock=False), lambda _: None))
        return [free, render(bomb, []), render("{{ 'small' }}", [])]

    assert in_child(bounded) == ["200000000", None, "small"]
