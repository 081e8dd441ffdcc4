"""The prompt of a conversation whose last message is the assistant's, by the families' own templates: the answer goes
on with its words, and not with a reasoning that the template opened before them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.families import joined, source_of
from noghost.api.asked import Asked, asked_of
from noghost.api.schemas import ChatRequest
from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.loaded import Loaded
from noghost.engine.model import Model
from noghost.weights.find import find

TALK = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "It is wa"}]
# template, and how the prompt ends
GOES_ON = [
    ("deepseek-r1-distill", "<｜Assistant｜><think>\n</think>It is wa"),
    ("qwen3", "<think>\n\n</think>\n\nIt is wa"),
    ("glm-4.7", "<|assistant|></think>It is wa"),
    ("gpt-oss", "<|start|>assistant<|channel|>final<|message|>It is wa"),
    ("llama3.1", "<|end_header_id|>\n\nIt is wa"),
]
Ask = Callable[..., Asked]


@pytest.fixture(scope="module")
def ask() -> Ask:
    """Of the default model with the template of another."""
    model = Model.load(find().path)
    context = Context(model, 256)

    def asked(name: str, **body: object) -> Asked:
        template = ChatTemplate(source_of(name), model.bos, model.eos)
        return asked_of(Loaded(model, context, template), ChatRequest.model_validate({"messages": TALK, **body}))

    return asked


@pytest.mark.parametrize(("name", "end"), GOES_ON)
@pytest.mark.parametrize("thinks", [None, True])
def test_it_goes_on_past_the_reasoning(ask: Ask, name: str, end: str, thinks: bool | None) -> None:
    """Even where thinking is asked for: the words are past it."""
    asked = ask(name, noghost={"thinking": thinks})
    assert asked.prompt.endswith("It is wa" if thinks else end)
    parser = asked.manner.family.parser(asked.prompt)
    said = joined([*parser.feed("rm there."), *parser.finish()])
    assert (said.reasoning, said.content) == ("", "rm there.")


def test_control_another_answer_begins_with_its_reasoning(ask: Ask) -> None:
    asked = ask("deepseek-r1-distill", continue_final_message=False)
    assert asked.prompt.endswith("<｜Assistant｜><think>\n")
    parser = asked.manner.family.parser(asked.prompt)
    assert joined(parser.feed("rm there.")).reasoning == "rm there."
