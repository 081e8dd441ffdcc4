"""`noghost map`: every line answered once, by whichever node is there, each answer with its receipt."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fuzz.tiny_kinds import filling
from noghost.ledger.receipt import HEADER
from running import Service, private_environment, running, wait_for

pytestmark = pytest.mark.slow  # services, and the start of commands

MAP = (sys.executable, "-m", "noghost.cli.main", "map")
DONE_S = 100.0
PARIS = "The capital of France is Paris."
BUNDLE = "out.receipts"
CC = shutil.which("cc")
AHEAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static int (*real)(clockid_t, struct timespec *);
__attribute__((constructor)) static void find(void) { real = dlsym(RTLD_NEXT, "clock_gettime"); }
int clock_gettime(clockid_t id, struct timespec *at) {
    int failed = real(id, at);
    if (!failed && id == CLOCK_REALTIME) at->tv_sec += 3600;
    return failed;
}
"""
LINES = 60  # many more than are answered before one node is gone


def chat(number: int, **more: Any) -> dict[str, Any]:
    system = {"role": "system", "content": "You are a helpful assistant."}
    question = {"role": "user", "content": "What is the capital of France?"}
    body = {"model": "default", "messages": [system, question], "temperature": 0, "max_tokens": 12} | more
    return {"custom_id": f"q{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def completion(number: int, **more: Any) -> dict[str, Any]:
    body = {"model": "filling", "prompt": "the cat", "max_tokens": 40, "ignore_eos": True} | more
    return {"custom_id": f"q{number}", "method": "POST", "url": "/v1/completions", "body": body}


def write(folder: Path, *requests: dict[str, Any]) -> None:
    (folder / "in").write_text("".join(json.dumps(one) + "\n" for one in requests))


def mapped(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """In a home of its own, which remembers no ledger that others have seen."""
    command = [*MAP, "in", "--out", "out", *arguments]
    home = private_environment(folder / "home")
    return subprocess.run(command, cwd=folder, env=home, capture_output=True, text=True, timeout=DONE_S, **options)


def answers(folder: Path) -> dict[str, dict[str, Any]]:
    """By custom_id; each once."""
    told = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    assert len({one["custom_id"] for one in told}) == len(told)
    return {one["custom_id"]: one["response"] for one in told}


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    """By somebody who has seen none of the logs, and has no ledger."""
    command = [*MAP[:-1], "receipts", "verify", BUNDLE]
    home = private_environment(folder / "stranger")
    return subprocess.run(command, cwd=folder, env=home, capture_output=True, text=True, timeout=60)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Service]]:
    """Three services of a tiny model of one file."""
    (tmp_path / "filling.gguf").write_bytes(filling().render())
    with ExitStack() as held:
        yield [held.enter_context(running(tmp_path / name, *tiny(tmp_path))) for name in ("a", "b", "c")]


def tiny(folder: Path) -> tuple[str, ...]:
    """Options of a service."""
    return ("--model", str(folder / "filling.gguf"), "--context", "64", "--seats", "2")


def urls(services: list[Service]) -> list[str]:
    return [word for service in services for word in ("--url", service.url)]


def test_each_line_is_an_instance_of_its_own_with_a_receipt_that_anybody_can_verify(
    service: Service, tmp_path: Path
) -> None:
    write(tmp_path, chat(0), chat(1), chat(2, max_tokens=-1), chat(3))
    done = mapped(tmp_path, "--url", service.url)
    assert done.returncode == 0, done
    assert "answered   4 of 4 lines: 3 with 200, 1 with 400" in done.stdout
    found = answers(tmp_path)
    assert {found[name]["body"]["choices"][0]["message"]["content"] for name in ("q0", "q1", "q3")} == {PARIS}
    assert found["q2"]["body"]["error"]["param"] == "max_tokens"
    assert len({answer["request_id"] for answer in found.values()}) == 4
    checked = verify(tmp_path)
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (0, "ok: 3 receipts, of 1 logs"), checked
    assert "3 answered, wipe verified" in checked.stdout
    text = (tmp_path / BUNDLE).read_text()
    ids = set(re.findall(r"^id (\w+)$", text, re.MULTILINE))
    assert ids == {found[name]["request_id"] for name in ("q0", "q1", "q3")}
    for changed in (
        text.replace("outcome answered", "outcome refused", 1),
        text[: text.rindex("\n", 0, -1)],
        text + text[: text.index(HEADER, 1)],
        text.replace("\nminute 2", "\nminute 1", 1),
    ):
        (tmp_path / BUNDLE).write_text(changed)
        wrong = verify(tmp_path)
        assert (wrong.returncode, "receipt " in wrong.stderr) == (1, True), wrong


