"""`noghost models`: prepare measures and keeps, ls shows, a service and `ask` take the name, rm removes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest

from fuzz.tiny_gguf import U32, Tiny
from noghost.client.batch.node import Service as BatchNode
from noghost.engine.convert import convert
from noghost.weights import prepared
from noghost.weights.find import DEFAULT_NAME, DEFAULT_SHA256, find
from noghost.weights.prepared import Prepared
from running import private_bytes, private_environment, running

NAME = f"{DEFAULT_NAME}.q4_0"


def noghost(home: Path, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noghost.cli.main", *arguments]
    return subprocess.run(
        command,
        env=private_environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


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
    apart = {"divergence": 0.12, "same_top": 0.8, "divergence_again": 0.003, "same_top_again": 0.95}
    return {"source": each, "prepared": better, **ratio, **answers, **apart}


def test_ls_shows_the_default_and_the_prepared_one(home: Path) -> None:
    head, default, made = noghost(home, "models", "ls").stdout.splitlines()
    assert head.split() == ["size", "prefill", "decode", "perplexity", "same", "answers"]
    assert default.split() == [DEFAULT_NAME, "98", "MB", "100", "tok/s", "50", "tok/s", "20.0", "-"]
    assert made.split() == [NAME, "92", "MB", "250", "tok/s", "50", "tok/s", "22.0", "3", "of", "20"]
    first, second = json.loads(noghost(home, "models", "ls", "--json").stdout)
    assert (first["name"], first["sha256"]) == (DEFAULT_NAME, DEFAULT_SHA256)
    assert (second["name"], second["source_sha256"]) == (NAME, DEFAULT_SHA256)
    assert second["measured"] == made_up()
    assert (first["default"], second["default"]) == (True, False)


def test_a_service_takes_the_name_and_holds_what_it_repacks_in_a_file(home: Path, tmp_path: Path) -> None:
    digest = json.loads(noghost(home, "models", "ls", "--json").stdout)[1]["sha256"]
    with running(tmp_path / "default") as service:
        plain = private_bytes(service.pid)
    with running(home, "--model", NAME) as service:
        assert private_bytes(service.pid) < plain + 4e6, "repacked weights are no private memory"
        with urllib.request.urlopen(f"{service.url}/v1/models", timeout=60) as response:
            assert [model["id"] for model in json.load(response)["data"]] == [NAME]
        # It answers to the name of what it was made of, too, and says what it is.
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": DEFAULT_NAME, "messages": messages, "max_tokens": 100, "seed": 1, "ignore_eos": True}
        body["noghost"] = {"threads": 1}
        request = urllib.request.Request(
            f"{service.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            told = response.read()
        answer = json.loads(told)
        assert answer["model"] == NAME
        with httpx.Client(base_url=service.url) as client:
            assert BatchNode("one", client, 1).models() == {"default": digest, DEFAULT_NAME: digest, NAME: digest}
        assert answer["usage"]["completion_tokens"] == 100
        receipt = service.noghost("receipts", "show", answer["noghost"]["instance"])
        assert digest in receipt.stdout, "the ledger names the file that computed, and not what it was made of"
        kept = {"receipt": receipt.stdout.encode(), "request": request.data, "answer": told}
        for name, data in kept.items():
            (tmp_path / name).write_bytes(data)
        # It is repacked when it is loaded, which rounds differently: a repeat that did not do so would not be the same.
        files = ("--request", str(tmp_path / "request"), "--answer", str(tmp_path / "answer"))
        repeated = service.noghost("replay", str(tmp_path / "receipt"), *files, "--model", NAME)
        assert repeated.returncode == 0, repeated.stdout + repeated.stderr
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
    assert noghost(tmp_path, "models", "rm", "--yes", NAME).stdout == f"removed {NAME}\n"
    assert list(models.iterdir()) == []


def test_what_cannot_be_prepared_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"no model" * 100)
    refused = noghost(tmp_path, "models", "prepare", str(tmp_path / "no.gguf"))
    assert refused.returncode == 1
    assert "it is not a GGUF file" in refused.stderr
    refused = noghost(tmp_path, "models", "prepare", "--name", "../other")
    assert "this is no name for a model" in refused.stderr
    refused = noghost(tmp_path, "models", "rm", "--yes", "gone")
    assert "there is no model named gone" in refused.stderr
    assert not (tmp_path / "noghost" / "models").exists()


def test_a_prepared_one_is_not_prepared_into_its_own_place(home: Path) -> None:
    refused = noghost(home, "models", "prepare", "--type", "Q4_0", NAME)
    assert refused.returncode == 1
    assert "is prepared already" in refused.stderr


@pytest.fixture
def added(tmp_path: Path) -> Path:
    """A home with the default model's file in the store, as `mine`; gives its path."""
    done = noghost(tmp_path, "models", "add", str(find().path), "--name", "Mine")
    assert f"mine: 98 MB, sha256 {DEFAULT_SHA256}, licence apache-2.0\n" in done.stdout
    return tmp_path / "noghost" / "models" / "files" / f"{DEFAULT_SHA256}.gguf"


