"""`noghost models`: prepare measures and keeps, list shows, a service and `ask` take the name, remove removes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from noghost.engine.convert import convert
from noghost.weights import prepared
from noghost.weights.find import DEFAULT_NAME, DEFAULT_SHA256, find
from noghost.weights.prepared import Prepared
from running import private_bytes, private_environment, running

NAME = f"{DEFAULT_NAME}.q4_0"


def noghost(home: Path, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noghost.cli.main", *arguments]
    return subprocess.run(command, env=private_environment(home), capture_output=True, text=True, timeout=seconds)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the default model prepared, measured figures made up: measuring takes a minute."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_DATA_HOME", str(home))
        unfinished = prepared.unfinished(NAME)
        convert(find().path, unfinished, "Q4_0", 2)
        sha256 = hashlib.sha256(unfinished.read_bytes()).hexdigest()
        prepared.add(Prepared(NAME, DEFAULT_NAME, DEFAULT_SHA256, sha256, "Q4_0", "cd" * 32, made_up()))
    return home


def made_up() -> dict[str, Any]:
    each = {"size_bytes": 98_000_000, "perplexity": 20.0, "prefill_tok_s": 100.0, "decode_tok_s": 50.0}
    better = each | {"size_bytes": 92_000_000, "perplexity": 22.0, "prefill_tok_s": 250.0}
    ratio = {"perplexity_ratio": 1.1, "perplexity_ratio_error": 0.02, "text_tokens": 700, "threads": 2}
    answers = {"answers": 20, "same_answers": 3, "common_tokens": 7.5, "answer_tokens": 30.0}
    return {"source": each, "prepared": better, **ratio, **answers}


def test_list_shows_the_default_and_the_prepared_one(home: Path) -> None:
    head, default, made = noghost(home, "models", "list").stdout.splitlines()
    assert head.split() == ["size", "prefill", "decode", "perplexity", "same", "answers"]
    assert default.split() == [DEFAULT_NAME, "98", "MB", "100", "tok/s", "50", "tok/s", "20.0", "-"]
    assert made.split() == [NAME, "92", "MB", "250", "tok/s", "50", "tok/s", "22.0", "3", "of", "20"]
    first, second = json.loads(noghost(home, "models", "list", "--json").stdout)
    assert (first["name"], first["sha256"]) == (DEFAULT_NAME, DEFAULT_SHA256)
    assert (second["name"], second["source_sha256"]) == (NAME, DEFAULT_SHA256)
    assert second["measured"] == made_up()


def test_a_service_takes_the_name_and_holds_what_it_repacks_in_a_file(home: Path, tmp_path: Path) -> None:
    digest = json.loads(noghost(home, "models", "list", "--json").stdout)[1]["sha256"]
    with running(tmp_path / "default") as service:
        plain = private_bytes(service.pid)
    with running(home, "--model", NAME) as service:
        assert private_bytes(service.pid) < plain + 4e6, "repacked weights are no private memory"
        with urllib.request.urlopen(f"{service.url}/v1/models", timeout=60) as response:
            assert [model["id"] for model in json.load(response)["data"]] == [NAME]
        body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "temperature": 0}
        request = urllib.request.Request(
            f"{service.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        assert answer["model"] == NAME
        assert answer["usage"]["completion_tokens"] == 4
        receipt = service.noghost("receipts", "show", answer["noghost"]["instance"])
        assert digest in receipt.stdout, "the ledger names the file that computed, and not what it was made of"
        assert list((home / "noghost" / "models").iterdir()) != [], "control"
        assert {path.name for path in (home / "noghost" / "models").iterdir()} == {f"{NAME}.gguf", f"{NAME}.json"}


def test_ask_takes_the_name(home: Path) -> None:
    done = noghost(home, "ask", "--model", NAME, "--json", "--max-tokens", "4", "--threads", "1", "Hello")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answer_tokens"] == 4


def test_one_that_was_changed_is_not_served(home: Path, tmp_path: Path) -> None:
    models = tmp_path / "noghost" / "models"
    models.mkdir(parents=True)
    for suffix in (".gguf", ".json"):
        source = home / "noghost" / "models" / (NAME + suffix)
        (models / source.name).write_bytes(source.read_bytes() + b"\0" * (suffix == ".gguf"))
    done = noghost(tmp_path, "serve", "--port", "0", "--model", NAME)
    assert done.returncode == 1
    assert "is not the one pinned" in done.stderr
    assert noghost(tmp_path, "models", "remove", NAME).stdout == f"removed {NAME}\n"
    assert list(models.iterdir()) == []


def test_what_cannot_be_prepared_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"no model" * 100)
    refused = noghost(tmp_path, "models", "prepare", str(tmp_path / "no.gguf"))
    assert refused.returncode == 1
    assert "it is not a GGUF file" in refused.stderr
    refused = noghost(tmp_path, "models", "prepare", "--name", "../other")
    assert "this is no name for a model" in refused.stderr
    refused = noghost(tmp_path, "models", "remove", "gone")
    assert "there is no prepared model named gone" in refused.stderr
    assert not (tmp_path / "noghost" / "models").exists()


def test_a_prepared_one_is_not_prepared_into_its_own_place(home: Path) -> None:
    refused = noghost(home, "models", "prepare", "--type", "Q4_0", NAME)
    assert refused.returncode == 1
    assert "is prepared already" in refused.stderr


@pytest.mark.slow
def test_prepare_measures_and_keeps(tmp_path: Path) -> None:
    name = f"{DEFAULT_NAME}.q8_0"
    done = noghost(tmp_path, "models", "prepare", "--threads", "1", seconds=280)
    assert done.returncode == 0, done.stderr
    assert f"noghost serve --model {name}\n" in done.stdout
    assert f"noghost models rm {name}\n" in done.stdout
    first, second = json.loads(noghost(tmp_path, "models", "list", "--json").stdout)
    measured = second["measured"]
    assert (second["name"], second["kind"], second["source"]) == (name, "Q8_0", DEFAULT_NAME)
    assert second["size_bytes"] == measured["prepared"]["size_bytes"] > first["size_bytes"]
    assert 0.97 < measured["perplexity_ratio"] < 1.03, "Q8_0 keeps the quality"
    assert (measured["answers"], measured["threads"]) == (20, 1)
    assert 1 <= measured["common_tokens"] <= measured["answer_tokens"] <= 34
    assert all(measured[one][key] > 0 for one in ("source", "prepared") for key in ("prefill_tok_s", "decode_tok_s"))