def test_without_a_url_a_service_is_started_for_it_and_ends_with_it(tmp_path: Path) -> None:
    write(tmp_path, chat(0, max_tokens=-1))
    refused = mapped(tmp_path, "--json")
    assert (refused.returncode, json.loads(refused.stdout)["statuses"]) == (0, {"400": 1}), refused
    (tmp_path / "out").unlink()
    (tmp_path / BUNDLE).unlink()
    write(tmp_path, chat(0))
    done = mapped(tmp_path, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["answered"], told["missing"], told["logs"][0]["receipts"]) == (0, 1, 0, 1), done
    again = mapped(tmp_path)
    assert (again.returncode, "there is out already" in again.stderr) == (1, True)
    resumed = json.loads(mapped(tmp_path, "--json", "--resume").stdout)
    assert (resumed["answered"], resumed["receipts"], resumed["left"]) == (0, 1, 0)


def test_a_run_that_was_killed_is_gone_on_with(three: list[Service], tmp_path: Path) -> None:
    write(tmp_path, *(completion(number) for number in range(60)))
    command = [*MAP, "in", "--out", "out", *urls(three[:1])]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=private_environment(tmp_path / "home"), stderr=subprocess.PIPE
    )
    out = tmp_path / "out"
    wait_for(lambda: out.exists() and out.read_bytes().count(b"\n") >= 5, DONE_S, "some answers")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = out.read_bytes()
    whole = before[: before.rindex(b"\n") + 1]
    assert 5 <= whole.count(b"\n") < 60
    done = mapped(tmp_path, *urls(three[:1]), "--resume", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["statuses"], told["receipts"], told["missing"]) == (0, {"200": 60}, 60, 0), done
    assert out.read_bytes().startswith(whole)
    assert len(answers(tmp_path)) == 60


def test_of_three_nodes_one_is_killed_and_every_line_is_answered_once(three: list[Service], tmp_path: Path) -> None:
    write(tmp_path, *(completion(number) for number in range(LINES)))
    process = subprocess.Popen(
        [*MAP, "in", "--out", "out", *urls(three), "--json"],
        cwd=tmp_path, env=private_environment(tmp_path / "home"), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: logs(tmp_path / BUNDLE) == 3, DONE_S, "a receipt of each")
    three[1].process.kill()
    told = json.loads(process.communicate(timeout=DONE_S)[0])
    assert told["statuses"] == {"200": LINES}
    assert len(answers(tmp_path)) == LINES
    assert told["again"] > 0, "the lines that ran there were asked again"
    assert told["receipts"] + told["missing"] == LINES
    assert f"ok: {told['receipts']} receipts, of 3 logs" in verify(tmp_path).stdout
    with running(tmp_path / "b", *tiny(tmp_path)) as again:
        told = json.loads(mapped(tmp_path, *urls([again, three[0]]), "--resume", "--json").stdout)
    assert (told["answered"], told["missing"], told["receipts"]) == (0, 0, LINES), "its ledger was there all the time"
    gaps = [word for service in three for word in ("--ledger", str(service.ledger))]
    seen = json.loads(three[0].noghost("gap", *gaps, "--json").stdout)
    assert seen["instances"] >= LINES


def logs(bundle: Path) -> int:
    """How many logs the receipts so far are of."""
    return len(set(re.findall(r"^vkey .*$", bundle.read_text(), re.MULTILINE))) if bundle.exists() else 0


