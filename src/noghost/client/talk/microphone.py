"""Sound from the person. PortAudio calls from a thread of its own, which does nothing but hand the sound over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from noghost.client.talk.devices import SOUND, Device, failed, library
from noghost.errors import ConfigError

BLOCK_FRAMES = 960  # 40 ms


class Microphone:
    """`on_sound` gets 16-bit samples, `on_lost` is called once where the device is gone; both in the event loop."""

    def __init__(self, device: Device, on_sound: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        self._device, self._on_sound, self._on_lost = device, on_sound, on_lost
        self._stream: Any = None

    @property
    def is_open(self) -> bool:
        """It gives sound."""
        return self._stream is not None and bool(self._stream.active)

    def open(self) -> None:
        """Begin. Raises ConfigError."""
        sound, loop = library(), asyncio.get_running_loop()

        def take(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            loop.call_soon_threadsafe(self._on_sound, bytes(data))

        def end() -> None:
            loop.call_soon_threadsafe(self._ended, stream)

        try:
            stream = sound.RawInputStream(
                **SOUND,
                device=self._device,
                blocksize=BLOCK_FRAMES,
                latency="low",
                callback=take,
                finished_callback=end,
            )
            stream.start()
        except (sound.PortAudioError, ValueError) as error:
            raise failed("microphone", self._device, error) from None
        self._stream = stream

    def close(self) -> None:
        """End; may be closed already."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def reopen(self) -> None:
        """If it is gone. Raises ConfigError."""
        if not self.is_open:
            self.close()
            self.open()

    def _ended(self, stream: Any) -> None:
        if stream is self._stream:  # else it was closed
            self.close()
            self._on_lost()


def lost(what: str) -> ConfigError:
    """That a device went away in the middle."""
    return ConfigError(f"the {what} is gone", "see that it is there; space tries again")
