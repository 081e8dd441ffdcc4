"""Models on demand: nothing of one is mapped until an instance loads it for itself, inside its confinement."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.capsules import fields, give, parts_of
from api.wire import Reply, ask, get, post
from engine.families import source_of
from fuzz.tiny_kinds import glm
from noghost.config import Config
from noghost.models import find_models, most_loading_bytes
from noghost.weights.digest import digest
from noghost.weights.find import DEFAULT_NAME, DEFAULT_SHA256, find
from promises.test_p2_gone import receipt_of
from running import Service, running, wait_for

pytestmark = pytest.mark.slow
SAME = {"messages": [{"role": "user", "content": "Count to ten."}], "max_tokens": 24, "seed": 7}
FIXED = {"noghost": {"threads": 1}}
# Every endpoint that needs a model, and what it is asked.
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {**SAME, "logprobs": True, "top_logprobs": 2, "n": 2},
    "/v1/completions": {"prompt": "One, two,", "max_tokens": 4, "echo": True, "logprobs": 1},
    "/v1/responses": {"input": "Hi", "max_output_tokens": 4},
    "/v1/messages": {"messages": SAME["messages"], "max_tokens": 4},
    "/v1/messages/count_tokens": {"messages": SAME["messages"]},
    "/v1/embeddings": {"input": ["one", "two " * 100]},
    "/v1/tokenize": {"messages": SAME["messages"]},
    "/v1/detokenize": {"tokens": [1, 2, 3]},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The default model, loaded; the same once more, and one of another architecture, on demand."""
    home = tmp_path_factory.mktemp("demand")
    shutil.copy(find().path, home / "same.gguf")
    (home / "tiny.gguf").write_bytes(glm(source_of("glm-4.7").encode()).render())
    tables = '[[model]]\nname = "default"\n' + "".join(
        f'[[model]]\nname = "{name}.gguf"\nload = "on-demand"\n' for name in ("same", "tiny")
    )
    (home / "noghost.toml").write_text(tables)
    with running(home, "--config", str(home / "noghost.toml"), "--context", "2048") as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_was_refused(service: Service) -> Iterator[None]:
    """What loading asks the kernel for is allowed, or refused without a word."""
    yield
    wait_for(lambda: not service.instances(), 10, "all instances to end")
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    assert {row["ended"]["refused_calls"] for row in rows if row["ended"]} <= {0}
    assert {row["ended"]["wipe"] for row in rows if row["ended"]} <= {"verified"}
    assert "refused" not in service.log


def far(service: Service, path: str, model: str, **more: Any) -> Reply:
    return post(service, json.dumps({"model": model, **ENDPOINTS[path], **more}).encode(), path)


def test_all_are_listed_and_which_is_loaded(service: Service) -> None:
    listed = {one["id"]: one for one in get(service, "/v1/models").json["data"]}
    assert {name: one["noghost"]["loaded"] for name, one in listed.items()} == {
        DEFAULT_NAME: True,
        "same": False,
        "tiny": False,
    }
    same, default = listed["same"], listed[DEFAULT_NAME]
    for name in ("sha256", "size_bytes", "license", "context_tokens", "trained_context_tokens"):
        assert same["noghost"][name] == default["noghost"][name], name
    assert same["context_length"] == default["context_length"] == 2048
    assert same["meta"]["n_params"] == default["meta"]["n_params"]
    assert get(service, "/v1/models/tiny").json == listed["tiny"]


def test_nothing_of_it_is_mapped_before_and_after(service: Service) -> None:
    """Control: the default model is."""

    def mapped() -> tuple[bool, bool]:
        maps = Path(f"/proc/{service.pid}/maps").read_text()
        return find().path.name in maps, "same.gguf" in maps

    assert mapped() == (True, False)
    assert ask(service, model="same").status == 200
    assert mapped() == (True, False)


def test_it_answers_byte_for_byte_as_when_it_is_loaded(service: Service) -> None:
    loaded, on_demand = (ask(service, **SAME, **FIXED, model=name).json for name in ("default", "same"))
    assert on_demand["choices"] == loaded["choices"]
    assert on_demand["usage"] == loaded["usage"]
    assert on_demand["model"] == "same"


def test_the_receipt_names_its_digest(service: Service) -> None:
    for name, sha256 in (("tiny", digest(service.home / "tiny.gguf")), ("default", DEFAULT_SHA256)):
        reply = ask(service, model=name)
        assert reply.status == 200
        verified = service.noghost("receipts", "verify", reply.headers["noghost-instance"])
        assert (verified.returncode, sha256 in verified.stdout) == (0, True), verified.stdout


