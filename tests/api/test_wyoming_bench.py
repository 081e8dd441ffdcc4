"""`noghost wyoming`, by a client that nobody here wrote: wyoming-bench, both ways of speaking and of hearing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from running import Service
from speech.voiced import needs_voice
from speech.wyoming_service import wyoming_service

pytest.importorskip("wyoming_bench", reason="the package `wyoming-bench` is not installed")
pytestmark = [needs_voice, pytest.mark.slow]
TEXT = "The library opens at nine in the morning. It closes at five."


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with wyoming_service(tmp_path_factory.mktemp("wyoming")) as found:
        yield found


def bench(service: Service, command: str, *arguments: str) -> str:
    """What it prints."""
    words = [sys.executable, "-m", "wyoming_bench.cli", command, f"127.0.0.1:{service.port}", *arguments]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def results(said: str) -> list[tuple[str, str]]:
    """(mode, how many went well and wrong)."""
    return re.findall(r"^\[(\w+)\] (ok=\d+ fail=\d+)$", said, re.MULTILINE)


def test_it_finds_what_is_offered(service: Service) -> None:
    said = bench(service, "info")
    assert "noghost (transcript streaming)" in said
    assert "noghost (synthesize streaming)" in said


def test_it_is_spoken_to_and_understood(service: Service, tmp_path: Path) -> None:
    once = ("--rounds", "1", "--warmup", "0")
    assert results(bench(service, "tts", "--texts", TEXT, *once)) == [
        ("non_streaming", "ok=1 fail=0"),
        ("streaming", "ok=1 fail=0"),
    ]
    bench(service, "generate-corpus", "--texts", TEXT, "--out", str(tmp_path / "corpus"))
    heard = bench(service, "stt", "--corpus", str(tmp_path / "corpus"), *once)
    assert results(heard) == [("non_streaming", "ok=1 fail=0"), ("streaming", "ok=1 fail=0")]
    errors = [float(rate) for rate in re.findall(r"WER=([\d.]+)%", heard)]
    assert len(errors) == 2
    assert max(errors) <= 50, "most words are there; nine may be heard as 9:00"
