"""`noghost witness` as a process of its own, and the ledger that has its checkpoints cosigned there."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from api.certificates import write_pair
from ledger.samples import birth, end, fill, number_id
from noghost.cli.receipts import receipts
from noghost.cli.witness import witness as witness_command
from noghost.errors import ConfigError
from noghost.ledger.keys import Signer
from noghost.ledger.store import Ledger
from noghost.ledger.submission import Submission
from running import private_environment, wait_for

WITNESS = (sys.executable, "-m", "noghost.cli.main", "witness", "--port", "0")
START_S = 30.0
Run = Callable[..., Result]


@dataclass(frozen=True)
class Running:
    url: str
    key: str
    process: subprocess.Popen[str]


@contextmanager
def witnessing(home: Path, *arguments: str) -> Iterator[Running]:
    """A witness that listens."""
    home.mkdir(exist_ok=True)
    with (home / "out").open("w") as out:
        process = subprocess.Popen([*WITNESS, *arguments], stdout=out, text=True, env=private_environment(home))
    try:
        said = r"^listening on (\S+)\nwitness key (\S+)$"
        found = wait_for(lambda: re.search(said, (home / "out").read_text(), re.M), START_S, "the witness to listen")
        assert isinstance(found, re.Match)
        yield Running(found[1], found[2], process)
    finally:
        process.terminate()
        process.wait(START_S)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(tmp_path_factory.mktemp("log") / "ledger") as ledger:
        fill(ledger, 5)
        ledger.append(end(1))
        yield ledger


@pytest.fixture(scope="module")
def witness(log: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with witnessing(tmp_path_factory.mktemp("witness"), "--log", log.vkey) as found:
        yield found


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def at(ledger: Ledger, *arguments: str) -> Result:
        words = ["--ledger", str(ledger.path), *arguments]
        return CliRunner().invoke(receipts, words, catch_exceptions=False)

    return at


def test_a_checkpoint_is_cosigned_kept_and_verified(log: Ledger, witness: Running, run: Run) -> None:
    options = ("checkpoint", "--witness", witness.url, "--witness-key", witness.key)
    with_key = ("verify", "--witness-key", witness.key)
    assert "cannot find a cosignature" in run(log, *with_key).output
    assert "cosigned 6 entries at 20" in run(log, *options).output
    assert "cosigned 6 entries at 20" in run(log, *with_key).output
    told = json.loads(run(log, "--json", *with_key, number_id(1)).output)
    assert (told["ok"], told["witness"]["size"]) == (True, 6)

    log.append(birth(90))
    late = run(log, *with_key, number_id(90))
    assert (late.exit_code, "this is number 7" in late.output) == (1, True)
    assert run(log, *with_key, number_id(1)).exit_code == 0, "what was there before still is"
    assert "cosigned 7 entries" in run(log, *options).output
    assert run(log, *with_key, number_id(90)).exit_code == 0


def test_a_receipts_file_is_verified_with_its_ledger(log: Ledger, witness: Running, run: Run, tmp_path: Path) -> None:
    run(log, "checkpoint", "--witness", witness.url, "--witness-key", witness.key)
    (tmp_path / "receipt").write_text(log.receipt(number_id(1)).render())
    done = run(log, "verify", str(tmp_path / "receipt"), "--witness-key", witness.key)
    assert (done.exit_code, "witness  " in done.output) == (0, True)


def test_a_log_that_lost_what_was_witnessed_is_found(log: Ledger, witness: Running, run: Run, tmp_path: Path) -> None:
    """Twice: by the witness, where the log's operator has removed what it kept; and by what it kept."""
    options = ("checkpoint", "--witness", witness.url, "--witness-key", witness.key)
    run(log, *options)
    forked = tmp_path / "forked"
    forked.mkdir(mode=0o700)
    shutil.copy(log.path / "key", forked)
    with Ledger.open(forked) as other:
        fill(other, log.size + 3, first=700)
        done = run(other, *options)
        assert (done.exit_code, "has cosigned another history" in done.output) == (1, True)
        shutil.copytree(log.path / "witnessed", forked / "witnessed")
        for arguments in (options, ("verify", "--witness-key", witness.key)):
            done = run(other, *arguments)
            assert (done.exit_code, "cannot verify that the log only grew" in done.output) == (1, True)
    shutil.rmtree(forked / "witnessed")
    shutil.rmtree(forked / "tile", ignore_errors=True)
    for name in ("tail", "checkpoint"):
        (forked / name).unlink()
    with Ledger.open(forked) as other:
        fill(other, 2)
        done = run(other, *options)
        assert (done.exit_code, "cannot trust the ledger" in done.output) == (1, True), "it is shorter"


