"""`noghost ask --fresh N`: as many instances as answers, told apart and compared."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from noghost.client.transcript import TranscriptFile
from running import Service

pytestmark = pytest.mark.slow  # most of the time is the start of a command

FRESH = ("ask", "--max-tokens", "12", "--fresh", "3")
CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."


def asked(service: Service, *arguments: str, material: str | None = None) -> subprocess.CompletedProcess[str]:
    """Of the service that runs."""
    source: dict[str, object] = {"stdin": subprocess.DEVNULL} if material is None else {"input": material}
    return service.noghost(*FRESH, "--url", service.url, *arguments, **source)


def test_each_answer_is_an_instances_of_its_own_and_greedy_ones_agree(service: Service) -> None:
    told = json.loads(asked(service, CAPITAL, "--temperature", "0", "--json").stdout)
    (one,) = told["questions"]
    assert one["question"] == CAPITAL
    assert [answer["text"] for answer in one["answers"]] == [PARIS] * 3
    instances = {answer["told"]["instance"] for answer in one["answers"]}
    rows = json.loads(service.noghost("receipts", "--json").stdout)
    assert len(instances) == 3
    assert instances <= {row["opened"]["id"] for row in rows}, "each has its own record"
    assert one["agreement"]["exact"] == 1
    assert one["agreement"]["similarity_least"] == pytest.approx(1, abs=1e-4)
    assert all(answer["began"] < answer["ended"] for answer in one["answers"])
    assert told["similarity_between_questions"] is None


def test_seeds_follow_the_one_that_is_given_and_make_answers_differ(service: Service) -> None:
    arguments = ("Tell me a joke.", "--seed", "4294967294", "--threads", "1", "--temperature", "1.5", "--json")
    first, second = (json.loads(asked(service, *arguments).stdout)["questions"][0] for _ in range(2))
    assert [answer["seed"] for answer in first["answers"]] == [4294967294, 0, 1]
    assert [answer["text"] for answer in first["answers"]] == [answer["text"] for answer in second["answers"]]
    assert first["agreement"]["different"] == 3
    assert first["agreement"]["exact"] == 0
    assert first["agreement"]["similarity"] < 0.999


def test_a_file_of_questions_is_a_table_with_a_floor(service: Service, tmp_path: Path) -> None:
    (tmp_path / "questions").write_text(f"{CAPITAL}\n\nName a colour.\n")
    done = asked(service, "--questions", str(tmp_path / "questions"), "--temperature", "0")
    lines = done.stdout.splitlines()
    assert (lines[0], lines[6]) == (CAPITAL, "Name a colour."), done
    assert lines[1].startswith("  1  ")
    assert lines[1].endswith(PARIS)
    assert [line.split()[2:] for line in lines[2:4]] == [["the", "same", "as", "1"]] * 2
    assert lines[4].strip().startswith("1 different, 3 of 3 pairs the same to the character; similarity 1.000")
    assert lines[-1].startswith("for comparison: answers to different questions")


def test_each_answer_is_a_transcript(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    arguments = (CAPITAL, "--temperature", "0", "--json", "--transcripts", str(folder))
    told = json.loads(asked(service, *arguments).stdout)["questions"][0]["answers"]
    assert sorted(path.name for path in folder.iterdir()) == [f"question-1-answer-{at}.md" for at in (1, 2, 3)]
    for at, answer in enumerate(told, 1):
        kept = TranscriptFile(folder / f"question-1-answer-{at}.md").read()
        assert [(turn.role, turn.text) for turn in kept.turns[1:]] == [("user", CAPITAL), ("assistant", PARIS)]
        facts = kept.turns[-1].facts
        assert (facts["instance"], facts["seed"]) == (answer["told"]["instance"], answer["seed"])
        assert (facts["began"], facts["ended"]) == (answer["began"], answer["ended"])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    again = asked(service, *arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is something in" in again.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_standard_input_is_the_material_of_each(service: Service) -> None:
    told = json.loads(asked(service, "Repeat this word:", "--json", material="Zanzibar").stdout)
    assert told["questions"][0]["question"] == "Repeat this word:\n\nZanzibar"


def test_wrong_ways_to_ask(service: Service, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    for arguments, words in (
        ((CAPITAL, "--questions", str(tmp_path / "empty")), "leave out one of them"),
        (("--questions", str(tmp_path / "empty")), "is empty"),
        (("--questions", str(tmp_path / "binary")), "not utf-8"),
        ((CAPITAL, "--context", "512"), "the service at --url"),
        ((CAPITAL, "--model", "other"), "there is no such model"),
        ((), "nothing to ask"),
    ):
        done = asked(service, *arguments)
        assert done.returncode == 1, done
        assert words in done.stderr
    alone = service.noghost("ask", "--questions", str(tmp_path / "empty"), stdin=subprocess.DEVNULL)
    assert "--fresh" in alone.stderr
    pinned = service.noghost(*FRESH, "--fingerprint", "00" * 32, CAPITAL, stdin=subprocess.DEVNULL)
    assert "no --url" in pinned.stderr
    closed = service.noghost(*FRESH, "--url", "http://127.0.0.1:1", CAPITAL, stdin=subprocess.DEVNULL)
    assert "no answer from http://127.0.0.1:1" in closed.stderr


def test_without_a_service_the_records_are_in_the_callers_ledger(service: Service, tmp_path: Path) -> None:
    """A service that exists only for the command: gone with it, its ledger and its seeds the caller's."""
    service.env["XDG_DATA_HOME"], before = str(tmp_path), service.env["XDG_DATA_HOME"]
    try:
        done = service.noghost(*FRESH, "--json", CAPITAL, stdin=subprocess.DEVNULL)
        rows = json.loads(service.noghost("receipts", "--json").stdout)
    finally:
        service.env["XDG_DATA_HOME"] = before
    told = json.loads(done.stdout)["questions"][0]["answers"]
    assert {answer["told"]["instance"] for answer in told} < {row["opened"]["id"] for row in rows}
    assert all(row["ended"]["wipe"] == "verified" for row in rows)
    assert [path.name for path in tmp_path.iterdir()] == ["noghost"]
