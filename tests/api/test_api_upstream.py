"""Remote models: passed on over real TLS to a provider of our own, which fails in every way it can."""

from __future__ import annotations

import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from api.certificates import write_pair
from api.provider import QUOTED, Provider
from api.wire import Reply, ask, get, post
from noghost.client.commitment import commitment
from noghost.client.hunt import count_in_pid, hunt, needles_for, new_canary
from noghost.ledger.entry import bucket
from noghost.weights.find import find
from promises import repeating
from promises.talking import say
from running import Service, children, running, title, wait_for

pytestmark = pytest.mark.slow
KEY = "sk-provider-key-of-this-test"
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
SAID = "Velorimat fiftyone Dusategob"
ENTRY = '[[upstream]]\nname = "{0}"\nurl = "{1}"\nmodel = "{2}"\nkey_file = "{3}"\nsilence_s = 1\n{4}\n'
REMOTE = ("answer", "thinks", "withholds", "cut", "unsaid", "fails", "silent", "page", "denies")
STATUSES = (400, 401, 402, 403, 404, 429, 500, 503, 302)


@pytest.fixture(scope="module")
def remote(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(home := tmp_path_factory.mktemp("remote"), *options(home, provider)) as found:
        yield found


def options(home: Path, provider: Provider) -> tuple[str, ...]:
    """Of a service with a remote model for everything that the provider does, and some that cannot be reached."""
    (key := home / "provider.key").write_text(KEY + "\n")
    key.chmod(0o600)
    url, trusted = f"https://127.0.0.1:{provider.port}/v1/", f'ca = "{provider.authority}"'
    models = {f"far/{name}": name for name in REMOTE} | {f"far/{n}": f"status-{n}" for n in STATUSES}
    entries = [ENTRY.format(name, url, theirs, key, trusted) for name, theirs in models.items()]
    entries.append(ENTRY.format("far/untrusted", url, "answer", key, ""))
    entries.append(ENTRY.format("far/misnamed", url.replace("127.0.0.1", "localhost"), "answer", key, trusted))
    entries.append(ENTRY.format("far/nobody", "https://127.0.0.1:9/v1", "answer", key, trusted))
    entries.append(ENTRY.format("far/nowhere", "https://nowhere.invalid/v1", "answer", key, trusted))
    (home / "noghost.toml").write_text("\n".join(entries))
    return "--config", str(home / "noghost.toml"), "--model", "default", "--context", "512"


def ask_far(service: Service, model: str, **more: Any) -> Reply:
    return ask(service, model=f"far/{model}", messages=[{"role": "user", "content": SAID}], **more)


def events(reply: Reply) -> list[dict[str, Any]]:
    """What was streamed, [DONE] left out."""
    lines = [line.removeprefix("data: ") for line in reply.body.decode().split("\n\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def row(service: Service, invocation: str) -> dict[str, Any]:
    """Both entries of an invocation that has ended."""

    def ended() -> dict[str, Any] | None:
        rows = json.loads(service.noghost("receipts", "--json").stdout)
        return next((one for one in rows if one["opened"]["id"] == invocation and one["ended"]), None)

    found = wait_for(ended, 10, "the closed entry")
    assert isinstance(found, dict)
    return found


def test_a_whole_answer_is_passed_on_and_recorded(remote: Service, provider: Provider) -> None:
    with OpenAI(base_url=remote.url + "/v1", api_key="the caller's", max_retries=0) as client:
        answer = client.chat.completions.create(
            model="far/answer",
            messages=[{"role": "user", "content": SAID}],
            tools=TOOLS,  # type: ignore[arg-type]
            extra_body={"noghost": {"path": True}, "what_is_this": [1, 2.5]},
        )
        assert {model.id for model in client.models.list()} >= {"far/answer", "far/cut"}
        assert client.models.retrieve("far/answer").owned_by == "127.0.0.1"
    assert (answer.model, answer.choices[0].message.content) == ("far/answer", SAID)
    assert answer.choices[0].message.tool_calls[0].function.name == "look"  # type: ignore[index,union-attr]
    assert answer.usage.total_tokens == 109  # type: ignore[union-attr]
    facts = answer.model_extra["noghost"]  # type: ignore[index]
    assert (facts["remote"], answer.id) == ("127.0.0.1", f"chatcmpl-{facts['instance']}")
    assert facts["path_ms"]["prefill"] > 0
    sent = provider.seen()[-1]
    assert sent["path"] == "/v1/chat/completions"
    assert (sent["body"]["model"], sent["body"]["what_is_this"], sent["body"]["tools"]) == ("answer", [1, 2.5], TOOLS)
    assert "noghost" not in sent["body"]
    assert {name.lower() for name in sent["headers"]} == {
        *("host", "content-type", "content-length", "connection", "authorization")
    }
    assert sent["headers"]["authorization"] == f"Bearer {KEY}"
    recorded = row(remote, facts["instance"])
    assert recorded["opened"]["weights"] == "remote/127.0.0.1"
    ended = recorded["ended"]
    assert (ended["outcome"], ended["wipe"], ended["refused_calls"]) == ("answered", "verified", 0)
    assert (ended["prompt_tokens"], ended["answer_tokens"]) == (bucket(100), bucket(9))
    verified = remote.noghost("receipts", "verify", facts["instance"])
    assert verified.returncode == 0
    assert "nothing beyond this machine is proved" in verified.stdout


@pytest.mark.parametrize("usage", [False, True])
def test_a_stream_is_passed_on_as_it_comes(remote: Service, usage: bool) -> None:
    reply = ask_far(remote, "answer", stream=True, stream_options={"include_usage": usage})
    assert reply.body.endswith(b"data: [DONE]\n\n")
    chunks = events(reply)
    invocation = reply.headers["noghost-instance"]
    assert {(one["id"], one["model"]) for one in chunks} == {(f"chatcmpl-{invocation}", "far/answer")}
    texts = [one["choices"][0]["delta"].get("content", "") for one in chunks if one["choices"]]
    assert texts == [f"{word} " for word in SAID.split()] + [""]
    assert chunks[-1].get("usage", {}).get("total_tokens") == (109 if usage else None)
    last = [one for one in chunks if one["choices"]][-1]
    assert (last["choices"][0]["finish_reason"], last["noghost"]["remote"]) == ("stop", "127.0.0.1")
    assert row(remote, invocation)["ended"]["answer_tokens"] == (bucket(9) if usage else 0)


def test_a_text_is_continued_too(remote: Service, provider: Provider) -> None:
    body = {"model": "far/answer", "prompt": SAID, "stream": True}
    reply = post(remote, json.dumps(body).encode(), "/v1/completions")
    assert "".join(one["choices"][0]["text"] for one in events(reply)).strip() == SAID
    assert events(reply)[0]["object"] == "text_completion"
    assert provider.seen()[-1]["path"] == "/v1/completions"


@pytest.mark.parametrize(
    ("model", "path", "stream", "sent"),
    [
        ("answer", CHAT, False, SAID),
        ("answer", CHAT, True, SAID + " "),
        ("answer", TEXT, False, SAID),
        ("answer", TEXT, True, SAID + " "),
        ("cut", CHAT, True, "half "),
    ],
)
def test_an_answer_that_was_passed_on_is_committed_to(
    remote: Service, model: str, path: str, stream: bool, sent: str
) -> None:
    key = "ab" * 32
    asked = {"prompt": SAID} if path == TEXT else {"messages": [{"role": "user", "content": SAID}]}
    body = json.dumps(asked | {"model": f"far/{model}", "stream": stream}).encode()
    reply = repeating.post(remote, body, path, **{"noghost-answer-key": key})
    ended = row(remote, reply.headers["noghost-instance"])["ended"]
    assert ended["commitment"] == commitment(bytes.fromhex(key), sent.encode())


@pytest.mark.parametrize("more", [{"tools": TOOLS}, {"n": 2}])
def test_an_answer_that_may_be_more_than_one_text_is_not(
    remote: Service, provider: Provider, more: dict[str, Any]
) -> None:
    before = len(provider.seen())
    body = json.dumps({"messages": [{"role": "user", "content": SAID}], "model": "far/answer"} | more).encode()
    reply = repeating.post(remote, body, **{"noghost-answer-key": "ab" * 32})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "noghost-answer-key")
    assert len(provider.seen()) == before


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        *((str(status), 502, "upstream_not_allowed") for status in (401, 402, 403)),
        ("400", 400, "upstream_refused"),
        ("404", 502, "upstream_no_endpoint"),
        ("429", 429, "upstream_busy"),
        ("denies", 429, "upstream_busy"),
        *((status, 502, "upstream_failed") for status in ("500", "503", "302")),
        ("page", 502, "upstream_invalid"),
        ("silent", 504, "upstream_timeout"),
        ("untrusted", 502, "upstream_untrusted"),
        ("misnamed", 502, "upstream_untrusted"),
        ("nobody", 502, "upstream_unreachable"),
        ("nowhere", 502, "upstream_unreachable"),
        ("cut", 502, "upstream_broken"),
    ],
)
def test_a_provider_that_fails_is_an_error_of_the_api(remote: Service, model: str, status: int, code: str) -> None:
    reply = ask_far(remote, model)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert SAID.encode() not in reply.body
    assert QUOTED.encode() not in reply.body
    if status == 429:
        assert reply.headers["retry-after"] == ("7" if model == "429" else "1")
    assert row(remote, reply.headers["noghost-instance"])["ended"]["wipe"] == "verified"


