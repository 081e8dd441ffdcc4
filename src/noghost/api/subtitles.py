"""What was heard as SubRip, WebVTT, or OpenAI's verbose object. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noghost.speech.hearing import Line, joined


def srt(lines: Sequence[Line]) -> str:
    """SubRip."""
    return "".join(f"{number}\n{span(line, ',')}\n{line.text}\n\n" for number, line in enumerate(lines, 1))


def vtt(lines: Sequence[Line]) -> str:
    """WebVTT."""
    return "WEBVTT\n\n" + "".join(f"{span(line, '.')}\n{line.text}\n\n" for line in lines)


def span(line: Line, point: str) -> str:
    """From when to when."""
    return f"{clock(line.start_s, point)} --> {clock(line.start_s + line.length_s, point)}"


def clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds, thousandths."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def verbose(lines: Sequence[Line], sound_s: float) -> dict[str, Any]:
    """OpenAI's `verbose_json`. What the ear does not know of a segment (tokens, likelihood) is empty or 0."""
    return {
        "task": "transcribe",
        "language": "english",
        "duration": round(sound_s, 3),
        "text": joined(list(lines)),
        "segments": [segment(number, line) for number, line in enumerate(lines)],
    }


def segment(number: int, line: Line) -> dict[str, Any]:
    """One of its segments."""
    return {
        "id": number,
        "seek": 0,
        "start": round(line.start_s, 3),
        "end": round(line.start_s + line.length_s, 3),
        "text": line.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
    }
