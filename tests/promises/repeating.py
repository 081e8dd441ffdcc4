"""Ask a service for one answer and keep what a caller would keep: request, answer, receipt."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from running import Service, wait_for

PATIENCE_S = 300.0  # two threads that spin beside other work can take minutes
ASKED = {"messages": [{"role": "user", "content": "Tell me a story about a lighthouse."}], "max_tokens": 24}


@dataclass(frozen=True)
class Files:
    """Three files of one invocation."""

    request: Path
    answer: Path
    receipt: Path

    def replayed(self, service: Service, *options: str) -> tuple[int, dict[str, Any]]:
        """(exit status, what `noghost replay --json` says), with the directories of that service."""
        files = (str(self.receipt), "--request", str(self.request), "--answer", str(self.answer))
        command = [sys.executable, "-m", "noghost.cli.main", "replay", *files, "--json", *options]
        done = subprocess.run(command, env=service.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.stdout, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, told


def body_of(**fields: Any) -> bytes:
    return json.dumps(ASKED | fields).encode()


def post(service: Service, body: bytes, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    """One request, its body as it is given."""
    url = service.url + path
    kind = {"content-type": "application/json"}
    return httpx.post(url, content=body, headers=kind | headers, timeout=PATIENCE_S, trust_env=False)


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def ended_receipt(service: Service, invocation: str) -> str:
    """The receipt, once it has an end."""

    def whole() -> str | None:
        url = f"{service.url}/v1/receipts/{invocation}"
        text = httpx.get(url, timeout=PATIENCE_S, trust_env=False).text
        return text if "\n=== closed\n" in text else None

    return str(wait_for(whole, PATIENCE_S, "the end's entry"))


def keep(service: Service, folder: Path, body: bytes, **headers: str) -> Files:
    """Ask, and write down all three."""
    answer = post(service, body, **headers)
    assert answer.status_code == 200, answer.text
    invocation = answer.headers["noghost-instance"]
    receipt = httpx.get(f"{service.url}/v1/receipts/{invocation}", timeout=PATIENCE_S, trust_env=False).content
    files = Files(folder / "request.json", folder / "answer", folder / "receipt")
    for path, data in zip((files.request, files.answer, files.receipt), (body, answer.content, receipt), strict=True):
        path.write_bytes(data)
    return files