def test_nothing_is_sent_to_who_is_not_trusted(remote: Service, provider: Provider) -> None:
    before = len(provider.seen())
    assert {ask_far(remote, model).status for model in ("untrusted", "misnamed")} == {502}
    assert len(provider.seen()) == before
    assert ask_far(remote, "answer").status == 200
    assert len(provider.seen()) == before + 1


@pytest.mark.parametrize("model", ["cut", "unsaid", "fails"])
def test_a_stream_that_breaks_off_ends_with_an_error_and_never_as_done(remote: Service, model: str) -> None:
    reply = ask_far(remote, model, stream=True)
    assert b"[DONE]" not in reply.body
    assert QUOTED.encode() not in reply.body
    chunks = events(reply)
    assert chunks[0]["choices"][0]["delta"]["content"] == "half "
    assert chunks[-1]["error"]["type"] == "server_error"
    assert row(remote, reply.headers["noghost-instance"])["ended"]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "x"}, "previous_response_id"),
        ({"temperature": 9}, "temperature"),
        ({"messages": []}, "messages"),
        ({"noghost": {"threads": 1}}, "noghost.threads"),
        ({"noghost": {"capsule": True}}, "noghost.capsule"),
    ],
)
def test_what_we_refuse_ourselves_goes_nowhere(
    remote: Service, provider: Provider, changes: dict[str, Any], param: str
) -> None:
    before = len(provider.seen())
    reply = ask(remote, **({"model": "far/answer"} | changes))
    assert (reply.status, reply.error["param"]) == (400, param)
    assert len(provider.seen()) == before


