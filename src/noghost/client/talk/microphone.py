"""Sound from the person. PortAudio calls from a thread of its own, which does nothing but hand the sound over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from noghost.client.talk.devices import Device
from noghost.client.talk.stream import Stream

BLOCK_FRAMES = 960  # 40 ms


class Microphone(Stream):
    """`on_sound` gets 16-bit samples, in the event loop."""

    what = "microphone"

    def __init__(self, device: Device, on_sound: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        super().__init__(device, on_lost)
        self._on_sound = on_sound

    def _made(self, sound: Any, common: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()

        def take(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            loop.call_soon_threadsafe(self._on_sound, bytes(data))

        return sound.RawInputStream(**common, blocksize=BLOCK_FRAMES, latency="low", callback=take)
