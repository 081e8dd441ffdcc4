"""LangChain's ChatOpenAI, unchanged: whole, streamed, with a tool, and held to a form."""

from __future__ import annotations

from typing import Any

import pytest

from clients.installed import client
from running import Service

langchain_openai = client("langchain_openai")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ASKED = [("system", "You are a helpful assistant."), ("user", "What is the capital of France?")]


@pytest.fixture(scope="module")
def model(service: Service) -> Any:
    options = {"model": "default", "temperature": 0, "max_tokens": 64, "max_retries": 0}
    return langchain_openai.ChatOpenAI(base_url=f"{service.url}/v1", api_key="none", **options)


def test_whole(model: Any) -> None:
    answer = model.invoke(ASKED)
    assert (answer.content, answer.usage_metadata["output_tokens"]) == ("The capital of France is Paris.", 8)


def test_streamed(model: Any) -> None:
    pieces = [chunk.content for chunk in model.stream(ASKED)]
    assert len(pieces) > 3
    assert "".join(pieces) == "The capital of France is Paris."


def test_a_tool_is_called(model: Any) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    weather = {"name": "weather", "description": "Look up the weather of a city.", "parameters": parameters}
    (call,) = model.bind_tools([weather], tool_choice="weather").invoke("How is the weather in Lima?").tool_calls
    assert (call["name"], set(call["args"])) == ("weather", {"city"})


def test_an_answer_in_a_form(model: Any) -> None:
    form = {"title": "answer", "type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}}
    held = model.with_structured_output(
        form | {"required": ["city"], "additionalProperties": False}, method="json_schema"
    )
    assert held.invoke(ASKED)["city"] in ("Paris", "Rome")
