"""A request to /v1/responses as a chat request, without a model."""

from __future__ import annotations

from typing import Any

import pytest

from noghost.api.response_input import as_asked, chat_of, messages_of
from noghost.api.response_schema import ResponsesRequest

CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Paris"}'}
OTHER = {**CALL, "call_id": "c2", "name": "time", "id": "fc_1", "status": "completed"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Well.", "annotations": [], "logprobs": []}],
}
USER = {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
WELL = [{"type": "text", "text": "Well."}]


def called(item: dict[str, Any]) -> dict[str, Any]:
    return {"id": item["call_id"], "type": "function", "function": {k: item[k] for k in ("name", "arguments")}}


def messages(*items: Any, **more: Any) -> list[dict[str, Any]]:
    return list(messages_of(ResponsesRequest.model_validate({"input": list(items), **more})))


def test_a_text_and_instructions() -> None:
    body = ResponsesRequest.model_validate({"input": "Hi", "instructions": "Be brief."})
    assert [message["content"] for message in messages_of(body)] == ["Be brief.", "Hi"]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([USER], [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]),
        (
            [THOUGHT, SAID, CALL, OTHER],
            [
                {
                    "role": "assistant",
                    "reasoning_content": "Hm.",
                    "content": WELL,
                    "tool_calls": [called(CALL), called(OTHER)],
                }
            ],
        ),
        (
            [CALL, OUTPUT, OTHER],
            [
                {"role": "assistant", "tool_calls": [called(CALL)]},
                {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
                {"role": "assistant", "tool_calls": [called(OTHER)]},
            ],
        ),
        ([SAID, SAID], [{"role": "assistant", "content": WELL}] * 2),
        (
            [CALL, SAID],
            [{"role": "assistant", "tool_calls": [called(CALL)]}, {"role": "assistant", "content": WELL}],
        ),
        (
            [SAID, THOUGHT, CALL],
            [
                {"role": "assistant", "content": WELL},
                {"role": "assistant", "reasoning_content": "Hm.", "tool_calls": [called(CALL)]},
            ],
        ),
        (
            [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Brief."}]}, SAID],
            [{"role": "assistant", "reasoning_content": "Brief.", "content": WELL}],
        ),
    ],
)
def test_items_become_messages(items: list[Any], expected: list[dict[str, Any]]) -> None:
    assert messages(*items) == expected
    assert messages(USER, *items, USER)[1:-1] == (expected if items != [USER] else messages(USER))


def test_the_rest_keeps_its_meaning() -> None:
    schema = {"type": "object"}
    text = {"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}}
    chat = chat_of(
        ResponsesRequest.model_validate(
            {"input": "Hi", "text": text, "max_output_tokens": 5, "temperature": 0, "seed": 1, "top_logprobs": 2}
        )
    )
    assert chat.response_format is not None
    assert chat.response_format.json_schema is not None
    assert chat.response_format.json_schema.schema_ == schema
    assert (chat.most_tokens, chat.temperature, chat.seed, chat.most_logprobs) == (5, 0, 1, 2)
    assert chat.continue_final_message is False


def test_defaults_are_those_of_a_chat_request() -> None:
    chat = chat_of(ResponsesRequest.model_validate({"input": "Hi"}))
    assert (chat.temperature, chat.top_p, chat.most_tokens, chat.most_logprobs) == (0.8, 0.95, None, None)


def test_fields_have_the_names_that_the_caller_knows() -> None:
    named = {
        "messages[3].content": "input",
        "response_format": "text.format",
        "response_format.json_schema.schema": "text.format.schema",
        "max_completion_tokens": "max_output_tokens",
        "tools[0].function.parameters": "tools[0].parameters",
        "temperature": "temperature",
        None: None,
    }
    assert {chat: as_asked(chat) for chat in named} == named
