"""Microphones and speakers, as PortAudio knows them. In the talk command alone."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from noghost.errors import ConfigError

RATE = 24_000  # of audio/pcm at /v1/realtime, 16 bits, one channel
SAMPLE_BYTES = 2
WRONG_RATE = -9997  # portaudio.h: paInvalidSampleRate
Device = int | str | None  # its number, a part of its name, or the default one
STDERR = 2


def library() -> Any:
    """sounddevice. Raises ConfigError where it, or PortAudio, is not installed."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise ConfigError("cannot reach a microphone: sounddevice is missing", "pip install 'noghost[voice]'") from None
    except OSError:  # it is a binding of the library
        raise ConfigError(
            "cannot reach a microphone: PortAudio is not installed",
            "it is libportaudio2 on Debian and Ubuntu, portaudio elsewhere",
        ) from None


@contextmanager
def hushed() -> Iterator[None]:
    """PortAudio and ALSA write straight to the error output, in the midst of the screen: not meanwhile."""
    kept, nothing = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nothing)


def device_of(text: str | None) -> Device:
    """As a person names it: a number of the list, or a part of a name."""
    return int(text) if text and text.isascii() and text.isdigit() else text


def listed() -> str:
    """All of them, a line each, the default ones marked. Raises ConfigError."""
    with hushed():
        sound = library()
        found, defaults = list(sound.query_devices()), list(sound.default.device)
    if not found:
        raise ConfigError("PortAudio knows no microphone and no speaker", NOTHING)
    width = max(len(one["name"]) for one in found)
    return "\n".join(line_of(number, one, defaults, width) for number, one in enumerate(found))


def line_of(number: int, one: dict[str, Any], defaults: list[int], width: int) -> str:
    """Of one device."""
    ways = (("microphone", "max_input_channels", defaults[0]), ("speaker", "max_output_channels", defaults[1]))
    told = [f"{what}{' (default)' * (default == number)}" for what, channels, default in ways if one[channels]]
    return f"{number:3}  {one['name']:{width}}  {', '.join(told)}"


NOTHING = "plug one in, start PulseAudio or PipeWire (their ALSA plugin is libasound2-plugins), see that it is yours"


def failed(what: str, device: Device, error: Exception) -> ConfigError:
    """That one could not be opened: sounddevice's error in our words."""
    name = "" if device is None else f" {device}"
    if WRONG_RATE in error.args:
        hint = "choose one that converts (default, pulse, pipewire): --devices lists them"
        return ConfigError(f"cannot open the {what}{name}: it has no {RATE} samples a second", hint)
    hint = "--devices lists them" if device is not None else NOTHING
    return ConfigError(f"cannot open the {what}{name}: there is none, or it is another's", hint)
