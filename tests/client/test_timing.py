"""The audit of cache timing against servers of which the truth is known: with a cache, with a small one, with none.

Real models, ours and the stock server's cache: `test_timing_audit.py`; the statistics: `test_timing_ranks.py`.

A server without a leak is called leaking by chance once in 10,000 runs (LEVEL of `ranks.py`), whatever the load.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from noghost.cli.main import cli
from noghost.client.timing import Pair, judge, measure
from noghost.client.timing.report import render, to_json
from noghost.client.timing.verdict import Audit
from noghost.errors import HuntError
from noghost.weights.find import find
from stock import stock_server

# An OpenAI-compatible server that computes a prompt by hashing for a while. It keeps all prompts, its last one or
# none, and writes down who sent what.
HASHING = """
import hashlib, http.server, json, sys
kept, mode, diary = [], sys.argv[1], open(sys.argv[2], "w")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "fake"}]}).encode())
    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"]
        print(json.dumps([self.headers["Authorization"], prompt]), file=diary, flush=True)
        if mode == "none" or prompt not in kept:
            hashlib.pbkdf2_hmac("sha256", prompt.encode(), b"salt", 60_000)
        kept[:] = [prompt] + kept * (mode == "all")
        self.send_response(200)
        self.end_headers()
        for delta in ({"role": "assistant", "content": ""}, {"content": "yes"}):
            self.wfile.write(("data: %s\\n\\n" % json.dumps({"choices": [{"delta": delta}]})).encode())
        self.wfile.write(b"data: [DONE]\\n\\n")
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def hashing_server(mode: str, diary: Path) -> Iterator[str]:
    """The address of one that keeps "all" prompts, the "last" or "none"."""
    run = [sys.executable, "-c", HASHING, mode, str(diary)]
    with subprocess.Popen(run, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield server.stdout.readline().decode().strip()
        server.terminate()


def audit(*arguments: object) -> Result:
    """`noghost audit timing`, in this process."""
    return CliRunner().invoke(cli, ["audit", "timing", *map(str, arguments)])


def audited(*arguments: object) -> tuple[int, dict[str, object]]:
    """Its exit status and its JSON."""
    ran = audit("--json", *arguments)
    return ran.exit_code, json.loads(ran.stdout)


# --- who says what --------------------------------------------------------------------------------------------


def test_each_probe_follows_a_victim_and_only_half_of_them_repeat_it(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    with hashing_server("none", diary) as url:
        found = list(measure(url, pairs=5, words=8, seed=3, api_key="mine", victim_key="theirs"))
    said = [tuple(json.loads(line)) for line in diary.read_text().splitlines()]
    warm, trials = said[:-20], list(zip(said[-20::2], said[-19::2], strict=True))
    assert len(found) == 5
    assert {who for who, _ in warm} == {"Bearer mine"}
    assert {(victim, attacker) for (victim, _), (attacker, _) in trials} == {("Bearer theirs", "Bearer mine")}
    repeats = [private == probe for (_, private), (_, probe) in trials]
    assert [first + second for first, second in zip(repeats[::2], repeats[1::2], strict=True)] == [1] * 5
    assert len({prompt for _, prompt in said}) == len(said) - 5, "nothing else is ever sent twice"
    assert {len(prompt.split()) for _, prompt in said} == {8}


@pytest.mark.slow
def test_the_seed_draws_the_order(tmp_path: Path) -> None:
    def order(seed: int) -> list[bool]:
        with hashing_server("none", tmp_path / "diary") as url:
            list(measure(url, pairs=8, words=8, seed=seed))
        said = [json.loads(line)[1] for line in (tmp_path / "diary").read_text().splitlines()[-32:]]
        return [private == probe for private, probe in zip(said[::4], said[1::4], strict=True)]

    drawn = order(1)
    assert drawn == order(1)
    assert drawn != order(2)


# --- servers of which the truth is known ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["all", "last"])
def test_a_shared_cache_leaks_however_small_it_is(mode: str, tmp_path: Path) -> None:
    with hashing_server(mode, tmp_path / "diary") as url:
        status, report = audited("--url", f"{url}/v1", "--pairs", 24, "--words", 8)
    assert (status, report["verdict"]) == (1, "leaks")
    assert report["auc"] > 0.9
    assert report["median_seen_ms"] < report["median_unseen_ms"]


@pytest.mark.slow
def test_without_a_cache_there_is_no_leak(tmp_path: Path) -> None:
    with hashing_server("none", tmp_path / "diary") as url:
        status, report = audited("--url", url, "--pairs", 40, "--words", 8)
    assert (status, report["verdict"]) in ((0, "no leak seen"), (2, "cannot tell"))
    assert len(report["seen_s"]) == len(report["unseen_s"]) == 40


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_stock_server_without_its_cache_does_not_leak() -> None:
    """With its cache it does: `test_timing_audit.py`. So it is the cache that the audit sees."""
    pytest.importorskip("xllamacpp")
    with stock_server(find().path, n_threads=1, cache_prompt=False, cache_ram_mib=0) as stock:
        status, report = audited("--url", stock.url, "--pairs", 20, "--words", 40)
    assert report["verdict"] != "leaks"
    assert status == {"no leak seen": 0, "cannot tell": 2}[report["verdict"]]


# --- verdict and report ---------------------------------------------------------------------------------------


def run_of(count: int, later_s: float) -> Audit:
    """A run in which every unseen probe took that much longer than the same among the seen."""
    return judge([Pair(2 + at % 7 / 10, 2 + (at * 3 + 1) % 7 / 10 + later_s) for at in range(count)])


def test_a_run_is_a_leak_none_or_too_small_to_tell() -> None:
    verdicts = [run_of(*kind).verdict for kind in ((56, 0.0), (56, 1.0), (56, -1.0), (56, 0.1), (14, 0.0), (14, 1.0))]
    assert verdicts == ["no leak seen", "leaks", "leaks", "cannot tell", "cannot tell", "cannot tell"]


@pytest.mark.parametrize(
    ("count", "later_s", "last"),
    [
        (56, 0.0, "no leak seen: AUC 0.50 (95 % interval 0.4"),
        (56, 1.0, "leaks: what was seen comes 1000 ms sooner"),
        (56, -1.0, "leaks: what was seen comes 1000 ms later"),
        (14, 0.0, "cannot tell: smallest leak that this run would have seen: none; give more --pairs"),
    ],
)
def test_the_report_draws_both_groups_and_ends_with_the_verdict(count: int, later_s: float, last: str) -> None:
    run = run_of(count, later_s)
    lines = render(run).splitlines()
    assert lines[-1].startswith(last)
    (seen,), (unseen,) = ([line for line in lines if line.startswith(f"{name} ")] for name in ("seen", "unseen"))
    assert "median 2300 ms" in seen
    assert "█" in seen
    assert (seen == unseen.replace("unseen", "seen  ")) == (later_s == 0.0)
    assert json.loads(to_json(run, words=8))["words"] == 8


def test_equal_times_are_drawn_and_judged_too() -> None:
    run = judge([Pair(1.0, 1.0)] * 40)
    assert (run.auc, run.p) == (0.5, 1.0)
    assert "█" in render(run)


def test_one_pair_has_no_spread() -> None:
    with pytest.raises(ValueError, match="1 pairs"):
        judge([Pair(1.0, 2.0)])


# --- what it cannot look at -----------------------------------------------------------------------------------

NO_TEXT = b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\ndata: {"choices": [{"finish_reason": "stop"}]}\n\n'


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that says the same to everything, in a process of its own."""
    code = (
        "import http.server, sys\nclass Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n        self.rfile.read(int(self.headers['Content-Length']))\n"
        f"        self.send_response({status})\n        self.end_headers()\n        self.wfile.write({body!r})\n"
        "    def log_message(self, *args):\n        pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n"
        "print('http://127.0.0.1:%d' % server.server_port, flush=True)\nserver.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield server.stdout.readline().decode().strip()
        server.terminate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b"{}", "lower --words"),
        (401, b"{}", "NOGHOST_API_KEY"),
        (429, b"{}", "rate limit"),
        (500, b"{}", "answered 500"),
        (200, b'data: {"error": {"message": "no"}}\n\n', "with an error"),
        (200, b"data: never\n\n", "something else"),
        (200, b"data: [1]\n\n", "something else"),
        (200, b"data: [DONE]\n\n", "streamed no answer"),
    ],
)
def test_a_server_that_does_not_answer_ends_with_status_2(status: int, body: bytes, said: str) -> None:
    with answering(status, body) as url:
        ran = audit("--url", url, "--model", "any", "--pairs", 2)
    assert ran.exit_code == 2, ran.output
    assert said in ran.stderr
    assert "hint: " in ran.stderr


def test_a_fingerprint_without_tls_ends_with_status_2() -> None:
    ran = audit("--url", "http://127.0.0.1:9", "--fingerprint", "0" * 64)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "a fingerprint, and no TLS" in ran.stderr


def test_an_answer_without_text_is_timed_to_its_end() -> None:
    with answering(200, NO_TEXT) as url:
        (pair,) = measure(url, pairs=1, words=8, seed=1, model="any")
    assert min(pair.seen_s, pair.unseen_s) > 0


def test_a_role_alone_is_no_answer() -> None:
    with answering(200, NO_TEXT.partition(b"\n\n")[0] + b"\n\n") as url, pytest.raises(HuntError, match="no answer"):
        next(measure(url, pairs=1, words=8, seed=1, model="any"))
