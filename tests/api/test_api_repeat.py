"""P8 repeat, its beginning: the same seed, threads and request give the same bytes."""

from __future__ import annotations

import json

import pytest

from promises.talking import say
from running import Service

TIMES = 5


@pytest.mark.parametrize("temperature", [0.0, 1.0], ids=["greedy", "sampled"])
def test_the_same_request_gives_the_same_bytes(service: Service, temperature: float) -> None:
    texts = set()
    for _ in range(TIMES):
        with say(
            service, "Tell me a story.", seed=11, temperature=temperature, max_tokens=24, noghost={"threads": 1}
        ) as call:
            body = json.loads(call.read_all().partition(b"\r\n\r\n")[2])
            texts.add(body["choices"][0]["message"]["content"])
    assert len(texts) == 1


def test_another_seed_gives_another_answer(service: Service) -> None:
    """Control: the seed does matter."""
    texts = set()
    for seed in (1, 2, 3):
        with say(service, "Tell me a story.", seed=seed, temperature=1.5, max_tokens=24) as call:
            texts.add(json.loads(call.read_all().partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"])
    assert len(texts) > 1
