"""A role in the place of the arguments."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from pathlib import Path
print(Path("/proc/self/cmdline").read_bytes())
from noghost.title import take_title
take_title("noghost: door")
print(Path("/proc/self/cmdline").read_bytes().rstrip(bytes(1)), Path("/proc/self/comm").read_text().strip())
take_title("r" * 100000)
print(len(Path("/proc/self/cmdline").read_bytes().rstrip(bytes(1))), len(Path("/proc/self/cmdline").read_bytes()))
"""
MARKER = "marker-8841-of-a-question"


def test_a_role_takes_the_place_of_the_arguments() -> None:
    done = subprocess.run([sys.executable, "-c", CODE, MARKER], capture_output=True, text=True, timeout=60, check=True)
    before, after, longest = done.stdout.splitlines()
    assert MARKER in before, "control"
    assert after == "b'noghost: door' noghost: door"
    kept, room = map(int, longest.split())
    assert kept == room - 1, "one that is too long is cut, and nothing beyond the arguments is written to"
