"""A scrape of a running service: the closed list and no word of anybody; and /readyz."""

from __future__ import annotations

import base64
import json
import re
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.wire import ASKED, Reply, ask, exchange, get, head, healthy, parse, post, receive
from noghost.warden.hatch import MOST
from promises.talking import say, say_long
from running import READY_S, Service, running, title, wait_for
from test_metrics import not_in_the_list, samples

MARKER = "canary-Zq7pLx"
END_S = 20.0


@dataclass
class Scraped:
    """A service with metrics, and where they are."""

    service: Service
    port: int
    knocks: int = 0  # at the metrics, so far

    def send(self, *pieces: bytes) -> Reply:
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return receive(connection)

    def connect(self) -> socket.socket:
        self.knocks += 1
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def scrape(self) -> dict[tuple[str, str], float]:
        reply = self.send(head("GET", "/metrics"))
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert not_in_the_list(reply.body.decode()) == []
        return samples(reply.body.decode())

    def when_all_have_ended(self) -> dict[tuple[str, str], float]:
        """A scrape that sees nobody but itself."""
        seen: dict[tuple[str, str], float] = {}

        def settled() -> bool:
            if self.service.instances():
                return False
            seen.update(self.scrape())
            ended = sum(number for (name, _), number in seen.items() if name == "noghost_instances_ended_total")
            return seen["noghost_instances_born_total", ""] == ended and not seen["noghost_instances", ""]

        wait_for(settled, END_S, "all others to end")
        return seen


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """One seat, and one place in line."""
    options = ("--metrics", "127.0.0.1:0", "--context", "1024", "--seats", "1", "--limit", "queue=1")
    with running(tmp_path_factory.mktemp("scraped"), *options) as service:
        yield Scraped(service, int(metrics_of(service).rpartition(":")[2].partition("/")[0]))


def metrics_of(service: Service) -> str:
    """Where it says that they are."""
    found = wait_for(
        lambda: re.search(r"^metrics on (\S+)$", (service.home / "stdout").read_text(), re.MULTILINE), READY_S, "it"
    )
    assert isinstance(found, re.Match)
    return str(found[1])


def test_a_scrape_counts_what_happened_and_holds_no_word_of_it(scraped: Scraped) -> None:
    before, knocks = scraped.when_all_have_ended(), scraped.knocks
    said = json.dumps(ASKED | {"messages": [{"role": "user", "content": MARKER}], "user": MARKER}).encode()
    assert post(scraped.service, said).status == 200
    assert get(scraped.service, f"/v1/{MARKER}").status == 404
    assert exchange(scraped.service, head("GET", "/healthz", f"X-Api-Key: {MARKER}", f"{MARKER}: x")).status == 200
    assert ask(scraped.service, temperature=MARKER).status == 400
    for request in (head("POST", "/metrics", f"Content-Length: {len(said)}") + said, head("GET", f"/{MARKER}")):
        assert scraped.send(request).error["message"]
    reply = scraped.send(head("GET", f"/metrics?{MARKER}", f"X-Api-Key: {MARKER}"))
    assert not_in_the_list(reply.body.decode()) == []
    for form in (MARKER, MARKER.lower(), base64.b64encode(MARKER.encode()).decode()[:12]):
        assert form not in reply.body.decode() + str(reply.headers)
    after = scraped.when_all_have_ended()
    scrapes = scraped.knocks - knocks - 2  # two were refused; each counts from the next one on
    grown = {key: number - before[key] for key, number in after.items()}
    counted = {key: number for key, number in grown.items() if number and "seconds" not in key[0]}
    assert counted == {
        ("noghost_instances_born_total", ""): 6 + scrapes,
        ("noghost_instances_ended_total", "answered"): 2 + scrapes,
        ("noghost_instances_ended_total", "refused"): 4,
        ("noghost_instances_wiped_total", "verified"): 6 + scrapes,
        ("noghost_invocations_opened_total", ""): 1,
        ("noghost_invocations_closed_total", "answered"): 1,
        **{("noghost_prompt_tokens_bucket", edge): 1 for edge in ("127", "1023", "8191", "+Inf")},
        ("noghost_prompt_tokens_count", ""): 1,
        **{("noghost_answer_tokens_bucket", edge): 1 for edge in ("15", "127", "1023", "8191", "+Inf")},
        ("noghost_answer_tokens_count", ""): 1,
    }
    assert grown["noghost_seat_wait_seconds_count", ""] == 1
    assert grown["noghost_wipe_seconds_count", ""] == 6 + scrapes
    assert MARKER not in scraped.service.log
    assert "refused:" not in scraped.service.log, "a scrape needs no system call that it is refused"


def test_what_is_said_to_the_wrong_port_is_wiped_with_its_instance(scraped: Scraped) -> None:
    """And it is an instance that hears it: neither warden nor reaper."""
    with scraped.connect() as connection:
        connection.sendall(head("POST", "/v1/chat/completions", "Content-Length: 100") + MARKER.encode())
        wait_for(lambda: [title(pid) for pid in scraped.service.instances()] == ["noghost: instance"], END_S, "it")
    wait_for(lambda: not scraped.service.instances(), END_S, "its end")
    needle = MARKER.encode()
    for pid in (scraped.service.pid, scraped.service.reaper_pid):
        assert needle not in memory(pid)
    assert needle in memory("self"), "control: the search finds it where it is"


