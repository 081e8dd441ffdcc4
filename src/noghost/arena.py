"""Memory that an instance shares with one process of voice: its form, and the mark that the other has ended.

    0        ended (1 byte, the reaper writes it)
    64, 128  two rings' counters: bytes written, bytes read (8 bytes each, in the processor's
             order), to the voice and from it
    4096     the first ring's bytes, then the second's

Made by the reaper for one instance, which shares it with one process at a time: it is zeroed and read back in
between. What flows through the rings is speech/ring.py's.
"""

from __future__ import annotations

ENDED = 0
COUNTERS = (64, 128)
HEAD_BYTES = 4096
RING_BYTES = 1 << 20  # half a minute of speech at 16 kHz; more of it waits until there is room
ARENA_BYTES = HEAD_BYTES + 2 * RING_BYTES