def test_a_body_that_another_page_could_send_goes_nowhere(remote: Service, provider: Provider) -> None:
    before = len(provider.seen())
    body = json.dumps({"model": "far/answer", "messages": [{"role": "user", "content": SAID}]}).encode()
    assert post(remote, body, kind="text/plain").status == 400
    assert len(provider.seen()) == before


def test_the_service_s_own_model_is_as_ever_and_another_s_tokens_are_not_known(remote: Service) -> None:
    assert ask(remote).status == 200
    for path, fields in (("/v1/tokenize", {"prompt": "x"}), ("/v1/messages/count_tokens", {"messages": []})):
        body = {"model": "far/answer", "messages": [{"role": "user", "content": SAID}], **fields}
        assert post(remote, json.dumps(body).encode(), path).status == 400
    unknown = ask(remote, model="none").error
    assert unknown["code"] == "model_not_found"
    assert "far/answer" in unknown["message"]
    assert "refused:" not in remote.log


def test_no_copy_is_left_in_any_process_of_the_service(remote: Service, provider: Provider) -> None:
    """Control: the provider, which keeps what it is sent."""
    result = hunt(remote.url, [remote.pid], [remote.home], model="far/answer", tokenizer=find().path)
    assert (result.processes, result.copies) == (3, 0)
    canary = new_canary()
    needles = needles_for(canary, width_chars=16)
    assert ask(remote, model="far/answer", messages=[{"role": "user", "content": canary}]).status == 200
    assert count_in_pid(provider.pid, needles)
    wait_for(lambda: not remote.instances(), 10, "the instance to end")
    assert [count_in_pid(pid, needles) for pid in (remote.pid, remote.reaper_pid, remote.connector_pid)] == [[], [], []]


def test_a_caller_that_leaves_ends_it(remote: Service) -> None:
    """And the connection to the provider, which the instance alone has."""
    with say(remote, SAID, model="far/silent") as call:
        wait_for(remote.instances, 10, "the instance")
        call.connection.close()
        wait_for(lambda: not remote.instances(), 10, "the instance to end")


def test_over_tls_answers_are_filled_up_as_ours_are(provider: Provider, tmp_path: Path) -> None:
    with (
        running(tmp_path, *options(tmp_path, provider), *write_pair(tmp_path)) as service,
        OpenAI(
            base_url=service.url + "/v1", api_key="none", http_client=trusting(tmp_path / "certificate.pem")
        ) as client,
    ):
        stream = client.chat.completions.create(
            model="far/answer", messages=[{"role": "user", "content": SAID}], stream=True
        )
        assert all("obfuscation" in chunk.to_dict() for chunk in stream)


def trusting(certificate: Path) -> Any:
    return httpx.Client(verify=ssl.create_default_context(cafile=certificate))


def test_a_connector_that_is_gone_leaves_the_service_its_own_models(provider: Provider, tmp_path: Path) -> None:
    with running(tmp_path, *options(tmp_path, provider)) as service:
        connector = service.connector_pid
        os.kill(connector, signal.SIGKILL)
        wait_for(lambda: connector not in children(service.pid), 10, "its end")
        reply = ask_far(service, "answer")
        assert (reply.status, reply.error["code"]) == (502, "upstream_unreachable")
        assert "connector_gone" in service.log
        assert ask(service).status == 200
        assert get(service, "/healthz").status == 200


def test_the_connector_ends_with_the_service(provider: Provider, tmp_path: Path) -> None:
    with running(tmp_path, *options(tmp_path, provider)) as service:
        connector = service.connector_pid
        assert service.stop() == 0
        wait_for(lambda: title(connector) != "noghost: connector", 10, "its end")