def memory(pid: int | str) -> bytes:
    """All that can be read of a process's own memory."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:  # noqa: PTH123
        for line in maps:
            fields = line.split()
            if fields[1].startswith("rw") and (len(fields) < 6 or fields[5].startswith("[heap")):
                start, end = (int(edge, 16) for edge in fields[0].split("-"))
                mem.seek(start)
                found.append(mem.read(end - start))
    return b"".join(found)


def test_gauges_say_who_computes_and_who_waits_and_readyz_that_nobody_else_can(scraped: Scraped) -> None:
    before = scraped.when_all_have_ended()
    assert get(scraped.service, "/readyz").json == {"status": "ready"}
    with say_long(scraped.service, "Count to a thousand."), say(scraped.service, "Are you there?", max_tokens=2):
        wait_for(lambda: scraped.scrape()["noghost_seats_wanted", ""] == 1, END_S, "one that waits")
        reply = get(scraped.service, "/readyz")
        assert (reply.status, reply.error["code"], reply.headers["retry-after"]) == (503, "queue_full", "1")
        assert healthy(scraped.service)
        assert ask(scraped.service).error["code"] == "queue_full"
        now = scraped.scrape()
        gauges = ("noghost_seats", "noghost_seats_taken", "noghost_seats_wanted")
        assert [now[name, ""] for name in gauges] == [1, 1, 1]
        assert now["noghost_instances", ""] >= 2
        away = ("noghost_turned_away_total", "queue_full")
        assert now[away] - before[away] == 1
    after = scraped.when_all_have_ended()
    assert [after[name, ""] for name in (*gauges, "noghost_instances")] == [1, 0, 0, 0]
    assert get(scraped.service, "/readyz").status == 200


def test_a_service_whose_ledger_cannot_be_written_is_not_ready(scraped: Scraped) -> None:
    reaper = scraped.service.reaper_pid
    assert ask(scraped.service).status == 200
    before = scraped.when_all_have_ended()
    free = resource.prlimit(reaper, resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in scraped.service.ledger.rglob("*"))
    resource.prlimit(reaper, resource.RLIMIT_FSIZE, (largest, free[1]))
    try:
        for _ in range(2):
            reply = get(scraped.service, "/readyz")
            assert (reply.status, reply.error["code"]) == (503, "ledger_failed")
        assert healthy(scraped.service)
    finally:
        resource.prlimit(reaper, resource.RLIMIT_FSIZE, free)
    assert get(scraped.service, "/readyz").status == 200
    assert ask(scraped.service).status == 200
    assert not (scraped.service.ledger / "room").exists()
    opened = ("noghost_invocations_opened_total", "")
    assert scraped.when_all_have_ended()[opened] - before[opened] == 1


def test_scrapers_that_say_nothing_keep_out_other_scrapers_and_nobody_else(scraped: Scraped) -> None:
    silent = [scraped.connect() for _ in range(MOST)]
    wait_for(lambda: len(scraped.service.instances()) == MOST, END_S, "as many as there may be")
    with scraped.connect() as waiting:
        waiting.sendall(head("GET", "/metrics"))
        assert ask(scraped.service).status == 200
        assert len(scraped.service.instances()) <= MOST + 1, "it waits outside; one may still be wiped"
        for connection in silent:
            connection.close()
        assert receive(waiting).status == 200


def test_a_page_of_another_site_cannot_scrape(scraped: Scraped) -> None:
    request = head("GET", "/metrics").replace(b"Host: localhost", b"Host: evil.example")
    assert scraped.send(request).status == 421


def test_the_api_itself_has_no_metrics_and_the_hatch_nothing_else(scraped: Scraped) -> None:
    assert get(scraped.service, "/metrics").status == 404
    assert {scraped.send(head("GET", path)).status for path in ("/healthz", "/v1/models", "/docs", "/")} == {404}
    assert scraped.send(head("DELETE", "/metrics")).status == 405
    assert scraped.send(head("HEAD", "/metrics")).body == b""
    assert scraped.send(b"\0\r\n\r\n").error["code"] == "invalid_http"


def test_nothing_is_computed_and_nobody_wakes_up_while_nobody_scrapes(scraped: Scraped) -> None:
    scraped.when_all_have_ended()
    wait_for(lambda: not scraped.service.instances(), END_S, "the end of the scrape")
    seen = json.loads(scraped.service.noghost("status", "--json", "--watch", "2").stdout)
    own = (scraped.service.pid, scraped.service.reaper_pid)
    assert [(one["wakeups"], one["cpu_ms"]) for one in seen["processes"] if one["pid"] in own] == [(0, 0), (0, 0)]


@pytest.mark.slow
def test_metrics_at_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    with running(tmp_path, "--metrics", str(path), "--context", "512") as service:
        assert metrics_of(service) == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(head("GET", "/metrics"))
            data = b""
            while piece := connection.recv(65536):
                data += piece
        assert parse(data).status == 200
        assert service.stop() == 0
    assert not path.exists()


def test_by_default_there_are_none(service: Service) -> None:
    assert "metrics on" not in (service.home / "stdout").read_text()
    listening = [line for line in Path(f"/proc/{service.pid}/net/tcp").read_text().splitlines() if " 0A " in line]
    assert listening == [], "its own network namespace has no listener at all"
