"""P8 repeat: the same weights, build, threads, seed and request give the same bytes, and whoever kept them can show it.

The published 100 of 100 is measured by bench/repeat.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noghost.client.receipts import read_receipt
from noghost.ledger.store import Ledger
from promises.repeating import Files, body_of, keep, post, text_of
from running import Service, running

TIMES = 5
SYSTEM = "You answer questions about trains, kindly and in one sentence. " * 9
GREEDY, SAMPLED = 0.0, 1.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that lets a request fix two threads, on whatever machine."""
    with running(tmp_path_factory.mktemp("repeat"), "--threads", "2") as found:
        yield found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("temperature", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_the_same_request_gives_the_same_bytes(service: Service, temperature: float, threads: int) -> None:
    body = body_of(seed=11, temperature=temperature, noghost={"threads": threads})
    assert len({text_of(post(service, body)) for _ in range(TIMES)}) == 1


def test_another_seed_gives_another_answer(service: Service) -> None:
    """Control: the seed does matter."""
    bodies = [body_of(seed=seed, temperature=1.5, noghost={"threads": 1}) for seed in (1, 2, 3)]
    assert len({text_of(post(service, body)) for body in bodies}) == 3


def test_an_answer_is_shown_to_be_that_of_receipt_and_request(service: Service, tmp_path: Path) -> None:
    """Sampled, with the seed in the receipt and a commitment. Controls: a changed answer and a changed request are
    found, and what is told of the difference is a position."""
    key = tmp_path / "key"
    request = tmp_path / "request.json"
    request.write_bytes(body_of(temperature=SAMPLED, noghost={"threads": 1, "record_seed": True}))
    made = service.noghost("commit", str(request), "--key", str(key), "--new-key").stdout.strip()
    files = keep(service, tmp_path, request.read_bytes(), **{"noghost-commitment": made})

    status, told = files.replayed(service, "--commitment-key", str(key))
    assert (status, told["verdict"], told["commitment"], told["seed_from"]) == (0, "the same", "holds", "receipt")

    changed = json.loads(files.answer.read_bytes())
    text = changed["choices"][0]["message"]["content"]
    changed["choices"][0]["message"]["content"] = text[:9] + "#" + text[10:]
    files.answer.write_text(json.dumps(changed))
    status, told = files.replayed(service)
    assert (status, told["verdict"], told["at"], told["commitment"]) == (1, "not the same", 9, "not checked")

    files.request.write_bytes(files.request.read_bytes() + b" ")
    status, told = files.replayed(service, "--commitment-key", str(key))
    assert (status, told["verdict"], told["commitment"]) == (1, "not the same", "broken")


def test_a_saved_stream_of_two_threads_is_the_same(service: Service, tmp_path: Path) -> None:
    """The seed is not in the receipt: it comes from the answer, and the report says so."""
    body = body_of(temperature=SAMPLED, stream=True, noghost={"threads": 2})
    status, told = keep(service, tmp_path, body).replayed(service)
    assert (status, told["verdict"], told["seed_from"], told["threads"]) == (0, "the same", "answer", "2")
    assert told["commitment"] == "none"


def test_a_greedy_answer_needs_no_seed_and_its_text_is_enough(service: Service, tmp_path: Path) -> None:
    files = keep(service, tmp_path, body_of(temperature=0, noghost={"threads": 1}))
    text = json.loads(files.answer.read_bytes())["choices"][0]["message"]["content"]
    files.answer.write_text(text + "\n")
    status, told = files.replayed(service)
    assert (status, told["verdict"], told["seed_from"]) == (0, "the same", "none needed")


def test_a_step_that_this_host_cannot_do_may_be_left_out(service: Service, tmp_path: Path) -> None:
    """As for `noghost serve`: control, a step that there is not."""
    files = keep(service, tmp_path, body_of(temperature=0, noghost={"threads": 1}))
    status, told = files.replayed(service, "--without", "landlock", "--unverified")
    assert (status, told["verdict"]) == (0, "the same")
    status, told = files.replayed(service, "--without", "nothing")
    assert (status, told["verdict"]) == (2, "cannot tell")
    assert "--without nothing" in told["hint"]


def test_nothing_is_claimed_of_another_build_unless_told_to(service: Service, tmp_path: Path) -> None:
    files = keep(service, tmp_path, body_of(temperature=0, noghost={"threads": 1}))
    other = of_another_build(files, tmp_path / "ledger")
    status, told = other.replayed(service)
    assert (status, told["verdict"], told["at"]) == (2, "cannot tell", None)
    assert [one["name"] for one in told["differences"]] == ["build"]
    status, told = other.replayed(service, "--anyway")
    assert (status, told["verdict"], len(told["differences"])) == (0, "the same", 1)


def test_an_answer_from_a_template_is_repeated_without_it(tmp_path: Path) -> None:
    """The receipt names the template by a digest that the reaper knows; the repeat computes the whole prompt."""
    (tmp_path / "system.txt").write_text(SYSTEM)
    (tmp_path / "noghost.toml").write_text('[[template]]\nname = "trains"\nsystem = "system.txt"\n')
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Which is the fastest?"}]
    body = body_of(messages=messages, seed=3, temperature=SAMPLED, noghost={"threads": 1})
    with running(tmp_path, "--config", str(tmp_path / "noghost.toml")) as service:
        files = keep(service, tmp_path, body)
    digest = hashlib.sha256(SYSTEM.encode()).hexdigest()
    assert f"\ntemplate {digest}\n" in files.receipt.read_text()
    status, told = files.replayed(service)
    assert (status, told["verdict"]) == (0, "the same")


def test_a_changed_receipt_is_refused(service: Service, tmp_path: Path) -> None:
    files = keep(service, tmp_path, body_of(temperature=0, noghost={"threads": 1}))
    files.receipt.write_text(files.receipt.read_text().replace("threads 1", "threads 2"))
    status, told = files.replayed(service)
    assert (status, told["verdict"]) == (2, "cannot tell")
    assert "proof" in told["reason"] or "verif" in told["reason"], told


def of_another_build(files: Files, ledger_dir: Path) -> Files:
    """The same, with a receipt of another log, whose build is another."""
    opened = read_receipt(files.receipt).verify().opened
    with Ledger.open(ledger_dir) as ledger:
        ledger.append(replace(opened, build="22" * 32))
        ledger.checkpoint()
        receipt = ledger_dir.parent / "receipt-of-another-build"
        receipt.write_text(ledger.receipt(opened.id).render())
    return replace(files, receipt=receipt)
