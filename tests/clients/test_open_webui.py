"""Open WebUI, unchanged: it lists noghost's model, chats with it, and keeps what was said; noghost does not.

Not locked and not in `make test`: it brings torch and some gigabytes. docs/clients.md says how to run it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from running import PYTHON, Service, running, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("open_webui") is None, reason="Open WebUI is not installed here: see docs/clients.md"),
]
START_S = 240.0
OFFLINE = {"OFFLINE_MODE": "true", "HF_HUB_OFFLINE": "1", "ENABLE_OLLAMA_API": "false"}
FIND = "from noghost.weights.find import find; print(find().path)"


@contextmanager
def open_webui(folder: Path, upstream: str) -> Iterator[tuple[str, int]]:
    """(address, pid) of a running one whose only connection is `upstream`, with data of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = {"DATA_DIR": str(folder), "OPENAI_API_BASE_URL": f"{upstream}/v1", "OPENAI_API_KEY": "none"}
    settings |= OFFLINE | {"WEBUI_SECRET_KEY": "of this test alone, and long enough", "RAG_EMBEDDING_ENGINE": "openai"}
    command = [str(Path(sys.executable).with_name("open-webui")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(60)


class Caller:
    """Who is signed up there."""

    def __init__(self, http: Any) -> None:
        self.http = http
        wait_for(self._is_up, START_S, "Open WebUI")
        person = {"name": "Somebody", "email": "somebody@example.org", "password": "a long Password 1"}
        self.token = self.post("/api/v1/auths/signup", person)["token"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    def _is_up(self) -> bool:
        import httpx

        try:
            return self.http.get("/health").is_success
        except httpx.TransportError:
            return False

    @property
    def model(self) -> str:
        """The only one that it lists."""
        (model,) = self.http.get("/api/models").raise_for_status().json()["data"]
        return str(model["id"])

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("noghost")) as found:
        yield found


@pytest.fixture(scope="module")
def webui(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, int]]:
    with open_webui(tmp_path_factory.mktemp("webui"), service.url) as (url, pid):
        import httpx

        with closing(httpx.Client(base_url=url, timeout=120)) as http:
            yield Caller(http), pid


def test_it_lists_the_model_and_chats_with_it(webui: tuple[Caller, int], service: Service) -> None:
    caller, _pid = webui
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    body = {"model": caller.model, "messages": messages, "temperature": 0, "max_tokens": 32, "stream": False}
    answer = caller.post("/api/chat/completions", body)
    assert answer["choices"][0]["message"]["content"] == "The capital of France is Paris."
    instance = answer["noghost"]["instance"]
    done = service.noghost("receipts", "verify", instance)
    assert (done.returncode, instance in done.stdout) == (0, True), "the answer came from noghost"


def test_it_keeps_what_was_said_and_noghost_does_not(webui: tuple[Caller, int], service: Service) -> None:
    caller, pid = webui
    hunt = ["hunt", "--url", f"{caller.http.base_url}/api/v1", "--model", caller.model, "--json", "--wait", "1"]
    weights = subprocess.run([PYTHON, "-c", FIND], env=service.env, capture_output=True, text=True, check=True)
    hunt += ["--tokenizer", weights.stdout.strip()]

    def found(*where: str) -> dict[str, Any]:
        command = [PYTHON, "-m", "noghost.cli.main", *hunt, *where]
        environment = service.env | {"NOGHOST_API_KEY": caller.token}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
        assert done.returncode in (0, 1), done.stderr
        return dict(json.loads(done.stdout))

    theirs = found("--pid", str(pid))
    ours = found("--pid", str(service.pid), "--files", str(service.home))
    assert (theirs["copies"] > 0, ours["copies"], ours["not_searched"]) == (True, 0, [])
