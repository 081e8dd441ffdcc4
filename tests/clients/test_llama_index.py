"""LlamaIndex's OpenAILike, unchanged: whole and streamed, a conversation and a text."""

from __future__ import annotations

from typing import Any

import pytest

from clients.installed import client
from running import Service

openai_like = client("llama_index.llms.openai_like")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def model(service: Service) -> Any:
    options = {"model": "default", "temperature": 0, "max_tokens": 32, "max_retries": 0, "context_window": 8192}
    return openai_like.OpenAILike(api_base=f"{service.url}/v1", api_key="none", is_chat_model=True, **options)


@pytest.fixture(scope="module")
def asked() -> Any:
    from llama_index.core.llms import ChatMessage

    pairs = (("system", "You are a helpful assistant."), ("user", "What is the capital of France?"))
    return [ChatMessage(role=role, content=text) for role, text in pairs]


def test_whole(model: Any, asked: Any) -> None:
    assert model.chat(asked).message.content == "The capital of France is Paris."


def test_streamed(model: Any, asked: Any) -> None:
    pieces = [chunk.delta for chunk in model.stream_chat(asked)]
    assert len(pieces) > 3
    assert "".join(pieces) == "The capital of France is Paris."
