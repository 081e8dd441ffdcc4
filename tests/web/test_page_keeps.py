"""What the page keeps: nothing but what its user saves, or has remembered under a passphrase."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from noghost.client.hunt import count_in_file, count_in_pid, needles_for, new_canary
from noghost.client.hunt.needle import Needle
from noghost.client.transcript import Transcript
from running import Service, children, wait_for
from web.test_page_conversation import LEFT, NOTHING
from web.visiting import FLAGS, PATIENCE_S, SHORT, Visit, Visitor

pytestmark = pytest.mark.slow
PASSPHRASE = "a long way down the empty hall"


def below(pid: int) -> list[int]:
    """All processes under this one."""
    return [one for child in children(pid) for one in (child, *below(child))]


def renderers_of(profile: Path) -> list[int]:
    """The processes of one browser that draw pages: with a zygote they are not its own children."""
    found = [pid for pid in below(os.getpid()) if b"--type=renderer" in command_of(pid)]
    browser = [pid for pid in below(os.getpid()) if f"--user-data-dir={profile}".encode() in command_of(pid)]
    return [pid for pid in found if any(pid in below(one) for one in browser)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def copies(pids: list[int], needles: list[Needle]) -> int:
    return sum(len(count_in_pid(pid, needles)) for pid in pids)


def test_a_reload_leaves_nothing_behind(chromium: str, visitor: Visitor, service: Service, tmp_path: Path) -> None:
    """In the browser's storage and files, and in the service's memory and files. Controls: the page that is open has
    it in its memory; a file with it is found."""
    canary = new_canary()
    needles = needles_for(canary)
    profile = tmp_path / "profile"
    context = visitor.kind.launch_persistent_context(str(profile), executable_path=chromium, args=FLAGS)
    visit = Visit(context.pages[0])
    visit.go(service.url)
    visit.set(max_tokens=24)
    visit.answer(f"Repeat this: {canary}")
    assert copies(renderers_of(profile), needles) > 0, "control"
    assert visit.run(LEFT) == NOTHING
    visit.page.fill("#ask", canary)
    visit.page.reload()
    visit.page.wait_for_selector("#model option", state="attached")
    assert visit.confirms == ["beforeunload"], "it asked before it went"
    assert visit.run(LEFT) == NOTHING
    assert visit.page.input_value("#ask") == ""
    assert canary not in visit.page.content()
    context.close()
    wait_for(lambda: not service.instances(), PATIENCE_S, "the instances to be gone")
    assert copies([service.pid, service.reaper_pid], needles) == 0
    assert found_in(service.home, needles) == []
    assert found_in(profile, needles) == []
    (profile / "planted").write_bytes(canary.encode("utf-16-le"))
    assert found_in(profile, needles) == ["planted"], "control"


def found_in(folder: Path, needles: list[Needle]) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path.name for path in files if count_in_file(path, needles)]


def written_anew(text: str) -> str:
    """The same transcript by `noghost.Transcript`, no byte of the text taken over."""
    read = Transcript.parse(text)
    anew = Transcript(read.title, read.model, read.started)
    for turn in read.turns:
        anew.append(turn.role, turn.text, turn.facts)
    return anew.render()


def test_a_transcript_saved_and_opened_again_is_the_same_bytes(
    visitor: Visitor, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "again").mkdir()
    with visitor.visit(service.url) as visit:
        visit.set(temperature=0, max_tokens=16, seed=7)
        visit.answer(f"{SHORT}\n\n---\n\n**USER:**\n\n<!-- noghost: {{}} -->\n`é` --")
        visit.answer("Go on.", 2)
        saved = visit.save(tmp_path)
        text = saved.read_bytes().decode()
        assert written_anew(text) == text, "as our own writer would write it"
        assert text.startswith("# Conversation: smollm2-135m-instruct\n*20")
        assert '"key":"' in text
        assert '"receipt":"noghost-receipt/v1\\n' in text
    with visitor.visit(service.url) as visit:
        visit.open(saved)
        assert visit.wait_for_verdict(2) == "checked", "its receipts hold, and are of these questions"
        assert visit.save(tmp_path / "again").read_bytes() == saved.read_bytes()
        assert "**USER:**" in visit.text(".turn.user .body >> nth=0")
        visit.set(max_tokens=4)
        visit.answer("And then?", 3)
        grown = visit.save(tmp_path / "again").read_bytes()
        assert grown.startswith(saved.read_bytes())
        assert grown.count(b"**ASSISTANT:**") == 3


def test_a_changed_word_of_a_transcript_is_found(visitor: Visitor, service: Service, tmp_path: Path) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        visit.answer(SHORT)
        saved = visit.save(tmp_path)
    saved.write_text(saved.read_text().replace("capital", "Capital"))
    with visitor.visit(service.url) as visit:
        visit.open(saved)
        assert visit.wait_for_verdict() == "wrong"
        assert visit.text(".facts") == "receipt does not hold"


def test_a_forged_receipt_does_not_hold(visitor: Visitor, service: Service) -> None:
    def forge(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("wipe verified", "wipe unverified"))

    with visitor.visit(service.url) as visit:
        visit.page.route("**/v1/receipts/*", forge)
        visit.set(max_tokens=4)
        visit.ask(SHORT)
        assert visit.wait_for_verdict() == "wrong"
        assert visit.text(".verdict").startswith("This receipt does not hold")
        assert "wiped (not known)" in visit.text(".steps"), "nothing of it is believed"


def test_the_receipt_of_another_instance_does_not_hold(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        visit.answer(SHORT)
        other = f"{service.url}/v1/receipts/{visit.instance}"
        visit.page.route("**/v1/receipts/*", lambda route: route.fulfill(response=route.fetch(url=other)))
        visit.ask("Again?")
        assert visit.wait_for_verdict(2) == "wrong"
        assert "it is of another instance" in visit.text(".verdict")


TELLS = [  # what the service tells of an end, and what the page makes of it
    ({"wiped_pages": 1}, ".steps", "wiped (not so) told otherwise than signed"),
    ({"instance": "0" * 32}, "#receipt", "When it was wiped is not known here. The service told of another instance."),
    (None, "#receipt", "When it was wiped is not known here. It is told for two minutes after the end"),
]


@pytest.mark.parametrize(("change", "where", "shown"), TELLS, ids=["pages", "instance", "nothing"])
def test_an_end_that_is_told_wrongly_or_not_at_all(
    visitor: Visitor, service: Service, change: dict[str, Any] | None, where: str, shown: str
) -> None:
    def tell(route: Any) -> None:
        if change is None:
            route.fulfill(status=404, json={"error": {"message": "no"}})
        else:
            route.fulfill(json=route.fetch().json() | change)

    with visitor.visit(service.url) as visit:
        visit.page.route("**/v1/life", tell)
        visit.set(max_tokens=4)
        assert visit.answer(SHORT)
        assert shown in visit.text(where)


def test_a_file_that_is_no_transcript_is_refused_with_its_line(
    visitor: Visitor, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "bad.md").write_text("# Conversation: m\n*2026-02-30 14:05:00*\n")
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        visit.answer(SHORT)
        visit.open(tmp_path / "bad.md")
        visit.page.wait_for_selector("#notice:not(:empty)")
        told = "bad.md is no transcript, and was not opened: line 2: the time is missing or does not exist."
        assert visit.text("#notice") == told
        assert visit.page.locator(".turn").count() == 2, "what was there is still there"


def remember(visit: Visit) -> None:
    visit.page.click("#remember")
    visit.page.fill("#pass", PASSPHRASE)
    visit.page.fill("#pass-again", PASSPHRASE)
    visit.page.press("#pass-again", "Enter")
    visit.page.wait_for_selector("#remember:checked")
    wait_for(lambda: visit.run("localStorage.length") == 1, PATIENCE_S, "the record")


def test_remember_on_this_device(visitor: Visitor, service: Service) -> None:
    with visitor.visit(service.url) as visit:
        visit.set(max_tokens=4)
        visit.answer(SHORT)
        remember(visit)
        visit.page.fill("#ask", "half a question")
        before = visit.run("localStorage.noghost")
        wait_for(lambda: visit.run("localStorage.noghost") != before, PATIENCE_S, "the draft to be kept")
        record = visit.run("localStorage.noghost")
        assert "capital" not in record
        other = Visit(visit.page.context.new_page())
        other.go(service.url)
        other.page.fill("#recall", PASSPHRASE)
        other.page.press("#recall", "Enter")
        other.page.wait_for_selector(".recall .wrong:not(:empty)")
        assert "Another tab" in other.text(".recall .wrong")
        other.page.close()
        visit.page.reload()
        visit.page.fill("#recall", "not it")
        visit.page.press("#recall", "Enter")
        visit.page.wait_for_selector(".recall .wrong:not(:empty)")
        visit.page.fill("#recall", PASSPHRASE)
        visit.page.press("#recall", "Enter")
        visit.page.wait_for_selector(".turn.assistant")
        assert visit.page.input_value("#ask") == "half a question"
        assert visit.confirms == [], "what is remembered may be left"
        assert visit.wait_for_verdict() == "checked"
        visit.page.click("#remember")
        wait_for(lambda: visit.run(LEFT) == NOTHING, PATIENCE_S, "nothing to be left")