@pytest.mark.parametrize("model", ["same", "tiny"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_loads_it_with_a_record_and_is_wiped(service: Service, path: str, model: str) -> None:
    reply = far(service, path, model)
    assert reply.status == 200, reply.body
    ended = receipt_of(service, reply.headers["noghost-instance"])
    assert (ended["outcome"], ended["wipe"]) == ("answered", "verified")


def test_the_tokens_are_those_of_the_loaded_one(service: Service) -> None:
    for path in ("/v1/tokenize", "/v1/messages/count_tokens"):
        assert far(service, path, "same").json == far(service, path, "default").json


def test_many_load_it_at_once_each_from_a_place_of_its_own(service: Service) -> None:
    with ThreadPoolExecutor(8) as callers:
        replies = list(callers.map(lambda _: ask(service, **SAME, **FIXED, model="same"), range(8)))
    assert {reply.status for reply in replies} == {200}
    assert len({json.dumps(reply.json["choices"]) for reply in replies}) == 1


def test_a_stream_and_a_recorded_seed(service: Service) -> None:
    reply = ask(service, model="same", stream=True, noghost={"record_seed": True, "threads": 1, "path": True})
    assert reply.body.endswith(b"data: [DONE]\n\n")
    facts = json.loads(reply.body.decode().split("data: ")[-2])["noghost"]
    assert facts["path_ms"].keys() >= {"seat", "load", "template", "prefill"}
    assert min(facts["path_ms"].values()) >= 0
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    opened = next(row["opened"] for row in rows if row["opened"]["id"] == facts["instance"])
    assert (opened["seed"], opened["threads"]) == (str(facts["seed"]), "1")


def test_a_capsule_of_it_is_one_of_the_loaded_one(service: Service) -> None:
    question = "Tell me about the sea. " * 12
    first = parts_of(give(service, fields(question, model="same")))
    asked = fields(question, first.text, "And the sky?")
    answers = [parts_of(give(service, asked | {"model": name}, first.capsule)) for name in ("same", "default")]
    assert min(answer.facts["capsule_tokens"] for answer in answers) > 64
    assert len({answer.text for answer in answers}) == 1


def test_what_is_wrong_with_a_request_is_said_as_ever(service: Service) -> None:
    assert ask(service, model="nobody").error["code"] == "model_not_found"
    assert ask(service, model="same", noghost={"threads": 200}).error["param"] == "noghost.threads"
    too_long = [{"role": "user", "content": "word " * 3000}]
    assert ask(service, model="same", messages=too_long).error["code"] == "context_length_exceeded"
    assert ask(service, model="same").status == 200


def test_a_file_that_is_replaced_is_not_loaded_and_one_that_is_changed_neither(
    service: Service, tmp_path: Path
) -> None:
    """The file that was hashed is still open; once it is written to, it is no longer what was hashed."""
    path, kept = service.home / "tiny.gguf", tmp_path / "kept.gguf"
    kept.hardlink_to(path)
    (other := service.home / "other").write_bytes(b"no model at all")
    other.replace(path)
    assert ask(service, model="tiny").status == 200
    os.utime(kept)
    reply = ask(service, model="tiny")
    assert (reply.status, reply.error["code"]) == (503, "model_unavailable")
    assert str(service.home) not in reply.error["message"]
    assert ask(service).status == 200


def test_an_instance_may_map_as_much_more_as_the_largest_needs(tmp_path: Path) -> None:
    """Its file and its KV cache; without that, a model larger than limit.memory_bytes could not be loaded."""
    shutil.copy(find().path, tmp_path / "same.gguf")
    config = Config(on_demand=(str(tmp_path / "same.gguf"),), context_tokens=1000)
    kv_bytes = 30 * 3 * 2 * 64 * 2 * 1000  # layers, KV heads, K and V, values of a head, bytes of one, tokens
    expected = find().path.stat().st_size + kv_bytes
    assert most_loading_bytes(config, find_models(config)) == expected
    with running(
        tmp_path,
        "--on-demand",
        str(tmp_path / "same.gguf"),
        "--context",
        "1000",
        "--limit",
        f"memory_bytes={128 << 20}",
    ) as service:
        assert ask(service, model="same", max_tokens=None).status == 200