def test_what_was_added_answers_by_its_name_and_one_that_was_changed_does_not(tmp_path: Path, added: Path) -> None:
    ask = ("ask", "--model", "mine", "--max-tokens", "2", "--json", "Hello")
    done = noghost(tmp_path, *ask)
    assert done.returncode == 0, done.stderr
    data = bytearray(added.read_bytes())
    data[-1] ^= 1
    added.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    for command in (ask, ("serve", "--port", "0", "--model", "mine")):
        done = noghost(tmp_path, *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"its sha256 is {found}, not {DEFAULT_SHA256}\nhint: " in done.stderr
    done = noghost(tmp_path, "models", "verify")
    assert done.returncode == 1
    assert done.stdout == f"{DEFAULT_NAME}: OK, sha256 {DEFAULT_SHA256}\n"
    assert f"its sha256 is {found}, not {DEFAULT_SHA256}\n" in done.stderr


def test_a_prepared_one_does_not_take_the_name_of_one_in_the_store(tmp_path: Path, added: Path) -> None:
    refused = noghost(tmp_path, "models", "prepare", "--name", "mine")
    assert refused.returncode == 1
    assert "mine is the name of a model that was pulled or added" in refused.stderr


def test_rm_asks_and_removes_name_and_file(tmp_path: Path, added: Path) -> None:
    refused = noghost(tmp_path, "models", "rm", "mine")
    assert refused.returncode == 1
    assert "mine is not removed without a question\nhint: add --yes" in refused.stderr
    assert added.is_file()
    assert noghost(tmp_path, "models", "rm", "--yes", "mine").stdout == "removed mine\n"
    assert not added.exists()
    assert [one["name"] for one in json.loads(noghost(tmp_path, "models", "ls", "--json").stdout)] == [DEFAULT_NAME]


def test_a_model_from_the_store_that_crashes_llama_cpp_is_told_at_start(tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(Tiny().with_pair(b"llama.block_count", U32, 2**31 - 1).render())
    assert noghost(tmp_path, "models", "add", str(path)).returncode == 0
    done = noghost(tmp_path, "ask", "--model", "bad", "Hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert "llama.cpp crashed on it (SIGABRT)" in done.stderr


def test_show_says_what_a_model_needs_here_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = noghost(tmp_path, "models", "show").stdout.splitlines()
    assert lines[0] == DEFAULT_NAME
    assert "  context        8,192 tokens" in lines
    assert lines[-2].split() == ["8,192", "98", "MB", "189", "MB", "287", "MB"]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # nobody is there
    text = noghost(tmp_path, "models", "show", "Z-ai/GLM-4.7").stdout
    assert text.startswith("z-ai/glm-4.7: not here\n")
    assert "pull it:    noghost models pull hf:unsloth/GLM-4.7-GGUF:UD-Q4_K_XL\n" in text
    found = json.loads(noghost(tmp_path, "models", "show", "z-ai/glm-4.7", "--json").stdout)
    assert {one["kv_bytes"] for one in found["published"]} == {8192 * 376_832}
    assert {one["quant"]: one["size_bytes"] // 10**9 for one in found["published"]}["Q8_0"] == 380
    assert "could not find the model nothing" in noghost(tmp_path, "models", "show", "nothing").stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_prepare_measures_and_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{DEFAULT_NAME}.q8_0"
    done = noghost(tmp_path, "models", "prepare", "--threads", "1", seconds=500)
    assert done.returncode == 0, done.stderr
    assert f"noghost models rm {name}\n" in done.stdout
    first, second = json.loads(noghost(tmp_path, "models", "ls", "--json").stdout)
    measured = second["measured"]
    assert (second["name"], second["kind"], second["source"]) == (name, "Q8_0", DEFAULT_NAME)
    assert second["size_bytes"] == measured["prepared"]["size_bytes"] > first["size_bytes"]
    assert 0.97 < measured["perplexity_ratio"] < 1.03, "Q8_0 keeps the quality"
    assert (measured["answers"], measured["threads"]) == (20, 1)
    assert 1 <= measured["common_tokens"] <= measured["answer_tokens"] <= 34
    assert all(measured[one][key] > 0 for one in ("source", "prepared") for key in ("prefill_tok_s", "decode_tok_s"))
    assert 0 < measured["divergence_again"] < measured["divergence"] < 2 * measured["divergence_again"]
    assert 0.9 < measured["same_top"] <= 1
    assert measured["same_answers_again"] < 20, "the same file, its sums in another order"
    # Nothing is lost. Whether it is faster, this machine says at this moment.
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    faster = prepared.get(name).is_faster
    assert (first["default"], second["default"]) == (not faster, faster)
    assert ("it is the default from now on" in done.stdout) == faster
    assert ("the default stays: it is not faster here\n" in done.stdout) == (not faster)
    assert f"noghost serve --model {DEFAULT_NAME if faster else name}\n" in done.stdout
    shown = noghost(tmp_path, "models", "show").stdout.splitlines()[0]
    assert shown == (name if faster else DEFAULT_NAME)
