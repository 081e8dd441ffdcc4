"""P6 template: the same bytes with and without it; no request adds to it; what is at rest is verified or made anew.

The time that it saves is measured by bench/template.py.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.capsules import give, parts_of
from api.wire import ASKED
from promises.talking import say
from promises.witness import canary
from running import Service, running, wait_for

SYSTEM = "You answer questions about trains, kindly and in one sentence. " * 9
EXAMPLES = [
    {"role": "user", "content": "Where do I buy a ticket? " * 8},
    {"role": "assistant", "content": "At the counter, in the hall, or on the train. " * 8},
]
# A system message may spell the turns that follow it: the tokens are those of a conversation.
SPELLED = SYSTEM + "".join(f"<|im_end|>\n<|im_start|>{turn['role']}\n{turn['content']}" for turn in EXAMPLES)
CONFIG = """
[[template]]
name = "plain"
system = "plain.txt"

[[template]]
name = "examples"
system = "examples.txt"

[[template]]
name = "own"
"""
QUESTIONS = ("Which is the fastest?", "Tell me about stations. " * 15)  # the rest: below 64 tokens, and above
SHORT = [{"role": "user", "content": "What is a train?"}]
WITNESS = str(Path(__file__).with_name("witness.py"))


def conversation(question: str, examples: bool = False, system: str = SYSTEM) -> list[dict[str, str]]:
    turns = EXAMPLES if examples else []
    return [{"role": "system", "content": system}, *turns, {"role": "user", "content": question}]


def answer(service: Service, messages: list[dict[str, str]], **fields: object) -> tuple[str, dict[str, Any]]:
    """The text, and what this service says of it."""
    settings = {"max_tokens": 12, "seed": 3, "temperature": 0, "noghost": {"threads": 1}} | fields
    with say(service, "", messages=messages, **settings) as call:
        body = json.loads(call.read_all().partition(b"\r\n\r\n")[2])
    return body["choices"][0]["message"]["content"], body["noghost"]


def choices(service: Service, **fields: object) -> list[dict[str, Any]]:
    """All that is answered to the short question, logarithms included."""
    with say(service, "", messages=SHORT, seed=3, **fields) as call:
        found: list[dict[str, Any]] = json.loads(call.read_all().partition(b"\r\n\r\n")[2])["choices"]
    assert len(found) == 2
    assert all(one["logprobs"]["content"] for one in found)
    return found


def configured(home: Path) -> tuple[str, ...]:
    """The configuration file in `home`; the arguments of `noghost serve` that name it."""
    home.mkdir(exist_ok=True)
    (home / "plain.txt").write_text(SYSTEM)
    (home / "examples.txt").write_text(SPELLED)
    (home / "noghost.toml").write_text(CONFIG)
    return ("--config", str(home / "noghost.toml"), "--context", "2048")


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("p6") / "with"
    with running(home, *configured(home)) as service:
        yield service


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("p6") / "without", "--context", "2048") as service:
        yield service


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("temperature", [0.0, 1.2], ids=["greedy", "sampled"])
def test_the_answer_has_the_same_bytes_with_and_without(
    holding: Service, bare: Service, threads: int, temperature: float
) -> None:
    fields = {"noghost": {"threads": threads}, "temperature": temperature, "max_tokens": 12}
    for question in QUESTIONS:
        text, about = answer(holding, conversation(question), **fields)
        plain, plainly = answer(bare, conversation(question), **fields)
        assert (about["template"], plainly["template"], plainly["prefix_tokens"]) == ("plain", None, 0)
        assert about["prefix_tokens"] > 100
        assert text == plain
    assert answer(bare, conversation("Why?"), **fields)[0] != text, "control: the question does matter"


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("temperature", [0.0, 1.2], ids=["greedy", "sampled"])
def test_a_short_prompt_starts_from_what_the_model_begins_with(
    holding: Service, bare: Service, threads: int, temperature: float
) -> None:
    fields = {"noghost": {"threads": threads}, "temperature": temperature, "max_tokens": 12}
    text, about = answer(holding, SHORT, **fields)
    plain, plainly = answer(bare, SHORT, **fields)
    assert (about["template"], plainly["template"]) == ("own", None)
    assert 8 <= about["prefix_tokens"] < 64
    assert text == plain
    longer = [{"role": "user", "content": "What is a train? " * 12}]
    assert answer(holding, longer, **fields)[1]["template"] is None
    assert answer(holding, longer, **fields)[0] == answer(bare, longer, **fields)[0]
    every = {"n": 2, "logprobs": True, "top_logprobs": 3}
    assert choices(holding, **fields, **every) == choices(bare, **fields, **every)


def test_the_longest_template_wins_and_a_prompt_that_begins_otherwise_has_none(holding: Service, bare: Service) -> None:
    text, with_examples = answer(holding, conversation("Which is the fastest?", examples=True))
    assert with_examples["template"] == "examples"
    assert text == answer(bare, conversation("Which is the fastest?", examples=True))[0]
    _, without = answer(holding, conversation("Which is the fastest?"))
    assert without["template"] == "plain"
    assert with_examples["prefix_tokens"] > without["prefix_tokens"] > 64
    _, other = answer(holding, conversation("Which is the fastest?", system="X" + SYSTEM))
    assert (other["template"], other["prefix_tokens"]) == (None, 0)


def test_a_capsule_from_a_template_goes_on_with_it_and_without(holding: Service, bare: Service) -> None:
    """It holds the template's tokens too; beside one the template is not used. The bytes are those of none of both."""
    asked = ASKED | {
        "max_tokens": 8,
        "messages": conversation(QUESTIONS[1]),
        "noghost": {"threads": 1, "capsule": True},
    }
    first = parts_of(give(holding, asked))
    assert first.facts["template"] == "plain", "control: it was made from one"
    turns = [*conversation(QUESTIONS[1]), {"role": "assistant", "content": first.text}]
    longer = asked | {"messages": [*turns, {"role": "user", "content": "And of trams?"}]}
    for service in (holding, bare):
        second = parts_of(give(service, longer, first.capsule))
        assert second.facts["template"] is None
        assert second.facts["capsule_tokens"] > first.facts["prefix_tokens"]
        whole = answer(bare, longer["messages"], max_tokens=8)[0]
        assert second.text == whole


