"""How an instance ended, told to who has the key that its request had, and to nobody else."""

from __future__ import annotations

import os
import secrets
import signal
from typing import Any

import httpx
import pytest

from noghost.ledger.entry import bucket
from noghost.ledger.receipt import Receipt
from promises.repeating import PATIENCE_S, ended_receipt
from running import Service, running, wait_for

CHAT = "/v1/chat/completions"
HEADER = "noghost-life-key"
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Count."}], "max_tokens": 4, "seed": 7}
LONG = ASKED | {"max_tokens": 2000, "stream": True, "ignore_eos": True}
ORDER = ("born_ms", "ended_ms", "wiped_ms", "verified_ms", "gone_ms")


def key() -> dict[str, str]:
    return {HEADER: secrets.token_hex(32)}


def told(service: Service, header: dict[str, str]) -> dict[str, Any]:
    """The end, once there is one."""

    def look() -> dict[str, Any] | None:
        answer = httpx.get(service.url + "/v1/life", headers=header)
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    found = wait_for(look, PATIENCE_S, "the end of an instance")
    assert isinstance(found, dict)
    return found


def is_in_order(life: dict[str, Any]) -> bool:
    return life["born_ms"] > 0 and [life[name] for name in ORDER] == sorted(life[name] for name in ORDER)


def test_the_end_is_of_that_instance_and_within_what_was_signed(service: Service) -> None:
    header = key()
    answer = httpx.post(service.url + CHAT, json=ASKED, headers=header)
    life, facts = told(service, header), answer.json()["noghost"]
    assert (life["instance"], life["outcome"], life["wipe"]) == (facts["instance"], "answered", "verified")
    assert life["born_ms"] == facts["birth_ms"], "one clock and one knock for both"
    assert is_in_order(life)
    assert facts["first_token_ms"] + facts["decode_ms"] < life["ended_ms"]
    signed = Receipt.parse(ended_receipt(service, facts["instance"])).verify().ended
    assert signed is not None
    assert life["wiped_pages"] == life["verified_pages"] > 100
    assert bucket(life["wiped_pages"]) == signed.wiped_pages
    assert told(service, header) == life, "the same key twice"


def test_an_instance_that_is_killed_was_wiped_all_the_same(service: Service) -> None:
    header = key()
    with httpx.stream("POST", service.url + CHAT, json=LONG, headers=header) as answer:
        pieces = answer.iter_raw()  # without it httpx closes the connection
        assert next(pieces)
        early = httpx.get(service.url + "/v1/life", headers=header)
        assert early.status_code == 404, early.text
        assert "not gone yet" in early.json()["error"]["message"]
        wait_for(lambda: len(service.instances()) == 1, PATIENCE_S, "the one that asked to be gone")
        os.kill(service.instances()[0], signal.SIGKILL)
    life = told(service, header)
    assert (life["instance"], life["outcome"]) == (answer.headers["noghost-instance"], "killed")
    assert (life["wipe"], is_in_order(life)) == ("verified", True)
    assert life["verified_pages"] > 100


def test_another_key_is_told_nothing(service: Service) -> None:
    header = key()
    assert httpx.post(service.url + CHAT, json=ASKED, headers=header).status_code == 200
    assert told(service, header), "control: there is something to be told"
    near = header[HEADER][:-1] + ("0" if header[HEADER][-1] != "0" else "1")
    refused = httpx.get(service.url + "/v1/life", headers={HEADER: near})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "life_not_found")
    assert near not in refused.text


@pytest.mark.parametrize("wrong", ["", "zz", "AB" * 32, "ab" * 31, "ab" * 33])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/life"), ("POST", CHAT), ("POST", "/v1/messages")])
def test_a_malformed_key_is_refused(service: Service, wrong: str, method: str, path: str) -> None:
    refused = httpx.request(method, service.url + path, json=ASKED, headers={HEADER: wrong})
    assert refused.status_code == 400
    assert HEADER in refused.json()["error"]["message"]


def test_without_a_key_nothing_is_told_and_nothing_kept(service: Service) -> None:
    assert httpx.post(service.url + CHAT, json=ASKED).status_code == 200
    assert httpx.get(service.url + "/v1/life").status_code == 400
    computed_nothing = key()
    assert httpx.get(service.url + "/v1/models", headers=computed_nothing).status_code == 200
    assert httpx.get(service.url + "/v1/life", headers=computed_nothing).status_code == 404


@pytest.mark.slow
def test_one_that_nobody_traced_has_no_times_of_a_wipe(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("unverified"), "--unverified") as service:
        header = key()
        assert httpx.post(service.url + CHAT, json=ASKED, headers=header).status_code == 200
        life = told(service, header)
    assert life["wipe"] == "unverified"
    assert (life["ended_ms"], life["wiped_ms"], life["verified_ms"], life["wiped_pages"]) == (None, None, None, 0)
    assert life["gone_ms"] > life["born_ms"]