def test_a_full_disk_on_one_node_is_told_and_the_others_answer(three: list[Service], tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in three[0].ledger.rglob("*"))
    resource.prlimit(three[0].reaper_pid, resource.RLIMIT_FSIZE, (largest, largest))
    write(tmp_path, *(completion(number) for number in range(20)))
    told = json.loads(mapped(tmp_path, *urls(three), "--json").stdout)
    assert (told["statuses"], told["missing"], told["receipts"]) == ({"200": 20}, 0, 20)
    assert (told["nodes"][three[0].url], told["again"] > 0) == (0, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk wants root")
def test_a_disk_of_one_node_that_is_really_full_is_told_and_the_others_answer(tmp_path: Path) -> None:
    """A file system of its own, filled to the last block while the service runs; with room again it answers."""
    (tmp_path / "filling.gguf").write_bytes(filling().render())
    write(tmp_path, *(completion(number) for number in range(20)))
    with small_disk(tmp_path / "full") as home, ExitStack() as held:
        full, other = (held.enter_context(running(place, *tiny(tmp_path))) for place in (home, tmp_path / "other"))
        filler = home / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        told = json.loads(mapped(tmp_path, *urls([full, other]), "--json").stdout)
        assert (told["statuses"], told["missing"], told["receipts"]) == ({"200": 20}, 0, 20)
        assert (told["nodes"][full.url], told["again"] > 0) == (0, True)
        filler.unlink()
        (tmp_path / "out").unlink()
        (tmp_path / BUNDLE).unlink()
        told = json.loads(mapped(tmp_path, *urls([full]), "--json").stdout)
        assert (told["statuses"], told["receipts"]) == ({"200": 20}, 20), "control"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(CC is None, reason="no C compiler here")
def test_a_node_whose_clock_is_off_is_told(three: list[Service], tmp_path: Path) -> None:
    """Every process of one service has the time of a machine whose clock is an hour ahead."""
    source, library = tmp_path / "ahead.c", tmp_path / "ahead.so"
    source.write_text(AHEAD)
    subprocess.run([str(CC), "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    write(tmp_path, *(completion(number) for number in range(12)))
    with running(tmp_path / "d", *tiny(tmp_path), env={"LD_PRELOAD": str(library)}) as wrong:
        done = mapped(tmp_path, *urls([three[0], wrong]), "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["statuses"], told["receipts"]) == (1, {"200": 12}, 12)
        assert told["nodes"][wrong.url] > 0
        assert told["faults"] == [f"the clock of {wrong.url} is off by about 60 min, and its ledger with it"]


def test_a_node_with_other_weights_under_the_same_name_is_refused(three: list[Service], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "filling.gguf").write_bytes(filling().render() + bytes(32))
    write(tmp_path, completion(0))
    with running(tmp_path / "d", "--model", str(tmp_path / "other" / "filling.gguf"), "--context", "64") as other:
        done = mapped(tmp_path, *urls([three[0], other]))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{other.url} and {three[0].url} have other weights under the name" in done.stderr
        assert not (tmp_path / "out").exists()
        assert mapped(tmp_path, *urls([other])).returncode == 0, "control"


def test_what_cannot_be_answered_now_is_left_for_a_later_run(three: list[Service], tmp_path: Path) -> None:
    """The caller's disk is full; then nobody is there; then the model is none; then all is well."""
    write(tmp_path, *(completion(number) for number in range(8)))
    small = mapped(tmp_path, *urls(three), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)))
    assert small.returncode == 1
    assert re.search(r"could not write to out(\.receipts)?: file too large", small.stderr), small
    kept = len(answers(tmp_path))
    assert kept < 8
    gone = mapped(tmp_path, "--url", "http://127.0.0.1:1", "--resume")
    assert (gone.returncode, "no answer from http://127.0.0.1:1" in gone.stderr) == (1, True)
    told = json.loads(mapped(tmp_path, *urls(three), "--resume", "--json").stdout)
    assert (told["statuses"], told["left"], told["missing"]) == ({"200": 8}, 0, 0)
    write(tmp_path, completion(0, model="nobody's"))
    unknown = mapped(tmp_path, *urls(three), "--resume")
    assert "no node has the model of in, line 1" in unknown.stderr
