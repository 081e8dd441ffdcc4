"""The conversation reaches the model through its own chat template."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.wire import ask, post
from running import Service

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
FRANCE = {"role": "user", "content": "What is the capital of France?"}
PARIS = {"role": "assistant", "content": "The capital of France is Paris."}
ITALY = {"role": "user", "content": "And of Italy?"}
# What SmolLM2's template, as its GGUF holds it, makes of these conversations.
RENDERED = {
    "one turn": (
        [SYSTEM, FRANCE],
        (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
    "no system": (
        [FRANCE],
        (
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
    "turns": (
        [SYSTEM, FRANCE, PARIS, ITALY],
        (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n"
            "<|im_start|>assistant\nThe capital of France is Paris.<|im_end|>\n"
            "<|im_start|>user\nAnd of Italy?<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
    "parts": (
        [
            SYSTEM,
            {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "input_text", "text": "Two."}]},
        ],
        (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nOne.\nTwo.<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
    "developer": (
        [SYSTEM | {"role": "developer"}, FRANCE],
        (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
}


@pytest.mark.parametrize("name", RENDERED)
def test_a_conversation_is_the_text_that_its_template_makes(service: Service, name: str) -> None:
    """The same tokens and the same greedy answer as for the text itself."""
    messages, text = RENDERED[name]
    greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
    chat = ask(service, messages=messages, **greedy).json
    plain = post(service, json.dumps({"prompt": text, **greedy}).encode(), "/v1/completions").json
    assert chat["usage"] == plain["usage"]
    assert chat["choices"][0]["message"]["content"] == plain["choices"][0]["text"]
