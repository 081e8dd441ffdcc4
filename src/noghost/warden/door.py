"""The door: where callers knock. In the warden, before fork; opened once, closed at the end.

Covered: a Unix socket's mode is 0600 whatever the umask; what lies at its path is never replaced unless it is the
socket of a service that is gone; the path is free again at the end.
Not covered: who may reach a TCP address (`Config.reachable` says what is asked of it); the folder of a Unix socket,
whose owner may replace it; two services that find the same stale socket at the same moment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

from noghost.config import Address, Config
from noghost.errors import ConfigError
from noghost.warden.peer import Peers

BACKLOG = 1024
OWNER_ONLY = 0o177  # as a umask
MOST_PATH_BYTES = 107  # sun_path of unix(7), with the zero at its end


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket, not blocking."""

    listener: socket.socket
    scheme: str  # http, https or tcp
    path: Path | None = None  # of a Unix socket
    inode: int = 0  # of it, so that nobody else's is removed
    peers: Peers = field(default_factory=Peers)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """What only the warden may have."""
        return (self.listener, self.peers.registry) if self.peers.registry else (self.listener,)

    @property
    def address(self) -> str:
        """Where callers find it: a URL, or unix:PATH."""
        if self.path:
            return f"unix:{self.path}"
        host, port = self.listener.getsockname()[:2]
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def close(self) -> None:
        """Stop listening, and take away the socket's file if it is still this door's."""
        self.listener.close()
        self.peers.close()
        if self.path:
            with contextlib.suppress(FileNotFoundError):
                if self.path.lstat().st_ino == self.inode:
                    self.path.unlink()


def open_door(config: Config) -> Door:
    """Listen where the configuration says. Raises ConfigError with the address when it cannot be had."""
    return open_at(config.address, scheme_of(config))


def scheme_of(config: Config) -> str:
    """How the address begins; as Wyoming's clients have it where that is spoken."""
    return "tcp" if config.wyoming else "https" if config.tls else "http"


def open_hatch(address: Address) -> Door:
    """Listen for scrapes of the metrics. Raises ConfigError as above."""
    return open_at(address, "http")


def open_at(address: Address, scheme: str) -> Door:
    """Listen there; ConfigError."""
    if address.unix is None:
        return Door(listen_on_address(address.host, address.port), scheme)
    path = address.unix.absolute()
    listener = listen_on_path(path)
    return Door(listener, scheme, path, path.lstat().st_ino)


def listen_on_address(host: str, port: int) -> socket.socket:
    """A listening TCP socket; ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as refused:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port} ({refused.strerror})",
            "take another port, or stop what has it",
        ) from refused
    listener.setblocking(False)
    return listener


def listen_on_path(path: Path) -> socket.socket:
    """A listening Unix socket that only its owner can reach; ConfigError."""
    if len(os.fsencode(path)) > MOST_PATH_BYTES:
        raise ConfigError(f"cannot listen on {path}", f"a Unix socket's path has at most {MOST_PATH_BYTES} bytes")
    make_way(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(OWNER_ONLY)  # the warden has one thread: nothing else makes a file meanwhile
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as refused:
        listener.close()
        raise ConfigError(f"cannot listen on {path} ({refused.strerror})", "give the socket another path") from refused
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def make_way(path: Path) -> None:
    """Remove the socket of a service that is gone; ConfigError where anything else is at the path."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as refused:
        raise ConfigError(f"cannot listen on {path} ({refused.strerror})", "give the socket another path") from refused
    if not stat.S_ISSOCK(status.st_mode):
        raise ConfigError(f"cannot listen on {path}: it is there, and no socket", "give the socket another path")
    if answers(path):
        raise ConfigError(
            f"cannot listen on {path}: a service listens there", "stop it, or give the socket another path"
        )
    path.unlink()


def answers(path: Path) -> bool:
    """Whether anybody listens at a Unix socket; a queue that is full, or a refusal of any other kind, is somebody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True
