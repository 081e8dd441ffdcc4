"""`noghost verify`: a line a turn, a verdict, an exit status; of a real conversation, computed again as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from client.transcript.made import STARTED
from client.verification.talks import Told, changed, telling
from noghost.cli.verify import verify
from noghost.client.claim import body_of, headers_for, new_key
from noghost.client.transcript import Transcript, TranscriptFile
from noghost.ledger.receipt import Receipt
from promises.repeating import ended_receipt, post, text_of
from running import Service, running

OPTIONS: dict[str, Any] = {"max_tokens": 12, "seed": 5, "noghost": {"threads": 1}}
MARKER = "velorimat"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    with telling(tmp_path) as found:
        yield found


def run(transcript: Transcript | str, folder: Path, *options: str) -> Result:
    """The command on a file with that in it."""
    file = folder / "talk.md"
    file.write_text(transcript if isinstance(transcript, str) else transcript.render(), "utf-8")
    return CliRunner().invoke(verify, [str(file), *options], catch_exceptions=False)


def test_a_line_for_each_turn_and_a_verdict(told: Told, tmp_path: Path) -> None:
    talk = told.talk()
    found = run(talk, tmp_path)
    lines = found.output.splitlines()
    assert found.exit_code == 0
    assert lines[1] == "   2  user       holds: part of what turn 3 answers"
    assert lines[2] == "   3  assistant  holds: answered, wipe verified, 2026-03-01T14:05Z"
    assert lines[8] == "holds: 8 hold"
    assert "taken from the file" in found.output
    assert "known before" in run(talk, tmp_path).output, "pinned by the first look"
    broken = run(changed(talk, 4, f"{MARKER}?"), tmp_path)
    assert broken.exit_code == 1
    assert "   5  user       broken: not what turn 6 answers" in broken.output
    assert "\nbroken: 5 hold, 2 do not, 1 cannot be told\n" in broken.output
    assert MARKER not in broken.output


@pytest.mark.parametrize("where", ["flag", "environment", "file"])
def test_the_ledger_is_found_where_serve_would(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It proves that the log has only grown since it was seen before, which the receipts alone do not."""
    first, second = told.talk(), told.talk(first=20)
    since = [json.loads(run(talk, tmp_path, "--json").output)["logs"][0]["since"] for talk in (first, second)]
    assert since[1] == "unchecked", "control: it is in no place where the command looks"
    options: tuple[str, ...] = ()
    if where == "flag":
        options = ("--ledger", str(tmp_path / "ledger"))
    elif where == "environment":
        monkeypatch.setenv("NOGHOST_LEDGER", str(tmp_path / "ledger"))
    else:
        (tmp_path / "noghost.toml").write_text(f'ledger = "{tmp_path / "ledger"}"\n')
        options = ("--config", str(tmp_path / "noghost.toml"))
    found = run(second, tmp_path, "--json", *options)
    assert json.loads(found.output)["logs"][0]["since"] == "proved"


def test_json_and_the_key_that_is_trusted(told: Told, tmp_path: Path) -> None:
    talk = told.talk()
    found = run(talk, tmp_path, "--json", "--key", told.ledger.vkey)
    facts = json.loads(found.output)
    assert (found.exit_code, facts["verdict"], len(facts["turns"])) == (0, "holds", 8)
    assert facts["logs"] == [
        {
            "origin": told.ledger.origin,
            "vkey": told.ledger.vkey,
            "receipts": 3,
            "key_pinned_before": True,
            "since": "unchecked",
        }
    ]
    with telling(tmp_path / "other") as other:
        assert run(talk, tmp_path, "--key", other.ledger.vkey).exit_code == 1


def test_with_the_ledger_at_hand_its_growth_is_checked_too(told: Told, tmp_path: Path) -> None:
    """As `noghost receipts verify` does it."""
    with telling(tmp_path / "home" / "noghost") as here:
        facts = json.loads(run(here.talk(), tmp_path, "--json").output)
        again = json.loads(run(here.talk(first=50), tmp_path, "--json").output)
    assert [log["since"] for found in (facts, again) for log in found["logs"]] == ["first", "proved"]


def test_what_cannot_be_told(told: Told, tmp_path: Path) -> None:
    """Neither no transcript, nor no file, nor a transcript without receipts is one that does not hold."""
    assert run(told.talk([("user", "Hello."), ("system", "Be kind.")]), tmp_path).exit_code == 2
    malformed = run(f"{MARKER}\n", tmp_path, "--json")
    assert (malformed.exit_code, json.loads(malformed.output)["verdict"]) == (2, "cannot tell")
    assert MARKER not in malformed.output
    missing = CliRunner().invoke(verify, [str(tmp_path / "none.md")])
    assert missing.exit_code == 2
    assert "hint:" in missing.output


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Path, Transcript]]:
    """Two questions to a service, each answer kept with what ties it to its receipt."""
    home = tmp_path_factory.mktemp("talked")
    with running(home / "service") as service:
        transcript = Transcript("Conversation", "smollm2-135m-instruct", STARTED)
        for question in ("Tell me of the sea.", "And of the moon?"):
            transcript.append("user", question)
            key, body = new_key(), body_of(transcript.messages(), OPTIONS)
            answer = post(service, body, **headers_for(key, body))
            instance = answer.headers["noghost-instance"]
            facts = {"instance": instance, "key": key.hex(), "options": OPTIONS}
            transcript.append("assistant", text_of(answer), facts | {"receipt": ended_receipt(service, instance)})
        TranscriptFile(home / "talk.md").create(transcript)
        yield service, home / "talk.md", transcript


@pytest.mark.slow
def test_a_conversation_is_repeated(talked: tuple[Service, Path, Transcript]) -> None:
    service, file, _ = talked
    done = service.noghost("verify", str(file), "--replay", "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["verdict"]) == (0, "holds")
    assert [row["repeated"] for row in facts["turns"]] == [None, "the same", None, "the same"]


@pytest.mark.slow
def test_a_repeat_with_another_model_claims_nothing(talked: tuple[Service, Path, Transcript], tmp_path: Path) -> None:
    service, file, _ = talked
    done = service.noghost("verify", str(file), "--replay", "--model", str(tmp_path / "none.gguf"), "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["verdict"]) == (2, "cannot tell")
    assert [row["state"] for row in facts["turns"]] == ["holds"] * 4


@pytest.mark.slow
def test_an_answer_that_no_model_gave_is_found(talked: tuple[Service, Path, Transcript], told: Told) -> None:
    """A service that signs what it likes: every commitment holds, and the repeat finds another answer."""
    service, _, transcript = talked
    told.like = Receipt.parse(transcript.turns[1].facts["receipt"]).verify().opened
    told.options = OPTIONS
    lying = told.talk([("user", "Tell me of the sea."), ("assistant", "It is made of glass.")])
    file = told.memory.parent / "lying.md"
    TranscriptFile(file).create(lying)
    plain, repeated = (service.noghost("verify", str(file), *more, "--json") for more in ((), ("--replay",)))
    assert (plain.returncode, json.loads(plain.stdout)["verdict"]) == (0, "holds"), "control"
    facts = json.loads(repeated.stdout)
    assert (repeated.returncode, facts["turns"][1]["repeated"]) == (1, "not the same")
    assert "glass" not in repeated.stdout
