"""`noghost bench` against a real stock llama-server, and where the other server is not what it should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from noghost.keys.store import Store
from noghost.weights.find import find
from running import Service, running
from stock import Stock, stock_server

TINY = ("--prompt-tokens", "40", "--callers", "1", "--callers", "2", "--answer-tokens", "4", "--rounds", "2")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with stock_server(find().path, n_ctx=512, n_parallel=2, cache_prompt=False) as found:
        yield found


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """A service that asks for a key, and a key of it."""
    home = tmp_path_factory.mktemp("keyed")
    key, _ = Store(home / "noghost" / "keys" / "hashes").add("bench")
    with running(home, "--keys") as found:
        yield found, key


def test_a_table_and_a_document_of_the_same_measures(service: Service, stock: Stock) -> None:
    done = service.noghost("bench", "--against", stock.url, "--url", service.url, *TINY, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["measure"] for row in told["rows"]] == [
        "TTFT, 40 prompt tokens",
        "decode, 1 caller",
        "throughput, 1 at once",
        "throughput, 2 at once",
    ]
    for row in told["rows"]:
        assert row["ratio"] == pytest.approx(row["noghost"]["median"] / row["other"]["median"])
        assert row["interval_95"][0] <= row["ratio"] <= row["interval_95"][1]
    for name in ("noghost", "other"):
        kept = told["samples"][name]
        assert kept["prompt_tokens"] == {"40": [40, 40]}, "both count a prompt as what it was sized to"
        assert kept["answer_tokens"] == {"1": [4] * 2, "2": [4] * 4}
        assert all(value > 0 for sizes in kept.values() for side in sizes.values() for value in side)
    assert told["peers"]["other"]["url"] == stock.url


def test_it_starts_a_service_of_its_own_and_asks_theirs_for_a_model(
    service: Service, keyed: tuple[Service, str]
) -> None:
    """The other side is one of ours here, with a key: it comes from the variable, and is printed nowhere."""
    other, key = keyed
    service.env["THEIR_KEY"] = key
    once = ("--callers", "1", "--answer-tokens", "2", "--rounds", "1", "--their-model", "default")
    done = service.noghost("bench", "--against", other.url, "--key-env", "THEIR_KEY", *once)
    assert done.returncode == 0, done.stderr
    assert "throughput, 1 at once" in done.stdout
    assert f"other: default at {other.url}" in done.stdout
    assert key not in done.stdout + done.stderr


def failed(service: Service, *arguments: str) -> str:
    done = service.noghost("bench", "--url", service.url, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_errors_say_which_server_and_what_to_do(
    service: Service, stock: Stock, keyed: tuple[Service, str], tmp_path: Path
) -> None:
    assert "could not list the models of http://127.0.0.1:1: " in failed(service, "--against", "http://127.0.0.1:1")
    nobody = f"unix:{tmp_path}/nobody"
    assert f"no answer from {nobody}" in failed(service, "--against", nobody, "--their-model", "m")
    refused = failed(service, "--against", keyed[0].url)
    assert "answered 401" in refused
    assert "--key-env" in refused
    long = failed(service, "--against", stock.url, "--prompt-tokens", "4000", "--rounds", "1")
    assert f"{stock.url} answered 400" in long
    assert "--prompt-tokens" in long


def test_a_key_given_in_the_place_of_its_name_is_not_repeated(service: Service) -> None:
    told = failed(service, "--against", service.url, "--key-env", "sk-zebra-93")
    assert "sk-zebra-93" not in told
    assert "hint: " in told
