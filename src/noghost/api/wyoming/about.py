"""What a service tells of itself: Wyoming's `info`. PURE."""

from __future__ import annotations

import re
from typing import Any

from noghost import __version__
from noghost.api.here import Here

NAME = "noghost"
OURS = {"name": NAME, "url": ""}
MOONSHINE = {"name": "Useful Sensors", "url": "https://github.com/moonshine-ai/moonshine"}
WHISPER = {"name": "OpenAI", "url": "https://github.com/openai/whisper"}
PIPER = {"name": "Piper", "url": "https://github.com/OHF-Voice/piper1-gpl"}
KOKORO = {"name": "hexgrad", "url": "https://huggingface.co/hexgrad/Kokoro-82M"}
ESPEAK = {"name": "eSpeak NG", "url": "https://github.com/espeak-ng/espeak-ng"}
EARS = {"moonshine-tiny-en": (MOONSHINE, "Moonshine"), "whisper-base": (WHISPER, "Whisper")}
MOUTHS = {"kokoro-82m": (KOKORO, "Kokoro"), "espeak-ng": (ESPEAK, "eSpeak NG")}
OF_A_NAME = re.compile("([a-z]{2}_[A-Z]{2})-")  # the language of a Piper voice


def info(now: Here) -> dict[str, Any]:
    """One program of each kind. An empty list of languages: whatever the model knows."""
    ear, mouth = now.voices
    heard = [artifact(ear, *EARS[ear], languages=["en"])]
    by = MOUTHS.get(mouth, (PIPER, "Piper"))
    spoken = [artifact(name, *by, languages=[language_of(mouth, name)]) for name in now.speakers]
    answered = [artifact(one.name, OURS, one.name, languages=list[str]()) for one in now.models[:1]]
    return {
        "asr": [program("hears", models=heard, supports_transcript_streaming=True)],
        "tts": [program("speaks", voices=spoken, supports_synthesize_streaming=True)],
        "handle": [program("answers", models=answered, supports_handled_streaming=True)],
        "intent": [],
        "wake": [],
        "mic": [],
        "snd": [],
    }


def language_of(mouth: str, speaker: str) -> str:
    """What somebody speaks; English, unless the name of the mouth says otherwise."""
    if mouth in MOUTHS:
        return "en_GB" if speaker.startswith("b") else "en_US"
    found = OF_A_NAME.match(mouth)
    return found[1] if found else "en_US"


def program(does: str, **more: Any) -> dict[str, Any]:
    """This service as what does that."""
    return artifact(NAME, OURS, f"A process that {does} for you alone, and is gone then", __version__) | more


def artifact(
    name: str, attribution: dict[str, str], description: str, version: str | None = None, **more: Any
) -> dict[str, Any]:
    """As Wyoming describes a program, a model or a voice."""
    own = {"name": name, "attribution": attribution, "installed": True, "description": description, "version": version}
    return own | more
