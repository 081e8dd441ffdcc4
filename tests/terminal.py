"""A real pseudo-terminal with a program in it, and what a person would see there."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte

LONGEST_S = 20.0
ENTER, NEW_LINE, STOP, END = "\r", "\x1b\r", "\x03", "\x04"


class Terminal:
    """`columns` by `rows`, with what has scrolled out of sight. `raw` is every byte that the program wrote."""

    def __init__(self, child: pexpect.spawn[bytes], columns: int, rows: int) -> None:
        self.child = child
        self.raw = b""
        self._screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._screen.write_process_input = child.send  # a terminal answers where its cursor is
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """All lines, those that have scrolled out of sight first."""
        gone = ["".join(line[x].data for x in range(self._screen.columns)) for line in self._screen.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self._screen.display])

    @property
    def editor(self) -> str:
        """What stands behind the last prompt sign, without the bottom line."""
        return self.text.rpartition("\n")[0].rpartition("›")[2].strip()

    def type(self, keys: str) -> None:
        """Press them."""
        self.child.send(keys.encode())

    def say(self, text: str) -> None:
        """Type a line and send it."""
        self.type(text + ENTER)

    def see(self, what: str | Callable[[], object], seconds: float = LONGEST_S) -> None:
        """Read until the text is there, or the condition holds; else an AssertionError with all that is seen."""
        holds = what if callable(what) else lambda: what in self.text
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"not seen: {what}\n{self.text}")

    def ends(self) -> int:
        """Read to the end; the exit status."""
        while self._read():
            pass
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -1)

    def _read(self) -> bool:
        try:
            data = self.child.read_nonblocking(1 << 16, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True


@contextmanager
def terminal(
    command: list[str], env: dict[str, str], cwd: Path, columns: int = 100, rows: int = 40
) -> Iterator[Terminal]:
    """Run it; ended with the block."""
    env = env | {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""}
    child = pexpect.spawn(
        command[0],
        command[1:],
        env=env,
        cwd=str(cwd),
        dimensions=(rows, columns),
        timeout=LONGEST_S,
        preexec_fn=hear_ctrl_c,
    )
    child.delaybeforesend = None
    try:
        yield Terminal(child, columns, rows)
    finally:
        child.close(force=True)


def hear_ctrl_c() -> None:
    """As in a terminal: a shell has what it runs in the background ignore it, these tests perhaps among that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def noghost(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "noghost.cli.main", *arguments]


def watched(env: dict[str, str], folder: Path) -> dict[str, str]:
    """An environment in which everything that a program may call its own lies in `folder`."""
    own = {name: folder / name for name in ("HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    for path in own.values():
        path.mkdir()
    return (
        env
        | {name: str(path) for name, path in own.items()}
        | {"PYTHONDONTWRITEBYTECODE": "1", "PWD": os.fspath(folder)}
    )
