"""The commitment: a header whose 32 bytes come back in the receipt, and nothing else does."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from noghost.cli.commit import commit
from noghost.client.commitment import commitment, read_key
from noghost.errors import ConfigError
from promises.repeating import body_of, keep
from running import Service

MARKER = "velorimat"


def test_it_is_in_the_receipt(service: Service, tmp_path: Path) -> None:
    files = keep(service, tmp_path, body_of(max_tokens=1), **{"noghost-commitment": "ab" * 32})
    assert f"\ncommitment {'ab' * 32}\n" in files.receipt.read_text()


def test_without_it_and_without_being_asked_nothing_of_the_caller_is_there(service: Service, tmp_path: Path) -> None:
    receipt = keep(service, tmp_path, body_of(max_tokens=1, seed=77)).receipt.read_text()
    assert "\nthreads free\ntemplate -\nseed -\ncommitment -\n" in receipt


def test_threads_and_a_seed_that_the_caller_lets_be_recorded(service: Service, tmp_path: Path) -> None:
    own = {"threads": 1, "record_seed": True}
    receipt = keep(service, tmp_path, body_of(max_tokens=1, seed=-1, noghost=own)).receipt.read_text()
    assert f"\nthreads 1\ntemplate -\nseed {2**32 - 2}\n" in receipt


@pytest.mark.parametrize("sent", [["00"], ["AB" * 32], [MARKER], ["ab" * 32, "ab" * 32], [""]])
def test_anything_else_is_refused_and_not_repeated(service: Service, sent: list[str]) -> None:
    headers = [("content-type", "application/json"), *(("noghost-commitment", value) for value in sent)]
    answer = httpx.post(f"{service.url}/v1/chat/completions", content=body_of(), headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "noghost-commitment")
    assert MARKER not in answer.text + service.log


def test_the_command_makes_what_the_specification_says(tmp_path: Path) -> None:
    request, key = tmp_path / "request.json", tmp_path / "key"
    request.write_bytes(b'{"prompt": "Hi"}\n')
    first = CliRunner().invoke(commit, [str(request), "--key", str(key), "--new-key"])
    assert key.stat().st_mode & 0o777 == 0o600
    wanted = hmac.digest(bytes.fromhex(key.read_text()), request.read_bytes(), hashlib.sha256).hex()
    assert first.output == f"{wanted}\n"
    assert CliRunner().invoke(commit, [str(request), "--key", str(key)]).output == first.output
    again = CliRunner().invoke(commit, [str(request), "--key", str(key), "--new-key"])
    assert isinstance(again.exception, ConfigError)


def test_a_file_that_is_no_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(MARKER)
    with pytest.raises(ConfigError) as caught:
        read_key(tmp_path / "key")
    assert MARKER not in str(caught.value)
    with pytest.raises(ConfigError):
        read_key(tmp_path / "none")


def test_a_known_one() -> None:
    """RFC 4231, test case 1, with its key."""
    mac = commitment(b"\x0b" * 20, b"Hi There")
    assert mac == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
