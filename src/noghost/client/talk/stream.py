"""A stream of PortAudio's, from a microphone or to a speaker: opened, lost, opened again. In the talk command alone."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from noghost.client.talk.devices import RATE, Device, failed, library
from noghost.errors import ConfigError

FORM = {"samplerate": RATE, "channels": 1, "dtype": "int16"}


class Stream(ABC):
    """`on_lost` is called once where the device is gone, in the event loop."""

    what: str  # for a person

    def __init__(self, device: Device, on_lost: Callable[[], None]) -> None:
        self._device, self._on_lost = device, on_lost
        self._stream: Any = None

    @abstractmethod
    def _made(self, sound: Any, common: dict[str, Any]) -> Any:
        """The stream of sounddevice's, not started; `common` are arguments of every one."""

    @property
    def is_open(self) -> bool:
        """There is sound."""
        return self._stream is not None and bool(self._stream.active)

    def open(self) -> None:
        """Begin. Raises ConfigError."""
        sound, loop = library(), asyncio.get_running_loop()
        stream: Any = None

        def end() -> None:
            loop.call_soon_threadsafe(self._ended, stream)

        try:
            stream = self._made(sound, {**FORM, "device": self._device, "finished_callback": end})
            stream.start()
        except (sound.PortAudioError, ValueError) as error:
            if stream is not None:
                stream.close(ignore_errors=True)
            raise failed(self.what, self._device, error) from None
        self._stream = stream

    def close(self) -> None:
        """End at once; may be closed already."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)

    def reopen(self) -> None:
        """If it is gone. Raises ConfigError."""
        if not self.is_open:
            self.close()
            self.open()

    def lost(self) -> ConfigError:
        """What to say of it."""
        return ConfigError(f"the {self.what} is gone", "see that it is there; space tries again")

    def _ended(self, stream: Any) -> None:
        if stream is self._stream:  # else it was closed
            self.close()
            self._on_lost()
