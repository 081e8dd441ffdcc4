"""In the guest, as its process 1: do what the host says over a virtio-serial port, one JSON line each way.

It starts what is examined, hands it sockets and a terminal, and says what a page is used for. Nothing of a prompt or
an answer ever passes through it: `accept` gives an accepted connection away unread, `at_terminal` gives the terminal.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import termios
import traceback
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PORT_NAME = "noghost.control"
PAGE_BYTES = 4096
LOGS = Path("/var/log")
TERMINAL = Path("/dev/ttyS1")
ENTRIES = 1 << 16  # of a page map, read at once
PRESENT, FRAME = 1 << 63, (1 << 55) - 1

children: dict[int, subprocess.Popen[bytes]] = {}
listeners: dict[int, socket.socket] = {}
terminal: list[int] = []  # held open, as the shell of a person would


def start(argv: list[str], env: dict[str, str], log: str) -> int:
    """A program of its own session, its output in a log file; its pid."""
    with (LOGS / log).open("wb") as out:
        return born(subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out))


def listen(port: int) -> None:
    """Be ready for one connection."""
    listeners[port] = socket.create_server(("0.0.0.0", port))


def accept(port: int, argv: list[str], env: dict[str, str], log: str) -> int:
    """As inetd does: the next connection is the program's standard input and output; its pid."""
    connection, _ = listeners[port].accept()
    with connection, (LOGS / log).open("wb") as err:
        return born(subprocess.Popen(argv, env=env, stdin=connection.fileno(), stdout=connection.fileno(), stderr=err))


def at_terminal(argv: list[str], env: dict[str, str], log: str) -> int:
    """The program gets the second serial line as its terminal, without echo; its pid."""
    line = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    terminal.append(line)
    settings = termios.tcgetattr(line)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(line, termios.TCSANOW, settings)

    def control() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with (LOGS / log).open("wb") as err:
        # preexec_fn: there is one thread here
        started = subprocess.Popen(argv, env=env, stdin=line, stdout=line, stderr=err, preexec_fn=control)  # noqa: PLW1509
        return born(started)


def born(process: subprocess.Popen[bytes]) -> int:
    children[process.pid] = process
    return process.pid


def ended(pid: int) -> int | None:
    """The exit status of a program started here; None while it runs."""
    return children[pid].poll()


def stop(pid: int) -> int:
    """SIGTERM; its exit status."""
    children[pid].send_signal(signal.SIGTERM)
    return children[pid].wait(60)


def run(argv: list[str], env: dict[str, str] | None = None) -> str:
    """What a command prints."""
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300, check=True).stdout


def read(path: str) -> str:
    return Path(path).read_text(errors="replace")


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def sync() -> None:
    """Bring to the disk what is on its way there."""
    os.sync()


def titles() -> list[str]:
    """The title of each process with memory of its own."""
    return [title(pid) for pid in pids() if Path(f"/proc/{pid}/maps").read_bytes()]


def frames(numbers: list[int]) -> list[dict[str, Any]]:
    """For each page frame: the kernel's flags for it, and the processes that have it mapped."""
    flags = [entry("/proc/kpageflags", number) for number in numbers]
    wanted = set(numbers)
    owners: dict[int, list[str]] = {}
    for pid in pids():
        for number in wanted.intersection(mapped(pid)):
            owners.setdefault(number, []).append(title(pid))
    return [
        {"frame": number, "flags": flag, "owners": owners.get(number, [])}
        for number, flag in zip(numbers, flags, strict=True)
    ]


def entry(path: str, number: int) -> int:
    with Path(path).open("rb", buffering=0) as file:
        file.seek(8 * number)
        return int(struct.unpack("Q", file.read(8))[0])


def pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def title(pid: int) -> str:
    """As ps shows it; the kernel's name for a process without an argument area."""
    try:
        base = Path(f"/proc/{pid}")
        return (base / "cmdline").read_text().rstrip("\0").replace("\0", " ") or (base / "comm").read_text().strip()
    except OSError:
        return ""


def mapped(pid: int) -> Iterator[int]:
    """The frames of a process."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
            for line in lines:
                start, end = (int(part, 16) // PAGE_BYTES for part in line.split()[0].split("-"))
                yield from present(pagemap.fileno(), start, end)
    except OSError:
        return


def present(pagemap: int, start: int, end: int) -> Iterator[int]:
    """The frames of pages `start` to `end`, those present."""
    while start < end:
        entries = array("Q", os.pread(pagemap, 8 * min(ENTRIES, end - start), 8 * start))
        if not entries:
            return
        if any(entries):
            yield from (one & FRAME for one in entries if one & PRESENT)
        start += len(entries)


OPERATIONS = {
    operation.__name__: operation
    for operation in (start, listen, accept, at_terminal, ended, stop, run, read, write, sync, titles, frames)
}


def main() -> None:
    named = Path("/sys/class/virtio-ports").glob("*/name")
    port = next(path.parent.name for path in named if path.read_text().strip() == PORT_NAME)
    control = os.open(f"/dev/{port}", os.O_RDWR)
    for line in lines(control):
        answer = json.dumps(obey(json.loads(line))).encode() + b"\n"
        while answer:
            answer = answer[os.write(control, answer) :]


def lines(descriptor: int) -> Iterator[bytes]:
    """Each line that comes over the port."""
    pending = b""
    while True:
        pending += os.read(descriptor, 65536)
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            yield line


def obey(asked: dict[str, Any]) -> dict[str, Any]:
    """One operation; a failure is an answer too, since a guest cannot raise in its host."""
    try:
        return {"answer": OPERATIONS[asked.pop("do")](**asked)}
    except Exception:  # noqa: BLE001  whatever it is, the host raises it
        return {"error": traceback.format_exc()}


if __name__ == "__main__":
    main()
