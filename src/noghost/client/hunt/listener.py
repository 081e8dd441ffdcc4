"""Which process serves an address of this machine, read from `/proc`: the root of its tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from noghost.client.hunt.processes import parents
from noghost.client.reach import place_of
from noghost.errors import HuntError

LISTENS = "0A"  # TCP_LISTEN: include/net/tcp_states.h
SYSTEM = 1  # holds the socket too where it starts services by one


def listener(url: str) -> int:
    """The process that listens there, and no parent of it does; raises HuntError where none is seen."""
    wanted = {f"socket:[{inode}]" for inode in sockets(url)}
    above = parents()
    holders = {pid for pid in above if pid != SYSTEM and not wanted.isdisjoint(held(pid))}
    roots = [pid for pid in sorted(holders) if above[pid] not in holders]
    if not roots:
        hint = "hunt where the service runs, as its user"
        raise HuntError(f"no process of yours on this machine listens at {url}", hint)
    return roots[0]


def sockets(url: str) -> Iterator[str]:
    """The inodes of the sockets that listen at `url`."""
    place = place_of(url)
    if place.unix is not None:
        path = str(Path(place.unix).absolute())
        yield from (row[6] for row in table("unix") if row[-1] == path)
        return
    parts = urlsplit(place.url)
    port = f"{parts.port or (443 if parts.scheme == 'https' else 80):04X}"
    rows = (*table("tcp"), *table("tcp6"))
    yield from (row[9] for row in rows if row[3] == LISTENS and row[1].endswith(f":{port}"))


def table(name: str) -> list[list[str]]:
    """The rows of /proc/net/NAME, without its heading."""
    try:
        return [line.split() for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    except OSError:
        return []


def held(pid: int) -> Iterator[str]:
    """What the descriptors of a process are, as far as they may be seen."""
    with suppress(OSError):
        for entry in Path("/proc", str(pid), "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                yield str(entry.readlink())
