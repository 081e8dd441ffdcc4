"""The real model, mapped once for all tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.engine.chat import ChatTemplate
from noghost.engine.context import Context
from noghost.engine.convert import convert
from noghost.engine.model import Model
from noghost.weights.find import find


@pytest.fixture(scope="session")
def model() -> Model:
    """The default model."""
    return Model.load(find().path)


@pytest.fixture(scope="session")
def template(model: Model) -> ChatTemplate:
    """Its chat template."""
    return ChatTemplate(model.chat_template, model.bos, model.eos)


@pytest.fixture
def ctx(model: Model) -> Context:
    """A new context of 256 tokens with one compute thread."""
    context = Context(model, 256)
    context.start_threads(1)
    return context


@pytest.fixture(scope="session")
def paris(model: Model, template: ChatTemplate) -> list[int]:
    """A prompt whose greedy answer is "The capital of France is Paris." and an end of turn."""
    system = {"role": "system", "content": "You are a helpful assistant."}
    question = {"role": "user", "content": "What is the capital of France?"}
    return model.tokenize_prompt(template.render([system, question]))


@pytest.fixture(scope="session")
def q4_0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model, converted."""
    path = tmp_path_factory.mktemp("prepared") / "model.q4_0.gguf"
    convert(find().path, path, "Q4_0", 2)
    return path
