"""OpenAI's agents, unchanged, in Python and in JavaScript: a conversation in sound."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.installed import client
from running import Service
from speech.voiced import needs_voice, say

pytestmark = [needs_voice, pytest.mark.slow, pytest.mark.filterwarnings("default")]
ASKED = "What is the capital of France?"
FOUND = "The capital of France is Paris."
Talks = Callable[..., list[dict[str, Any]]]
NPM = Path(__file__).with_name("npm")
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None or not (NPM / "node_modules").exists(),
    reason="no node, or not installed: `make clients` installs tests/clients/npm where there is npm",
)


@pytest.fixture(scope="module")
def asked(voiced: Service) -> bytes:
    """ASKED, spoken: PCM of 24 kHz."""
    return say(voiced, ASKED)


def address_of(service: Service) -> str:
    return f"{service.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime"


def runner(agents: Any, **settings: Any) -> Any:
    agent = agents.RealtimeAgent(name="Ada", instructions="Answer in one short sentence.")
    return agents.RealtimeRunner(agent, config={"model_settings": settings})


async def talked(agents: Any, service: Service, pcm: bytes) -> tuple[bytes, list[str], list[Any]]:
    """(sound of the answer, kinds of events, the history at the end)."""
    sound, kinds, history = b"", list[str](), list[Any]()
    address = {"url": address_of(service), "api_key": "none"}
    detection = {"type": "server_vad", "interrupt_response": True}
    transcription = {"model": "whisper-1"}
    session = await runner(agents, turn_detection=detection, input_audio_transcription=transcription).run(
        model_config=address
    )
    async with session:
        await session.send_audio(pcm + bytes(48_000))
        async for event in session:
            kinds.append(event.type)
            if event.type == "audio":
                sound += event.audio.data
            if event.type == "history_updated":
                history = list(event.history)
            if event.type in ("agent_end", "error"):
                break
    return sound, kinds, history


def test_it_is_heard_and_answered(voiced: Service, asked: bytes) -> None:
    agents = client("agents.realtime")
    sound, kinds, history = asyncio.run(asyncio.wait_for(talked(agents, voiced, asked), 60))
    assert "error" not in kinds
    assert len(sound) > 24_000
    assert any("France" in str(item) for item in history)


@pytest.fixture
def in_javascript(voiced: Service, asked: bytes, tmp_path: Path) -> Talks:
    """What happened while it was asked, and its answer; with a result, once a function has given that."""

    def talk(*result: str) -> list[dict[str, Any]]:
        (tmp_path / "asked.pcm").write_bytes(asked + bytes(96_000))
        command = [str(NODE), str(NPM / "talk.mjs"), address_of(voiced), str(tmp_path / "asked.pcm"), *result]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=90)
        happened = [json.loads(line) for line in ran.stdout.splitlines()]
        assert not [one for one in happened if "error" in one], ran.stderr
        assert ["answered" in one for one in happened].count(True) == 1
        assert happened[-1]["bytes"] > 0
        return happened

    return talk


@needs_node
def test_it_is_heard_and_answered_in_javascript(in_javascript: Talks) -> None:
    happened = in_javascript()
    assert happened[-1]["bytes"] > 24_000
    assert any("France" in one["history"] for one in happened if "history" in one)


@needs_node
def test_a_function_is_called_in_javascript(in_javascript: Talks) -> None:
    """What it gives goes back by itself; what the model makes of that, a small one does not do reliably."""
    happened = in_javascript(FOUND)
    assert [next(iter(one)) for one in happened if "history" not in one] == ["called", "gave", "answered"]
    assert next(one["gave"] for one in happened if "gave" in one) == FOUND
    kept = json.loads([one["history"] for one in happened if "history" in one][-1])
    assert [item.get("output") for item in kept if item["type"] == "function_call"] == [FOUND]
