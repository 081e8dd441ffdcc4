"""The page seals its requests: the vectors in the browser, and whole conversations with somebody in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.between import between, flip
from noghost.client.hunt import new_canary
from noghost.client.sealed.trust import fingerprint
from noghost.ledger.keys import Verifier
from promises.test_p7_record import ended
from running import Service
from web.test_page_conversation import is_gone
from web.test_page_formats import VECTORS, called
from web.test_page_keeps import PASSPHRASE, remember
from web.visiting import LONG, SHORT, Visit, Visitor

SEALED = VECTORS / "sealed-v1"
INDEX = json.loads((SEALED / "index.json").read_text())
EPHEMERAL = "02" * 32  # make_vectors.py
# What a caller says to an exchange. Its own key is given, so that its sealed request is the vector's to the byte.
GO_THROUGH = """(async ({ vkey, secret, ephemeral, request, told }) => {
  try {
    const opening = await Sealed.parseOpening(Bytes.fromHex(told.opening));
    if (opening.vkey !== vkey) return { code: "opening" };
    const raw = Bytes.join(Bytes.fromHex("302e020100300506032b656e04220420"), Bytes.fromHex(ephemeral)); // RFC 8410
    const privateKey = await crypto.subtle.importKey("pkcs8", raw, "X25519", true, ["deriveBits"]);
    const { kty, crv, x } = await crypto.subtle.exportKey("jwk", privateKey);
    const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x }, "X25519", true, []);
    const pair = { privateKey, publicKey };
    const sealed = await Sealed.seal(Bytes.encode(request), opening, Bytes.fromHex(secret), pair);
    const pieces = [];
    for (const record of told.records) pieces.push(await sealed.records.open(Bytes.fromHex(record)));
    sealed.records.end();
    return { request: Bytes.toHex(sealed.message), answer: Bytes.decode(Bytes.join(...pieces)) };
  } catch (error) {
    return { code: error instanceof SealedError ? error.code : String(error) };
  }
})"""
NO_SUBTLE = "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });"
NO_X25519 = """const make = SubtleCrypto.prototype.generateKey;
SubtleCrypto.prototype.generateKey = function (how, ...more) {
  return how === "X25519" ? Promise.reject(new DOMException("", "NotSupportedError")) : make.call(this, how, ...more);
};"""
pytestmark = pytest.mark.slow


def seal(visit: Visit) -> None:
    """Switch it on, or off."""
    visit.page.click("#configure")
    visit.page.click("#seal")
    visit.page.click("#configure")


def refusal(visit: Visit, text: str = SHORT) -> str:
    """Ask; why there is no answer."""
    visit.ask(text)
    visit.page.wait_for_selector(".note.wrong")
    return visit.text(".note.wrong")


def test_vectors(visitor: Visitor, service: Service) -> None:
    given = {name: INDEX[name] for name in ("vkey", "secret", "request")} | {"ephemeral": EPHEMERAL}
    cases = [case for case in INDEX["vectors"] if case["expect"] != "not_opened"]  # that is the instance's word
    with visitor.visit(service.url) as visit:
        for case in cases:
            told = json.loads((SEALED / case["file"]).read_text())
            good = {"request": told["request"], "answer": INDEX["answer"]}
            expected = good if case["expect"] == "ok" else {"code": case["expect"]}
            assert called(visit, GO_THROUGH, {**given, "told": told}) == expected, case["file"]


def test_a_sealed_conversation_has_nothing_on_the_wire(visitor: Visitor, service: Service) -> None:
    """Control: the same question, not sealed, is found there; so is its answer."""
    canary = new_canary()
    with between(service.port) as there, visitor.visit(there.url) as visit:
        visit.set(temperature=0, max_tokens=12)
        assert not visit.page.is_checked("#seal"), "off by default"
        seal(visit)
        there.wires.clear()
        visit.answer(f"Repeat this: {canary}")
        answer = json.dumps(visit.run("Page.conversation().last().text"), ensure_ascii=False)[1:-1]
        assert "sealed (done) to its key alone first token (done)" in visit.text(".steps")
        visit.answer("And again.", 2)
        sent = [wire for wire in there.wires if wire.up]
        assert len(sent) == 6, "a question is three births: itself, its receipt, and how it ended"
        assert all(wire.is_sealed and len(wire.messages()) == 1 for wire in sent)
        assert not any(map(there.has, (canary, answer, "noghost-life-key", "max_tokens")))
        seal(visit)
        visit.answer("And once more.", 3)
        assert "sealed" not in visit.text(".steps")
        assert all(map(there.has, (canary, answer, "noghost-life-key", "max_tokens"))), "control"


def test_stop_ends_the_instance(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        seal(visit)
        visit.ask_long()
        assert len(service.instances()) == 1, "control"
        visit.page.click("#stop")
        is_gone(service)
        assert visit.wait_for_verdict() == "checked"
        assert ended(service, visit.instance)["outcome"] == "disconnected"
        assert visit.text(".turn .note") == "You stopped it."
        assert len(visit.text(".turn.assistant .body")) > 0


def test_a_forged_opening_is_refused(visitor: Visitor, service: Service) -> None:
    """Its key is another one: one byte of it."""

    def forge(_number: int, message: bytes) -> list[bytes]:
        at = message.index(b"\nkey ") + len(b"\nkey ")
        return [message[:at] + (b"1" if message[at : at + 1] == b"0" else b"0") + message[at + 1 :]]

    with between(service.port, forge) as there, visitor.visit(there.url) as visit:
        seal(visit)
        told = refusal(visit)
        assert told.startswith("The opening of the sealed invocation does not hold: the signature does not hold")
        assert told.endswith("Nothing was sent. Your question is kept.")
        assert [wire.messages() for wire in there.wires if wire.is_sealed] == [[]]


def cut_at_its_last(_number: int, message: bytes) -> list[bytes]:
    return [] if message[4] == 1 else [message]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda n, m: [flip(m)] if n == 4 else [m], "it was changed, or is of another answer"),
        (lambda n, m: [] if n == 4 else [m], "number 4 came, 3 was due"),
        (lambda n, m: [m, b"garbage"] if n == 4 else [m], "it comes after the last, or is none"),
        (cut_at_its_last, "The sealed answer was cut off before its end."),
    ],
    ids=["changed", "left-out", "garbage", "cut"],
)
def test_a_changed_answer_is_no_answer(visitor: Visitor, service: Service, change: Any, why: str) -> None:
    with between(service.port, change) as there, visitor.visit(there.url) as visit:
        visit.set(temperature=0, max_tokens=8)
        seal(visit)
        visit.ask(SHORT)
        visit.page.wait_for_selector(".turn .note")
        assert why in visit.text(".turn .note")


def test_another_key_stops_and_both_are_shown(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        seal(visit)
        visit.answer(SHORT)
        own = visit.run("Invocation.known()")
        visit.run(f"Invocation.know({json.dumps(INDEX['vkey'])})")
        told = refusal(visit, LONG)
        assert all(f"sha256 {fingerprint(Verifier.parse(vkey))} " in told for vkey in (own, INDEX["vkey"]))
        assert "Nothing was sent." in told


def test_what_is_remembered_has_the_key_and_not_the_switch(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        seal(visit)
        visit.answer(SHORT)
        own = visit.run("Invocation.known()")
        remember(visit)
        assert own not in visit.run("localStorage.noghost")
        visit.page.reload()
        visit.page.fill("#recall", PASSPHRASE)
        assert visit.run("Invocation.known()") is None
        visit.page.press("#recall", "Enter")
        visit.page.wait_for_selector(".turn.assistant")
        assert visit.run("Invocation.known()") == own
        assert not visit.page.is_checked("#seal")


@pytest.mark.parametrize(
    ("missing", "why"),
    [
        (NO_SUBTLE, "Over plain HTTP a browser lets no page encrypt."),
        (NO_X25519, "This browser has no X25519 or no Ed25519."),
    ],
    ids=["subtle", "x25519"],
)
def test_a_browser_that_cannot_seal_says_so(visitor: Visitor, service: Service, missing: str, why: str) -> None:
    with visitor.visit(service.url) as visit:
        visit.page.wait_for_selector("#seal:enabled", state="attached")
        visit.page.add_init_script(missing)
        visit.go(service.url)
        visit.page.click("#configure")
        visit.page.wait_for_selector("#seal-why:not(:empty)")
        assert visit.text("#seal-why") == why
        assert visit.page.is_disabled("#seal")
