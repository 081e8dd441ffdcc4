"""How a conversation is to be, as the service is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SILENCE_S = 0.5  # that ends a turn where no key does
CAPTIONS = {"type": "realtime", "noghost": {"captions": True}}  # an extension: what is heard while one speaks


@dataclass(frozen=True, slots=True)
class Settings:
    """As the person asked for it; without `max_tokens` an answer ends by itself."""

    is_hands_free: bool = False
    voice: str = "default"
    speed: float = 1.0
    max_tokens: int | None = None

    def session(self) -> dict[str, Any]:
        """Of session.update."""
        detection = {"type": "server_vad", "silence_duration_ms": round(1000 * SILENCE_S)}
        return {
            "type": "realtime",
            "output_modalities": ["audio"],
            "max_output_tokens": self.max_tokens or "inf",
            "truncation": "disabled",  # what stands in the file is what the model was told
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {"model": "default"},
                    "turn_detection": detection if self.is_hands_free else None,
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "voice": self.voice,
                    "speed": self.speed,
                },
            },
        }
