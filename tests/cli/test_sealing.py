"""`--sealed` of ask and chat against a real service."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from noghost.ledger.keys import Signer
from running import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("sealing")) as found:
        yield found


GREEDY = ("--temperature", "0", "--max-tokens", "8")


def test_ask_and_chat_get_the_same_answer_sealed(service: Service) -> None:
    plain = service.noghost("ask", "--url", service.url, *GREEDY, "--system", "", "Say hello.", input="")
    sealed = service.noghost("ask", "--url", service.url, "--sealed", *GREEDY, "--system", "", "Say hello.", input="")
    assert (sealed.returncode, sealed.stderr) == (0, "")
    assert sealed.stdout == plain.stdout
    assert sealed.stdout.strip()
    talk = service.noghost("chat", "--url", service.url, "--sealed", "--no-gap", *GREEDY, input="Say hello.\nAnd?\n")
    assert talk.returncode == 0
    assert talk.stdout.startswith(sealed.stdout)


def test_ask_there_with_json_and_material(service: Service) -> None:
    told = service.noghost(
        "ask", "--url", service.url, "--sealed", *GREEDY, "--seed", "7", "--json", "Repeat:", input="one two"
    )
    found = json.loads(told.stdout)
    assert found["text"]
    assert found["seed"] == 7
    assert found["told"]["instance"]


def test_a_changed_key_stops(service: Service) -> None:
    service.noghost("ask", "--url", service.url, "--sealed", *GREEDY, "Hello", input="")
    (pin,) = (service.home / "noghost" / "seen").glob("sealed-*")
    pinned = pin.read_text()
    pin.write_text(f"{Signer.create().verifier.render()}\n")
    stopped = service.noghost("ask", "--url", service.url, "--sealed", *GREEDY, "Hello", input="")
    pin.write_text(pinned)
    assert stopped.returncode != 0
    assert stopped.stdout == ""
    assert stopped.stderr.count("sha256 ") == 2
    assert "hint: " in stopped.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "--sealed", "Hello"),
        ("ask", "--service-key", "key", "Hello"),
        ("ask", "--url", "http://127.0.0.1:1", "--service-key", "key", "Hello"),
        ("ask", "--url", "http://127.0.0.1:1", "--sealed", "--service-key", "/nowhere/key", "Hello"),
        ("ask", "--url", "http://127.0.0.1:1", "--questions", "none", "Hello"),
        ("chat", "--service-key", "key"),
        ("ask", "--url", "http://127.0.0.1:1", "--sealed", "Hello"),
    ],
)
def test_what_does_not_go_together_is_told(service: Service, arguments: tuple[str, ...]) -> None:
    told = service.noghost(*arguments, input="")
    assert told.returncode != 0
    assert "hint: " in told.stderr
    assert "Traceback" not in told.stderr
