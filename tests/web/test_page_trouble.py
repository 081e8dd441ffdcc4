"""When something is in the way: the page says what, and loses nothing of what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.keys.store import Store
from running import Service, running, wait_for
from web.test_page_conversation import LEFT, NOTHING
from web.visiting import LONG, SHORT, Visitor

pytestmark = pytest.mark.slow
GONE_S = 10.0
DOWN = "The service does not answer. It may be starting again, or the network is down. Your question is kept."


def test_the_service_ends_in_the_middle_of_an_answer_and_comes_back(visitor: Visitor, tmp_path: Path) -> None:
    with running(tmp_path) as service:
        port = str(service.port)
        with visitor.visit(service.url) as visit:
            visit.ask_long()
            visit.page.fill("#ask", "the next question")
            service.process.kill()
            visit.page.wait_for_selector(".turn .note")
            broke = "The connection broke before the answer was whole. What came before is kept."
            assert visit.text(".turn .note") == broke
            assert visit.text(".turn.user .body") == LONG
            assert len(visit.text(".turn.assistant .body")) > 0
            assert visit.page.input_value("#ask") == "the next question"
            assert visit.wait_for_verdict() == "missing"
            visit.page.press("#ask", "Enter")
            visit.page.wait_for_selector(".note.wrong")
            assert visit.text(".note.wrong") == DOWN
            with running(tmp_path, "--port", port):
                visit.page.click("text=Look for its receipt")
                assert visit.wait_for_verdict() == "checked", "of the one that was cut off"
                visit.set(max_tokens=4)
                visit.page.click("text=Try again")
                assert visit.wait_for_verdict(2) == "checked"
                assert visit.page.locator(".turn.user .body").all_inner_texts() == [LONG, "the next question"]


def test_a_slow_network(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        slow = {"offline": False, "latency": 2500, "downloadThroughput": 4000, "uploadThroughput": 4000}
        visit.devtools.send("Network.enable")
        visit.devtools.send("Network.emulateNetworkConditions", slow)
        visit.ask(SHORT)
        visit.page.wait_for_selector("#room[data-state=knock]")
        visit.page.wait_for_selector(".room .gap:has-text('For 1 s')")
        visit.devtools.send("Network.emulateNetworkConditions", {**slow, "latency": 0, "downloadThroughput": -1})
        assert visit.wait_for_verdict() == "checked"


def test_the_network_goes_away(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.page.context.set_offline(True)
        visit.ask(SHORT)
        visit.page.wait_for_selector(".note.wrong")
        assert visit.text(".turn.user .body") == SHORT
        visit.page.context.set_offline(False)
        visit.set(max_tokens=4)
        visit.page.click("text=Try again")
        assert visit.wait_for_verdict() == "checked"


def test_two_tabs_at_once(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as one, visitor.visit(service.url) as other:
        for tab in (one, other):
            tab.ask_long()
        assert len(service.instances()) == 2
        one.page.click("#stop")
        wait_for(lambda: len(service.instances()) == 1, GONE_S, "one to be gone")
        other.page.click("#stop")
        assert one.wait_for_verdict() == other.wait_for_verdict() == "checked"
        assert one.instance != other.instance


def test_a_refusal_is_told_in_the_words_of_the_service(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.ask("word " * 9000)
        visit.page.wait_for_selector(".note.wrong")
        assert "context" in visit.text(".note.wrong")
        assert visit.text(".note.wrong").endswith("Your question is kept.")
        visit.set(max_tokens=4)
        assert visit.answer(SHORT)
        assert visit.text(".turn.user .branches") == "‹ 2 of 2 ›", "the one that was too long is kept beside it"


def test_a_service_that_asks_for_a_key(visitor: Visitor, tmp_path: Path) -> None:
    key, _ = Store(tmp_path / "noghost" / "keys" / "hashes").add("a visitor")
    with running(tmp_path, "--keys") as service, visitor.visit(service.url) as visit:
        visit.page.wait_for_selector("#key-dialog[open]")
        visit.page.fill("#key", "ng-wrong")
        visit.page.press("#key", "Enter")
        visit.page.wait_for_selector("#key-wrong:not(:empty)")
        visit.page.fill("#key", key)
        visit.page.press("#key", "Enter")
        visit.page.wait_for_selector("#model option", state="attached")
        visit.set(max_tokens=4)
        visit.answer(SHORT)
        assert visit.page.input_value("#key") == ""
        assert visit.run(LEFT) == NOTHING
        assert key not in visit.page.content()
        assert all(key not in request for request in visit.requests)
        saved = visit.save(tmp_path).read_text()
        assert key not in saved
        visit.page.reload()
        visit.page.wait_for_selector("#key-dialog[open]")
