"""What a service tells of itself: Wyoming's `info`. PURE."""

from __future__ import annotations

from typing import Any

from noghost import __version__
from noghost.api.here import Here
from noghost.messages import Voice

NAME = "noghost"
OURS = {"name": NAME, "url": ""}
MOONSHINE = {"name": "Useful Sensors", "url": "https://github.com/moonshine-ai/moonshine"}
PIPER = {"name": "Piper", "url": "https://github.com/OHF-Voice/piper1-gpl"}


def info(now: Here) -> dict[str, Any]:
    """One program of each kind. An empty list of languages: whatever the model knows."""
    ear, mouth = now.voices[Voice.EAR], now.voices[Voice.MOUTH]
    heard = [artifact(ear, MOONSHINE, "Moonshine", languages=["en"])]
    spoken = [artifact(mouth, PIPER, "Piper", languages=["en_US"])]
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


def program(does: str, **more: Any) -> dict[str, Any]:
    """This service as what does that."""
    return artifact(NAME, OURS, f"A process that {does} for you alone, and is gone then", __version__) | more


def artifact(
    name: str, attribution: dict[str, str], description: str, version: str | None = None, **more: Any
) -> dict[str, Any]:
    """As Wyoming describes a program, a model or a voice."""
    own = {"name": name, "attribution": attribution, "installed": True, "description": description, "version": version}
    return own | more
