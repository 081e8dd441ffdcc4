"""A service of remote models alone, and the endpoints that give their answers a form of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI

from api.provider import QUOTED, Provider
from api.test_api_upstream import ENTRY, KEY, SAID, row
from api.wire import Reply, ask, get, post
from noghost.ledger.entry import bucket
from noghost.weights.find import find
from running import Service, running

pytestmark = pytest.mark.slow
MODELS = {"far/answer": "answer", "far/thinks": "thinks", "far/withholds": "withholds", "far/429": "status-429"}
MODELS |= {f"far/{name}": name for name in ("cut", "silent")}
ITEMS = [{"role": "user", "content": [{"type": "input_text", "text": SAID}]}]
TOOL: dict[str, Any] = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"default": None}}}}
LOOKED = [{"at": "sea"}, {}]
# What each endpoint is asked, and where its answer has the text.
ASKED: dict[str, dict[str, Any]] = {
    "/v1/responses": {"input": ITEMS, "max_output_tokens": 50},
    "/v1/messages": {"messages": [{"role": "user", "content": SAID}], "max_tokens": 50},
}


@pytest.fixture(scope="module")
def alone(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("alone")
    (key := home / "provider.key").write_text(KEY + "\n")
    key.chmod(0o600)
    url, trusted = f"https://127.0.0.1:{provider.port}/v1", f'ca = "{provider.authority}"'
    entries = [ENTRY.format(name, url, theirs, key, trusted) for name, theirs in MODELS.items()]
    (home / "noghost.toml").write_text("\n".join(entries))
    with running(home, "--config", str(home / "noghost.toml")) as found:
        yield found


@pytest.fixture(scope="module")
def openai(alone: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=alone.url + "/v1", api_key="none", max_retries=0) as found:
        yield found


def far(service: Service, path: str, model: str, **more: Any) -> Reply:
    return post(service, json.dumps({"model": f"far/{model}", **ASKED[path], **more}).encode(), path)


def test_no_weights_are_mapped_and_an_answer_is_wiped_and_recorded(alone: Service, service: Service) -> None:
    """Control: the service with a model of its own."""
    weights = find().path.name
    assert weights in Path(f"/proc/{service.pid}/maps").read_text()
    assert ".gguf" not in Path(f"/proc/{alone.pid}/maps").read_text()
    assert {model["id"] for model in get(alone, "/v1/models").json["data"]} == set(MODELS)
    assert get(alone, "/readyz").status == 200
    reply = ask(alone, model="far/answer", messages=[{"role": "user", "content": SAID}])
    assert reply.json["choices"][0]["message"]["content"] == SAID
    recorded = row(alone, reply.headers["noghost-instance"])
    assert recorded["opened"]["weights"] == "remote/127.0.0.1"
    assert (recorded["ended"]["wipe"], recorded["ended"]["refused_calls"]) == ("verified", 0)
    assert alone.noghost("receipts", "verify", reply.headers["noghost-instance"]).returncode == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", *ASKED])
def test_nothing_leaves_unless_its_model_is_named(alone: Service, provider: Provider, path: str) -> None:
    before = len(provider.seen())
    asked = ASKED.get(path) or {"messages": [{"role": "user", "content": SAID}]}
    for named in ({}, {"model": "default"}, {"model": "nobody"}):
        reply = post(alone, json.dumps(asked | named).encode(), path)
        assert reply.status == 404
        assert "far/answer" in reply.json["error"]["message"]
    assert len(provider.seen()) == before


def test_a_response(alone: Service, openai: OpenAI, provider: Provider) -> None:
    tools: Any = [{"type": "function", **TOOL}]
    answer = openai.responses.create(
        model="far/thinks", instructions="Be brief.", input=SAID, tools=tools, temperature=0.5
    )
    thought, said, *calls = [item.to_dict() for item in answer.output]
    assert (thought["type"], thought["content"][0]["text"]) == ("reasoning", "Let me see.")  # type: ignore[index]
    assert answer.output_text == said["content"][0]["text"] == "I look twice."  # type: ignore[index]
    assert [(call["name"], json.loads(str(call["arguments"]))) for call in calls] == [("look", at) for at in LOOKED]
    assert (answer.status, answer.model) == ("completed", "far/thinks")
    assert (answer.temperature, answer.top_p) == (0.5, None)
    usage = answer.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (40, 12, 52)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (32, 5)
    facts = answer.model_extra["noghost"]  # type: ignore[index]
    assert (facts["remote"], answer.id) == ("127.0.0.1", f"resp_{facts['instance']}")
    ended = row(alone, facts["instance"])["ended"]
    assert (ended["outcome"], ended["wipe"], ended["answer_tokens"]) == ("answered", "verified", bucket(12))
    sent = provider.seen()[-1]
    assert sent["path"] == "/v1/chat/completions"
    assert sent["body"] == {
        "model": "thinks",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SAID}],
        "tools": [{"type": "function", "function": {"strict": False, **TOOL}}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "temperature": 0.5,
        "logprobs": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_streamed_response_has_the_same_items(openai: OpenAI) -> None:
    whole = openai.responses.create(model="far/thinks", input=SAID)
    with openai.responses.stream(model="far/thinks", input=SAID) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert kinds.count("response.output_text.delta") == kinds.count("response.reasoning_text.delta") == 2
    own = {"id", "call_id"}
    one, other = ([{n: v for n, v in i.to_dict().items() if n not in own} for i in r.output] for r in (whole, final))
    assert [item["type"] for item in one] == [item["type"] for item in other]
    assert final.output_text == whole.output_text


def test_a_message(alone: Service, provider: Provider) -> None:
    with Anthropic(base_url=alone.url, api_key="none", max_retries=0) as claude:
        asked: Any = {
            "model": "far/thinks",
            "max_tokens": 60,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": SAID}],
            "tools": [{"name": "look", "input_schema": TOOL["parameters"]}],
            "stop_sequences": ["END"],
        }
        whole = claude.messages.create(**asked)
        sent = provider.seen()[-1]["body"]
        with claude.messages.stream(**asked) as stream:
            final = stream.get_final_message()
    thought, said, *calls = whole.content
    assert (thought.thinking, said.text) == ("Let me see.", "I look twice.")  # type: ignore[union-attr]
    assert [(call.name, call.input) for call in calls] == [("look", at) for at in LOOKED]  # type: ignore[union-attr]
    assert (whole.stop_reason, whole.usage.input_tokens, whole.usage.output_tokens) == ("tool_use", 40, 12)
    assert [block.type for block in final.content] == [block.type for block in whole.content]
    assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", 12)
    assert (sent["model"], sent["max_tokens"], sent["stop"]) == ("thinks", 60, ["END"])
    assert not sent.keys() & {"temperature", "top_p", "top_k", "seed", "noghost"}, "no default of ours leaves"


def test_embeddings(alone: Service, openai: OpenAI, provider: Provider) -> None:
    answer = openai.embeddings.create(model="far/answer", input=["one", "two"], encoding_format="float", dimensions=2)
    assert [one.embedding for one in answer.data] == [[0.5, -0.5]] * 2
    assert (answer.model, answer.usage.prompt_tokens) == ("far/answer", 4)
    sent = provider.seen()[-1]
    assert sent["path"] == "/v1/embeddings"
    assert sent["body"] == {"model": "answer", "input": ["one", "two"], "encoding_format": "float", "dimensions": 2}
    facts = answer.model_extra["noghost"]  # type: ignore[index]
    recorded = row(alone, facts["instance"])
    assert recorded["opened"]["weights"] == "remote/127.0.0.1"
    assert recorded["ended"]["prompt_tokens"] == bucket(4)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(("model", "status"), [("429", 429), ("silent", 504)])
def test_a_provider_that_fails_is_an_error_of_the_api(alone: Service, path: str, model: str, status: int) -> None:
    reply = far(alone, path, model)
    assert reply.status == status
    assert not {SAID.encode(), QUOTED.encode()} & {reply.body}
    assert SAID.encode() not in reply.body
    if status == 429:
        assert reply.headers["retry-after"] == "7"
    assert row(alone, reply.headers["noghost-instance"])["ended"]["wipe"] == "verified"


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("model", ["cut", "withholds"])
def test_an_answer_that_breaks_off_says_so(alone: Service, path: str, model: str) -> None:
    streamed = far(alone, path, model, stream=True)
    assert b"half " in streamed.body
    assert b'"error"' in streamed.body
    assert b"response.completed" not in streamed.body
    assert b"message_stop" not in streamed.body
    assert far(alone, path, model).status == 502
    ended = row(alone, streamed.headers["noghost-instance"])["ended"]
    assert (ended["outcome"], ended["wipe"]) == ("refused", "verified")


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/v1/responses", {"store": True}),
        ("/v1/responses", {"noghost": {"threads": 1}}),
        ("/v1/responses", {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}),
        ("/v1/messages", {"noghost": {"record_seed": True}}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}),
    ],
)
def test_what_we_refuse_ourselves_goes_nowhere(
    alone: Service, provider: Provider, path: str, changes: dict[str, Any]
) -> None:
    before = len(provider.seen())
    assert far(alone, path, "answer", **changes).status == 400
    assert len(provider.seen()) == before
