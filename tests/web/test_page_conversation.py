"""A conversation on the page: asked, stopped, edited, branched; the instance behind it comes and goes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promises.test_p7_record import ended
from running import Service, wait_for
from web.visiting import LONG, SHORT, Visit, Visitor

GONE_S = 10.0
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
# Everything by which a page can leave something behind in a browser.
LEFT = """(async () => [
  localStorage.length, sessionStorage.length, document.cookie.length, (await indexedDB.databases()).length,
  (await caches.keys()).length, (await navigator.serviceWorker.getRegistrations()).length,
])()"""
NOTHING = [0] * 6
TIME = r"[0-9.]+ m?s"
SEVEN = (
    rf"knock \(done\) 0 ms born \(done\) {TIME} first token \(done\) {TIME} last token \(done\) {TIME} "
    rf"wiped \(done\) {TIME}, [0-9,]+ pages verified \(done\) {TIME} later, all zero gone \(done\) {TIME} later"
)
TIMES = """(({ facts, fate }) => [
  facts.birth_ms, facts.first_token_ms, facts.first_token_ms + facts.decode_ms, fate.ended_ms, fate.wiped_ms,
  fate.verified_ms, fate.gone_ms,
])(Page.conversation().last().life)"""
pytestmark = pytest.mark.slow


def is_gone(service: Service) -> None:
    wait_for(lambda: not service.instances(), GONE_S, "the instance to be gone")


def serious(visit: Visit) -> list[str]:
    """What axe-core finds that is serious or worse."""
    visit.run(f"{AXE}; 0")
    found = json.loads(visit.run("axe.run().then(({ violations }) => JSON.stringify(violations))"))
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


def test_a_conversation(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        assert visit.requests == [f"GET {service.url}/", f"GET {service.url}/v1/models"], "two births a visit"
        assert visit.text("#state") == "Nobody is here."
        visit.set(temperature=0, max_tokens=24)
        assert visit.answer(SHORT)
        first = visit.instance
        assert visit.text(".steps").startswith("knock (done) 0 ms born (done) ")
        assert re.fullmatch(SEVEN, visit.text(".steps")), visit.text(".steps")
        times = visit.run(TIMES)
        assert times == sorted(times), "one clock for all of them"
        assert "Empty for" in visit.text(".room .gap")
        assert ended(service, first)["outcome"] == "answered"
        visit.answer("And of Italy?", 2)
        assert visit.instance != first, "another instance for the next turn"
        assert visit.page.locator(".between").inner_text().startswith("nothing, for ")
        assert {request.split("/")[2] for request in visit.requests} == {service.url.split("/")[2]}
        assert len(visit.requests) <= 10, "a question is three births: itself, its receipt, and how it ended"


def test_the_room_shows_who_is_there(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        assert visit.page.get_attribute("#room", "data-state") == "empty"
        visit.set(temperature=0)
        visit.ask(LONG)
        visit.page.wait_for_selector("#room[data-state=knock]")
        visit.page.wait_for_selector("#room[data-state=alive]")
        assert visit.text("#state") == "Somebody is here."
        assert len(service.instances()) == 1
        visit.page.press("#ask", "Escape")
        visit.page.wait_for_selector("#room[data-state=empty]")
        is_gone(service)


def test_stop_ends_the_instance_and_keeps_what_came(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.ask_long()
        assert len(service.instances()) == 1, "control"
        visit.page.fill("#ask", "what I am writing meanwhile")
        visit.page.click("#stop")
        is_gone(service)
        assert visit.wait_for_verdict() == "checked"
        assert ended(service, visit.instance)["outcome"] == "disconnected"
        assert visit.text(".turn .note") == "You stopped it."
        assert len(visit.text(".turn.assistant .body")) > 0
        assert re.fullmatch(SEVEN.replace("last token", "stopped by you"), visit.text(".steps")), (
            "with times all the same"
        )
        assert visit.page.input_value("#ask") == "what I am writing meanwhile"


def test_edit_and_ask_again_are_branches(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(temperature=0, max_tokens=8)
        old = visit.answer(SHORT)
        visit.page.click("text=Edit")
        visit.page.fill(".turn.user textarea", "Say hello.")
        visit.page.press(".turn.user textarea", "Enter")
        assert visit.wait_for_verdict() == "checked"
        assert visit.text(".turn.user .branches") == "‹ 2 of 2 ›"
        assert visit.text(".turn.user .body") == "Say hello."
        visit.page.click("text=Ask again")
        visit.page.wait_for_selector(".turn.assistant .branches")
        assert visit.wait_for_verdict() == "checked"
        visit.page.click(".turn.user .branches button >> nth=0")
        assert visit.text(".turn.assistant .body") == old
        sent = visit.run("Page.conversation().path().map(messageOf)")
        assert [message["content"] for message in sent] == [SHORT, old]


def test_instructions_are_a_turn_of_their_own(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.page.click("#configure")
        visit.page.fill("#system", "Answer with one word.")
        visit.page.fill("#max_tokens", "4")
        visit.answer(SHORT)
        visit.answer("And of Italy?", 2)
        roles = visit.run("Page.conversation().path().map(({ role }) => role)")
        assert roles == ["system", "user", "assistant", "user", "assistant"]


def test_what_a_model_says_runs_nothing_and_asks_nobody(visitor: Visitor, service: Service, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.md"
    hostile.write_text(
        "# Conversation: m\n*2026-03-01 14:05:00*\n\n---\n\n"
        "**USER:**\n\n<img src=x onerror=document.title=1>\n\n---\n\n"
        "**ASSISTANT:**\n\n<script>document.title = 1</script>\n\n![a](http://127.0.0.1:9/b.png)\n\n"
        "<svg onload=document.title=1><b>\n\n[go](javascript:document.title=1) [out](https://example.com/)\n\n"
        "3. third\n\n- [x] done\n\n| a |\n|--:|\n| 1 |\n\n---\n\n"
    )
    with visitor.visit(service.url) as visit:
        visit.open(hostile)
        visit.page.wait_for_selector(".turn.assistant")
        assert len(visit.requests) == 2
        assert visit.page.title() == "noghost"
        assert visit.page.locator("#thread :is(script, img, svg)").count() == 0
        harmless = ("ol[start='3']", "input[type=checkbox][checked][disabled]", "td[align=right]")
        assert [visit.page.locator(f"#thread {one}").count() for one in harmless] == [1, 1, 1]
        text = visit.text(".turn.assistant .body")
        assert "<script>document.title = 1</script>" in text
        assert "![a](http://127.0.0.1:9/b.png)" in text
        links = visit.run("Array.from(document.querySelectorAll('#thread a'), (a) => [a.href, a.rel])")
        assert [link for link in links if link[0]] == [["https://example.com/", "noopener noreferrer"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_axe_finds_nothing_serious(visitor: Visitor, service: Service, scheme: str, width: int) -> None:
    with visitor.visit(service.url, color_scheme=scheme, viewport={"width": width, "height": 844}) as visit:
        assert serious(visit) == []
        visit.set(temperature=0, max_tokens=8)
        visit.page.click("#configure")
        visit.answer("Hello")
        if width < 1000:
            visit.page.click("#life summary")
        assert serious(visit) == []
        visit.page.click(".verdict button")
        assert serious(visit) == []
        assert visit.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out at the side"


def test_control_axe_finds_a_picture_without_words(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.run("document.body.append(document.createElement('img')); 0")
        assert [one.partition(":")[0] for one in serious(visit)] == ["image-alt"]


def test_by_keyboard_alone(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        visit.page.locator("#ask").focus()
        visit.page.keyboard.type("Hello")
        visit.page.keyboard.press("Shift+Enter")
        visit.page.keyboard.type("there")
        visit.page.keyboard.press("Enter")
        assert visit.wait_for_verdict() == "checked"
        assert visit.page.locator(".turn.user .body").inner_text() == "Hello\nthere"
        assert visit.text("#status").endswith("Receipt checked in this browser")
        visit.page.locator(".facts").focus()
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_selector("#receipt-dialog[open]")
        visit.page.keyboard.press("Escape")
        visit.page.wait_for_selector("#receipt-dialog:not([open])", state="attached")
