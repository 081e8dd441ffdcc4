"""OpenAI's agents, unchanged: a conversation in sound, and a function that is called in its midst."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from clients.installed import client
from running import Service
from speech.voiced import needs_voice, speaking_service

pytestmark = [needs_voice, pytest.mark.slow, pytest.mark.filterwarnings("default")]
ASKED = "What is the capital of France?"


@pytest.fixture(scope="module")
def voiced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with speaking_service(tmp_path_factory.mktemp("agents")) as service:
        yield service


def runner(agents: Any, **settings: Any) -> Any:
    agent = agents.RealtimeAgent(name="Ada", instructions="Answer in one short sentence.")
    return agents.RealtimeRunner(agent, config={"model_settings": settings})


async def talked(agents: Any, service: Service, pcm: bytes) -> tuple[bytes, list[str], list[Any]]:
    """(sound of the answer, kinds of events, the history at the end)."""
    sound, kinds, history = b"", list[str](), list[Any]()
    address = {"url": f"{service.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime", "api_key": "none"}
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


def test_it_is_heard_and_answered(voiced: Service) -> None:
    agents = client("agents.realtime")
    body = {"input": ASKED, "response_format": "pcm"}
    pcm = httpx.post(f"{voiced.url}/v1/audio/speech", json=body, timeout=60).content
    sound, kinds, history = asyncio.run(asyncio.wait_for(talked(agents, voiced, pcm), 60))
    assert "error" not in kinds
    assert len(sound) > 24_000
    assert any("France" in str(item) for item in history)