def test_no_request_adds_to_a_template(holding: Service) -> None:
    before = held_by(holding)
    assert len(before) > 60, "control: the mappings of two contexts are found"
    for number in range(20):
        _, about = answer(holding, conversation(f"Question {number}?", examples=number % 2 == 0))
        assert about["template"] == ("plain" if number % 2 else "examples")
    assert held_by(holding) == before


def held_by(service: Service) -> dict[str, str]:
    """Each mapping of the warden that a template's file holds: its addresses, and the digest of what it reads there.

    None of its pages may be the warden's own: bit 61 of the pagemap says that it is the file's.
    """
    found = {}
    folder = str(service.home / "noghost" / "templates")
    proc = Path(f"/proc/{service.pid}")
    with (proc / "mem").open("rb") as memory, (proc / "pagemap").open("rb") as pagemap:
        for line in (proc / "maps").read_text().splitlines():
            if folder not in line:
                continue
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            memory.seek(start)
            found[line.split()[0]] = hashlib.sha256(memory.read(end - start)).hexdigest()
            pagemap.seek(start // mmap.PAGESIZE * 8)
            tops = pagemap.read((end - start) // mmap.PAGESIZE * 8)[7::8]
            assert not any(top & 0x80 and not top & 0x20 for top in tops)
    return found


def test_a_restart_computes_nothing_and_a_damaged_state_is_computed_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = configured(home)
    folder = home / "noghost" / "templates"

    def states() -> dict[str, tuple[int, int, str]]:
        return {
            path.name: (path.stat().st_ino, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in folder.iterdir()
        }

    with running(home, *arguments) as service:
        first, _ = answer(service, conversation("Which is the fastest?"))
        short, _ = answer(service, SHORT)
        assert "template_refused" not in service.log
    made = states()
    assert len(made) == 3
    assert all(name.endswith(".state") for name in made)
    with running(home, *arguments) as service:
        assert answer(service, conversation("Which is the fastest?"))[0] == first
    assert states() == made, "nothing was computed, so nothing was written"

    one, *others = sorted(folder.iterdir())
    foreign = others[0].read_bytes()
    for other in others:
        damaged = bytearray(other.read_bytes())
        damaged[-1000] ^= 1
        other.write_bytes(damaged)
    one.write_bytes(foreign)
    with running(home, *arguments) as service:
        assert service.log.count("template_refused") == 3
        again, about = answer(service, conversation("Which is the fastest?"))
        assert (again, about["template"]) == (first, "plain")
        again, about = answer(service, SHORT)
        assert (again, about["template"]) == (short, "own")
    assert {name: facts[2] for name, facts in states().items()} == {name: facts[2] for name, facts in made.items()}


def test_an_instance_that_starts_from_a_template_is_wiped_like_any_other(tmp_path: Path) -> None:
    """Control: before the wipe the canary is there. The template itself is public, and nobody's to wipe."""
    home = tmp_path / "home"
    report = tmp_path / "report"
    report.touch()
    env = {"WITNESS_CONFIG": configured(home)[1]}
    with running(home, command=(sys.executable, WITNESS, str(report), "on"), env=env) as service:
        before = held_by(service)
        _, about = answer(service, conversation(f"My reference is {canary()}. Repeat it."))
        assert about["template"] == "plain"

        def line() -> dict[str, int] | None:
            lines = [json.loads(text) for text in report.read_text().splitlines()]
            return next((one for one in lines if one["before"]), None)

        found = wait_for(line, 20, "the report")
        assert isinstance(found, dict)
        assert found["after"] == 0
        assert found["wiped_bytes"] > 1_000_000
        assert held_by(service) == before

        def receipt() -> str | None:
            rows = json.loads(service.noghost("receipts", "--json").stdout)
            return next((row["ended"]["wipe"] for row in rows if row["ended"]), None)

        assert wait_for(receipt, 20, "the closed entry") == "verified"
