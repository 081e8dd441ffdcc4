"""A listening socket that another process holds: taken over at the start, or handed to the doorkeeper. In the warden,
before anything is loaded.

The protocol is that of sd_listen_fds(3): LISTEN_FDS says how many descriptors there are from 3 on, LISTEN_PID for
which process they are. systemd speaks it, and so does warden/doorkeeper.py.

Covered: what is taken over is one stream socket that listens, meant for this very process; the words of the protocol
are not passed on to children. Its real address counts for what an address asks for (TLS, API keys), not the one that
was configured.
Not covered: who may reach that address, which whoever opened it has decided; a Unix socket's mode.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import noghost
from noghost.config import Config
from noghost.errors import ConfigError
from noghost.instance.sandbox import PR_SET_PDEATHSIG, prctl
from noghost.warden.door import Door, scheme_of

FIRST = 3  # SD_LISTEN_FDS_START
WORDS = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
DOOR = "NOGHOST_DOOR"  # the doorkeeper's process id, for the service that it starts
START_KEEPER = "import sys; sys.path.append(sys.argv.pop(1)); from noghost.warden.doorkeeper import main; main()"
HINT = "give the unit one ListenStream= and Accept=no, or start without a socket unit"


def take_over(environment: MutableMapping[str, str] = os.environ, first: int = FIRST) -> socket.socket | None:
    """The listening socket that this process was started with, if there is one. Raises ConfigError for any other."""
    pid, count, _names = (environment.pop(word, "") for word in WORDS)
    if pid != str(os.getpid()) or not count:
        return None
    if count != "1":
        raise ConfigError(f"was handed {count} sockets, and can listen on one", HINT)
    try:
        listener = socket.socket(fileno=first)
    except OSError as refused:
        raise ConfigError(f"what was handed over is no socket ({refused.strerror})", HINT) from refused
    if not listens(listener):
        listener.detach()  # not ours to close
        raise ConfigError("what was handed over is no stream socket that listens", HINT)
    # Protocol 0, as a socket of our own has it: asyncio sets an option of every connection of IPPROTO_TCP, which is
    # refused to an instance.
    listener = socket.socket(listener.family, socket.SOCK_STREAM, 0, fileno=listener.detach())
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener


def listens(listener: socket.socket) -> bool:
    """A stream socket of a family that callers come by, and in the state of listening."""
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if listener.family not in families or listener.type != socket.SOCK_STREAM:
        return False
    return listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def config_at(config: Config, listener: socket.socket) -> Config:
    """The same at the address that the socket really has; ConfigError where that one asks for more."""
    if listener.family == socket.AF_UNIX:
        return replace(config, unix=Path(os.fsdecode(listener.getsockname())))
    host, port = listener.getsockname()[:2]
    return replace(config, unix=None, host=host, port=port)


def adopted(config: Config, listener: socket.socket) -> Door:
    """A door at a socket that was taken over; the file of a Unix socket is not this process's to remove."""
    return Door(listener, scheme_of(config), config.unix)


# --- with the doorkeeper ----------------------------------------------------------------------------------------


def become_doorkeeper(door: Door, command: Sequence[str]) -> NoReturn:
    """Turn this process into the one that holds the door and starts `command` when somebody knocks.

    A fresh interpreter without site-packages, so that nothing of what is imported here stays in its memory.
    """
    door.listener.set_inheritable(True)
    source = str(Path(noghost.__file__).parents[1])
    place = (str(door.path or ""), str(door.inode))
    interpreter = [sys.executable, "-I", "-S", "-B", "-c", START_KEEPER, source]
    os.execv(sys.executable, [*interpreter, str(door.listener.fileno()), *place, *command])  # noqa: S606  no shell is meant


def own_command() -> list[str]:
    """How this very process was started."""
    return [sys.executable, *sys.orig_argv[1:]]


def keeper_pid() -> int:
    """The doorkeeper that started this process, or 0."""
    return os.getppid() if os.environ.get(DOOR) == str(os.getppid()) else 0


def follow_keeper() -> None:
    """End, as after SIGTERM, when the doorkeeper is gone: nobody would start the next one."""
    if keeper := keeper_pid():
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != keeper:
            os.kill(os.getpid(), signal.SIGTERM)


def tell_keeper() -> None:
    """Say that the service answers."""
    if keeper := keeper_pid():
        os.kill(keeper, signal.SIGUSR1)
