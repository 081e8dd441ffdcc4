"""Simon Willison's `llm`, unchanged, with an entry in extra-openai-models.yaml: asked once, and asked to go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.installed import client
from running import Service

client("llm")
pytestmark = pytest.mark.slow
ENTRY = """- model_id: ghost
  model_name: default
  api_base: {url}/v1
  api_key_name: ghost
"""


def ask(home: Path, *arguments: str) -> str:
    """What it prints; its own log lies in `home`."""
    command = [sys.executable, "-m", "llm", *arguments]
    environment = os.environ | {"LLM_USER_PATH": str(home), "LLM_LOAD_PLUGINS": ""}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("streams", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_it_asks_and_goes_on(service: Service, tmp_path: Path, streams: list[str]) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(ENTRY.format(url=service.url))
    options = ["-m", "ghost", "--key", "none", "-o", "temperature", "0", "-o", "max_tokens", "32", *streams]
    first = ask(tmp_path, *options, "-s", "You are a helpful assistant.", "What is the capital of France?")
    assert first == "The capital of France is Paris."
    assert "Rome" in ask(tmp_path, *options, "-c", "And of Italy?")