def test_a_cosignature_by_another_key_is_not_kept(log: Ledger, witness: Running, run: Run) -> None:
    other = Signer("other.example/w", bytes(32), b"\4").verifier.render()
    done = run(log, "checkpoint", "--witness", witness.url, "--witness-key", other)
    assert (done.exit_code, "no signature is by other.example/w" in done.output) == (1, True)
    assert "cannot find a cosignature" in run(log, "verify", "--witness-key", other).output


def test_without_a_witness_the_checkpoint_is_printed(log: Ledger, run: Run) -> None:
    done = run(log, "checkpoint")
    assert (done.stdout, done.stderr) == (log.checkpoint(), f"key {log.vkey}\n")
    for half in (("--witness", "http://127.0.0.1:1"), ("--witness-key", log.vkey)):
        assert "give both" in run(log, "checkpoint", *half).output


def test_the_protocol_on_the_wire(log: Ledger, witness: Running) -> None:
    """Statuses and types as tlog-witness has them; a 409 has the size, and a newline, and nothing else."""
    signed, path = log.grown(0)
    url = f"{witness.url}/add-checkpoint"
    first = httpx.post(url, content=Submission(0, path, signed).render())
    assert first.status_code in (200, 409)
    conflict = httpx.post(url, content=Submission(1, (), signed).render())
    size = httpx.post(url, content=Submission(0, (), signed).render())
    for answer in (conflict, size):
        assert (answer.status_code, answer.headers["content-type"]) == (409, "text/x.tlog.size")
        assert re.fullmatch(r"\d+\n", answer.text)
    old = int(size.text)
    again = httpx.post(url, content=Submission(old, log.grown(old)[1], signed).render())
    assert (again.status_code, again.text[:2], again.text[-1]) == (200, "— ", "\n")
    assert httpx.post(url, content=b"x" * 100_000).status_code == 413
    assert httpx.post(url, content=b"x").status_code == 400
    assert httpx.get(url).status_code == 405
    assert httpx.post(f"{witness.url}/other").status_code == 404
    stranger = signed.replace(log.origin, "other.example/log")
    assert httpx.post(url, content=Submission(0, (), stranger).render()).status_code == 404


def test_a_closed_door_and_a_witness_that_knows_it_not_are_told_apart(
    log: Ledger, witness: Running, run: Run, tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "unknown") as unknown:
        unknown.append(birth(1))
        done = run(unknown, "checkpoint", "--witness", witness.url, "--witness-key", witness.key)
        assert "does not know this log" in done.output
    closed = run(log, "checkpoint", "--witness", "http://127.0.0.1:1", "--witness-key", witness.key)
    assert "no answer from the witness" in closed.output


@pytest.mark.slow
def test_over_tls_with_a_fingerprint(log: Ledger, run: Run, tmp_path: Path) -> None:
    options = write_pair(tmp_path)
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(options[1]).read_text())).hexdigest()
    with witnessing(tmp_path / "tls", "--log", log.vkey, *options) as found:
        assert found.url.startswith("https://")
        arguments = ("checkpoint", "--witness", found.url, "--witness-key", found.key, "--fingerprint")
        assert "cosigned" in run(log, *arguments, fingerprint).output
        assert "another certificate" in run(log, *arguments, "00" * 32).output


@pytest.mark.parametrize("options", [("--host", "0.0.0.0"), ("--tls-cert", "c.pem"), ("--port", "99999")])
def test_wrong_ways_to_start(log: Ledger, options: tuple[str, ...], tmp_path: Path) -> None:
    words = ["--log", log.vkey, "--directory", str(tmp_path / "none"), *options]
    with pytest.raises(ConfigError) as caught:
        CliRunner().invoke(witness_command, words, catch_exceptions=False)
    assert caught.value.hint
    assert not (tmp_path / "none").exists()
