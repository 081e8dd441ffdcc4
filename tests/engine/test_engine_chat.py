"""Chat templates do what transformers does with them, and an error holds nothing of a message."""

from __future__ import annotations

import ctypes
import traceback
from datetime import datetime

import pytest

from noghost.engine.chat import CHATML, ChatTemplate, flatten
from noghost.engine.llama import C
from noghost.errors import EngineError, NoghostError, RequestError

MARKER = "zq-marker-zq"
USER = {"role": "user", "content": MARKER}


def render(source: str, *messages: dict[str, object], **kwargs: object) -> str:
    return ChatTemplate(source, "<s>", "</s>").render(messages or (USER,), **kwargs)  # type: ignore[arg-type]


def test_chatml_is_what_llama_cpp_makes_of_it() -> None:
    roles = [("system", "Be brief."), ("user", "Grüße 👻"), ("assistant", ""), ("user", "\n")]
    chat = (C.llama_chat_message * len(roles))(*((r.encode(), c.encode()) for r, c in roles))
    for add in (True, False):
        buffer = ctypes.create_string_buffer(4096)
        size = C.llama_chat_apply_template(b"chatml", chat, len(roles), add, buffer, len(buffer))
        template = ChatTemplate(None, "", "")
        messages = [{"role": role, "content": content} for role, content in roles]
        assert template.render(messages, add_generation_prompt=add) == buffer.raw[:size].decode()


def test_bos_eos_tools_and_own_variables_reach_the_template() -> None:
    source = "{{ bos_token }}{{ eos_token }}{{ tools | tojson }}{{ enable_thinking }}{{ add_generation_prompt }}"
    text = render(source, tools=[{"name": "ü<b>"}], enable_thinking=False, add_generation_prompt=False)
    assert text == '<s></s>[{"name": "ü<b>"}]FalseFalse'
    assert render("{{ tools is none }}") == "True"


def test_a_template_sees_nothing_of_python() -> None:
    assert render("{{ raise_exception.__globals__ }}{{ messages.__class__ }}") == ""


def test_blocks_are_trimmed_as_in_transformers() -> None:
    assert render("  {% if true %}\n  x\n  {% endif %}\ny") == "  x\ny"


def test_loops_can_break_and_continue() -> None:
    assert (
        render(
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}"
            "{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}"
        )
        == "023"
    )


def test_the_generation_tag_has_no_effect() -> None:
    assert render("a{% generation %}{% set x = 'b' %}{{ x }}{% endgeneration %}{{ x }}c") == "abbc"


def test_the_time_can_be_asked() -> None:
    before = datetime.now().astimezone().strftime("%Y")
    assert before <= render("{{ strftime_now('%Y') }}") <= datetime.now().astimezone().strftime("%Y")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
    ],
)
def test_content_is_flattened_and_the_message_not_changed(content: object, text: str) -> None:
    message = {"role": "user", "content": content, "name": "n"}
    assert flatten(message) == {"role": "user", "content": text, "name": "n"}
    assert message["content"] is content
    assert flatten({"role": "assistant"}) == {"role": "assistant", "content": ""}


@pytest.mark.parametrize(
    "content",
    [
        5,
        {"type": "text", "text": MARKER},
        [MARKER],
        [{"type": "image_url", "image_url": MARKER}],
        [{"type": "text", "text": 3}],
        [{"type": "text"}],
    ],
)
def test_what_is_not_text_is_the_callers_fault(content: object) -> None:
    with pytest.raises(RequestError) as caught:
        flatten({"role": "user", "content": content})
    assert (caught.value.status, caught.value.param) == (400, "messages")
    assert_no_content(caught.value)


def test_a_refusal_shows_the_templates_words() -> None:
    with pytest.raises(RequestError, match="roles must alternate") as caught:
        render("{{ raise_exception('roles must alternate') }}")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("{{ raise_exception('unknown: ' + messages[0].content) }}", RequestError),
        ("{{ raise_exception(messages[0]) }}", RequestError),
        ("{{ messages[0].content + 1 }}", EngineError),
        ("{{ messages[0].content.nothing.at_all }}", EngineError),
        ("{{ messages[0][messages[0].content].x }}", EngineError),
        ("{{ {}[messages[0].content].x }}", EngineError),
        ("{{ messages.append(messages[0]) }}", EngineError),
        ("{{ messages[0].__class__.__mro__ }}", EngineError),
        ("{% include messages[0].content %}", EngineError),
    ],
)
def test_an_error_of_the_template_holds_no_content(source: str, kind: type[NoghostError]) -> None:
    with pytest.raises(kind) as caught:
        render(source)
    assert_no_content(caught.value)


def test_a_template_that_does_not_compile_is_an_engine_error() -> None:
    for source in ("{% if %}", "{{ x | nothing }}", "{% generation %}"):
        with pytest.raises(EngineError, match="chat template"):
            ChatTemplate(source, "", "")


def test_the_fallback_is_used_only_without_a_template() -> None:
    assert ChatTemplate(None, "", "").source == CHATML
    assert ChatTemplate("", "", "").render([USER]) == ""


def assert_no_content(error: NoghostError) -> None:
    assert MARKER not in str(error) + repr(error)
    assert MARKER not in "".join(traceback.format_exception(error))
    assert error.__context__ is None or MARKER not in repr(error.__context__) or error.__suppress_context__
