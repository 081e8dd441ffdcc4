"""litellm, unchanged, by both of its ways here: as an OpenAI server and as Anthropic's."""

from __future__ import annotations

import os
from typing import Any

import pytest

from clients.installed import client
from running import Service

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ASKED = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


@pytest.fixture(scope="module")
def litellm() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches prices when it is imported
    return client("litellm")


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", "")])
@pytest.mark.parametrize("stream", [False, True])
def test_it_is_answered(litellm: Any, service: Service, kind: str, path: str, stream: bool) -> None:
    options = {"api_base": service.url + path, "api_key": "none", "temperature": 0, "max_tokens": 32, "num_retries": 0}
    answer = litellm.completion(model=f"{kind}/default", messages=ASKED, stream=stream, **options)
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    else:
        text = answer.choices[0].message.content
        assert answer.usage.completion_tokens == 8
    assert text == "The capital of France is Paris."
