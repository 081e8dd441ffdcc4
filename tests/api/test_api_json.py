"""`response_format`: answers that are JSON of a schema, and refusals that say where."""

from __future__ import annotations

import json
from typing import Any, Literal

import jsonschema_rs
import pytest
from openai import OpenAI
from pydantic import BaseModel, ConfigDict, Field

from api.capsules import fields, give, parts_of
from api.wire import Reply, ask, healthy
from running import Service

ABOUT: dict[str, Any] = {"messages": [{"role": "user", "content": "Describe a ship, as JSON."}], "max_tokens": 150}
SAMPLED: dict[str, Any] = ABOUT | {"temperature": 1.0, "seed": 3, "noghost": {"threads": 1}}
SHIP = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "masts": {"type": "integer", "minimum": 1, "maximum": 5},
        "colours": {"type": "array", "items": {"enum": ["red", "white"]}, "maxItems": 2},
    },
    "required": ["name", "masts", "colours"],
    "additionalProperties": False,
}
MARKER = "zqxv-marker-7319"


def held_to(schema: Any, **more: Any) -> dict[str, Any]:
    """The `response_format` of a schema."""
    return {"type": "json_schema", "json_schema": {"name": "ship", "schema": schema, **more}}


def texts(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.body
    return [choice["message"]["content"] for choice in reply.json["choices"]]


@pytest.mark.parametrize("strict", [True, False, None])
def test_an_answer_is_of_its_schema(service: Service, strict: bool | None) -> None:
    reply = ask(service, **SAMPLED, response_format=held_to(SHIP, strict=strict, description="A ship."))
    assert reply.json["choices"][0]["finish_reason"] == "stop"
    assert jsonschema_rs.is_valid(SHIP, json.loads(texts(reply)[0]))


@pytest.mark.slow
def test_a_json_object_and_its_control(service: Service) -> None:
    """An object may be of any length, so some are cut."""
    asked = SAMPLED | {"max_tokens": 60, "messages": [{"role": "user", "content": "The capital of France, as JSON?"}]}
    choices = ask(service, **asked, n=4, response_format={"type": "json_object"}).json["choices"]
    ended = [choice["message"]["content"] for choice in choices if choice["finish_reason"] == "stop"]
    assert ended
    assert all(isinstance(json.loads(text), dict) for text in ended)
    free = texts(ask(service, **(asked | {"max_tokens": 1}), n=4, response_format={"type": "text"}))
    assert not any(text.startswith("{") for text in free)


@pytest.mark.slow
def test_streamed_and_whole_are_the_same_and_repeat(service: Service) -> None:
    asked = SAMPLED | {"response_format": held_to(SHIP)}
    whole = [texts(ask(service, **asked))[0] for _ in range(2)]
    events = ask(service, **asked, stream=True).body.decode().split("\n")
    choices = [json.loads(line[6:])["choices"][0] for line in events if line.startswith("data: {")]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == whole[0] == whole[1]
    assert texts(ask(service, **(asked | {"seed": 4})))[0] != whole[0], "control: the seed does matter"


@pytest.mark.slow
def test_each_choice_is_of_the_schema_and_of_its_own_seed(service: Service) -> None:
    asked = SAMPLED | {"response_format": held_to(SHIP)}
    together = texts(ask(service, **asked, n=2))
    assert together == [texts(ask(service, **(asked | {"seed": seed})))[0] for seed in (3, 4)]
    assert all(jsonschema_rs.is_valid(SHIP, json.loads(text)) for text in together)


def test_logprobs_are_of_the_models_own_logits(service: Service) -> None:
    """As without the schema: the first token that the model would say is the likeliest, though it cannot come."""
    asked = SAMPLED | {"logprobs": True, "top_logprobs": 1, "max_tokens": 3}
    held, free = (ask(service, **asked, **more).json for more in ({"response_format": held_to(SHIP)}, {}))
    first, unheld = (body["choices"][0]["logprobs"]["content"][0] for body in (held, free))
    assert first["top_logprobs"] == unheld["top_logprobs"]
    assert first["token"].startswith("{")
    assert not unheld["token"].startswith("{")


@pytest.mark.slow
def test_stop_and_limit_cut_an_answer_short(service: Service) -> None:
    asked = SAMPLED | {"response_format": held_to(SHIP)}
    (whole,) = texts(ask(service, **asked))
    assert texts(ask(service, **asked, stop=['"masts']))[0] == whole[: whole.index('"masts')]
    reply = ask(service, **(asked | {"max_tokens": 4}))
    assert reply.json["choices"][0]["finish_reason"] == "length"
    assert whole.startswith(texts(reply)[0])


@pytest.mark.slow
def test_with_a_capsule(service: Service) -> None:
    """The whole answer and its state; what follows starts from it, and is held to its own schema."""
    asked = {"response_format": held_to(SHIP), "max_tokens": 150}
    first = parts_of(give(service, fields("Describe a ship, as JSON.", **asked)))
    assert jsonschema_rs.is_valid(SHIP, json.loads(first.text))
    again = fields("Describe a ship, as JSON.", first.text, "And another one.", **asked)
    second = parts_of(give(service, again, first.capsule))
    assert second.facts["capsule_tokens"] > 0
    assert jsonschema_rs.is_valid(SHIP, json.loads(second.text))


class Flag(BaseModel):
    """What another class refers to."""

    model_config = ConfigDict(extra="forbid")
    colour: Literal["red", "white"]


class Ship(BaseModel):
    """What OpenAI's client makes a schema of."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["sail", "steam"]
    masts: int = Field(ge=0, le=9, description="How many.")
    flag: Flag | None


def test_the_openai_client_parses_a_class(client: OpenAI) -> None:
    parsed = client.chat.completions.parse(model="default", **SAMPLED_BY_CLIENT, response_format=Ship)
    assert isinstance(parsed.choices[0].message.parsed, Ship)


SAMPLED_BY_CLIENT: dict[str, Any] = {
    **{name: value for name, value in SAMPLED.items() if name != "noghost"},
    "extra_body": {"noghost": {"threads": 1}},
}

WRONG: list[tuple[Any, str, str]] = [
    (held_to({"type": "object", "properties": {MARKER: {"not": {}}}}), "response_format", "/properties/{0}/not"),
    (held_to({"type": "string", "format": MARKER}), "response_format", "/format"),
    (held_to({"items": {MARKER: 1}}), "response_format", "/items/{0}"),
    (held_to({"enum": [10**20]}), "response_format", "/enum"),
    (held_to({"const": "a" * (1 << 17)}), "response_format", "131072 bytes"),
    ({"type": MARKER}, "response_format.type", "json_schema"),
    ({}, "response_format.type", "required"),
    ("json_object", "response_format", "object"),
    ({"type": "json_schema"}, "response_format", "json_schema"),
    ({"type": "json_object", "json_schema": {"name": "a", "schema": {}}}, "response_format", "json_schema"),
    ({"type": "json_schema", "json_schema": {"name": "a"}}, "response_format.json_schema.schema", "required"),
    ({"type": "json_schema", "json_schema": {"schema": {}}}, "response_format.json_schema.name", "required"),
    (held_to({}, name=MARKER + " !"), "response_format.json_schema.name", "match"),
    (held_to({}, name="a" * 65), "response_format.json_schema.name", "match"),
    (held_to({}, strict=MARKER), "response_format.json_schema.strict", "bool"),
    (held_to([MARKER]), "response_format.json_schema.schema", "dict"),
    (held_to(True), "response_format.json_schema.schema", "dict"),
]


@pytest.mark.parametrize(("wrong", "param", "says"), WRONG, ids=[str(wrong)[:60] for wrong, _, _ in WRONG])
def test_what_cannot_be_held_to_is_refused_by_its_place(service: Service, wrong: Any, param: str, says: str) -> None:
    reply = ask(service, response_format=wrong)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert says in reply.error["message"]
    assert MARKER not in reply.body.decode()
    assert healthy(service)


def test_it_ends_with_the_json(service: Service) -> None:
    reply = ask(service, response_format={"type": "json_object"}, ignore_eos=True)
    assert (reply.status, reply.error["param"]) == (400, "ignore_eos")


def test_one_that_takes_too_much_on_its_way_is_refused(service: Service) -> None:
    """The first token is chosen already: whole, the status is still to come; streamed, it is the last event."""
    asked = SAMPLED | {"response_format": held_to({"type": "string", "pattern": "^(.{0,1000}){1000}$"})}
    assert ask(service, **asked).error["code"] == "unsupported_schema"
    streamed = ask(service, **asked, stream=True)
    assert b'"unsupported_schema"' in streamed.body
    assert healthy(service)
