"""Sound to the person. PortAudio calls from a thread of its own, which takes what is to be played, and counts it."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

from noghost.client.talk.devices import RATE, SAMPLE_BYTES, Device
from noghost.client.talk.stream import Stream

LATENCY_S = 0.1  # of the device's buffer: less crackles on a busy machine
LOUD = 328  # a hundredth of the largest sample: what is softer is silence


class Speaker(Stream):
    """Plays one answer at a time: `begin`, `play` …, and `stop` where it is cut. Silence otherwise."""

    what = "speaker"

    def __init__(self, device: Device, on_lost: Callable[[], None]) -> None:
        super().__init__(device, on_lost)
        self._lock = threading.Lock()
        self._rest = bytearray()
        self._given = self._taken = 0  # bytes of this answer: got, and handed to the device
        self._loud_at: int | None = None  # the first byte that is no silence
        self._loud_s: float | None = None

    def _made(self, sound: Any, common: dict[str, Any]) -> Any:
        def give(data: Any, _frames: int, _time: Any, _status: Any) -> None:
            self._fill(data)

        return sound.RawOutputStream(**common, latency=LATENCY_S, callback=give)

    # --- one answer -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Another answer."""
        with self._lock:
            self._rest.clear()
            self._given = self._taken = 0
            self._loud_at = self._loud_s = None

    def play(self, data: bytes) -> None:
        """More of it."""
        if self._loud_at is None and (at := first_loud(data)) is not None:
            self._loud_at = self._given + at
        with self._lock:
            self._given += len(data)
            self._rest += data

    def stop(self) -> float:
        """Silence at once, what the device holds included; the seconds that were played."""
        played_s = self.played_s
        with self._lock:
            self._rest.clear()
        if self.is_open:
            self.close()
            self.open()
        return played_s

    @property
    def played_s(self) -> float:
        """What was heard of it: without what the device still holds."""
        held_s = self._stream.latency if self._stream is not None and self._rest else 0.0
        return max(0.0, seconds(self._taken) - held_s)

    @property
    def given_s(self) -> float:
        """What there is of it."""
        return seconds(self._given)

    @property
    def is_drained(self) -> bool:
        """All of it is at the device."""
        return not self._rest

    @property
    def first_s(self) -> float | None:
        """When (time.monotonic) its first sound that is no silence was heard."""
        return None if self._loud_s is None else self._loud_s + (self._stream.latency if self._stream else 0.0)

    # --- in PortAudio's thread ------------------------------------------------------------------------------------

    def _fill(self, out: Any) -> None:
        with self._lock:
            data = self._rest[: len(out)]
            del self._rest[: len(out)]
            self._taken += len(data)
        out[: len(data)] = bytes(data)
        out[len(data) :] = bytes(len(out) - len(data))
        if self._loud_s is None and self._loud_at is not None and self._taken > self._loud_at:
            self._loud_s = time.monotonic()


def silence(length_s: float) -> bytes:
    """So much of it."""
    return bytes(SAMPLE_BYTES * round(RATE * length_s))


def seconds(count: int) -> float:
    """Of so many bytes."""
    return count / (RATE * SAMPLE_BYTES)


def first_loud(data: bytes) -> int | None:
    """Where in it, in bytes, the first sample is that is no silence."""
    samples = array("h", data[: len(data) - len(data) % SAMPLE_BYTES])
    return next((SAMPLE_BYTES * at for at, one in enumerate(samples) if abs(one) > LOUD), None)
