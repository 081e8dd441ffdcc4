"""A service with one endpoint more, /attack: code in an instance that tries everything an instance must not do.

    python intruder.py --port N [--without STEP]... [--on-demand FILE]

GET /attack opens an invocation, tries each of ATTEMPTS and answers {name: "done" | name of the error}; GET /weights
does so with what can be tried on the open file of a model on demand. GET /like-a-load tries what the
load of one tries by itself. GET /insist tries one of them without end. What an
attempt would do is harmless to this machine if it succeeds.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from starlette.requests import Request

import noghost.api.app as api
from noghost.api.endpoints import Endpoints
from noghost.api.here import here
from noghost.api.loading import loaded_for
from noghost.config import Config, Limits
from noghost.service import serve

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
PAGE_BYTES = mmap.PAGESIZE
SCRATCH = mmap.mmap(-1, 4 * PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
ADDRESS = ctypes.addressof(ctypes.c_char.from_buffer(SCRATCH))
PLACE = Path(tempfile.gettempdir()) / f"noghost-intruder-{os.getpid()}"
FAILED = ctypes.c_void_p(-1).value
endpoints = Endpoints()


def page(number: int) -> ctypes.c_void_p:
    """Of the scratch memory; each attempt has one of its own."""
    return ctypes.c_void_p(ADDRESS + number * PAGE_BYTES)


def checked(result: int) -> None:
    """Raise the OSError of a C call that failed."""
    if result in (-1, FAILED):
        raise OSError(ctypes.get_errno(), "refused")


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def spawn() -> None:
    os.posix_spawn("/bin/true", ["true"], {})


def read_a_file() -> None:
    os.close(os.open("/etc/passwd", os.O_RDONLY))


def write_a_file() -> None:
    os.close(os.open(PLACE, os.O_WRONLY | os.O_CREAT))
    PLACE.unlink()


def fetch() -> None:
    socket.socket().connect(("127.0.0.1", 9))


def map_of(protection: int, flags: int, at: int = 0) -> Callable[[], None]:
    return lambda: checked(libc.mmap(ctypes.c_void_p(at), PAGE_BYTES, protection, flags, -1, 0))


def look_at_the_reaper() -> None:
    local = ctypes.create_string_buffer(16)

    class Span(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    here_, there = Span(ctypes.addressof(local), 16), Span(ctypes.addressof(local), 16)
    checked(libc.process_vm_readv(os.getppid(), ctypes.byref(here_), 1, ctypes.byref(there), 1, 0))


RW, RWX = mmap.PROT_READ | mmap.PROT_WRITE, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
PRIVATE, SHARED, FIXED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS, 0x10

ATTEMPTS: dict[str, Callable[[], object]] = {
    # open a file
    "read a file": read_a_file,
    "write a file": write_a_file,
    "list a folder": lambda: os.listdir("/"),  # noqa: PTH208
    "ask about a file": lambda: os.stat("/etc/passwd"),  # noqa: PTH116
    "make a file in memory": lambda: os.memfd_create("x"),
    "make a folder": lambda: os.mkdir(PLACE),  # noqa: PTH102
    # open a socket or a pipe
    "make a socket": socket.socket,
    "connect": fetch,
    "make a pair of sockets": socket.socketpair,
    "make a pipe": os.pipe,
    "double a descriptor": lambda: os.dup(1),
    # start or disturb a process
    "fork": fork,
    "start a program": spawn,
    "become a program": lambda: os.execv("/nonexistent", ["x"]),
    "signal the warden": lambda: os.kill(os.getppid(), 0),
    "read the warden": look_at_the_reaper,
    "be traced by another": lambda: checked(libc.ptrace(0, 0, 0, 0)),
    # give memory back unwiped, or put it where nobody wipes
    "unmap": lambda: checked(libc.munmap(page(3), PAGE_BYTES)),
    "forget pages": lambda: checked(libc.madvise(page(0), PAGE_BYTES, 4)),
    "move pages": lambda: checked(libc.mremap(page(2), PAGE_BYTES, 2 * PAGE_BYTES, 1)),
    "map over pages": map_of(RW, PRIVATE | FIXED, ADDRESS),
    "map what is shared": map_of(RW, SHARED),
    "map what can be executed": map_of(RWX, PRIVATE),
    "make pages executable": lambda: checked(libc.mprotect(page(1), PAGE_BYTES, RWX)),
    # escape from what ends it
    "be dumpable": lambda: checked(libc.prctl(4, 1, 0, 0, 0)),
    "outlive the warden": lambda: checked(libc.prctl(1, 0, 0, 0, 0)),
    "put off the deadline": lambda: signal.setitimer(signal.ITIMER_REAL, 3600),
    "ignore the deadline": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "allow core dumps": lambda: checked(libc.setrlimit(resource.RLIMIT_CORE, bytes(16))),
    "leave by a namespace": lambda: checked(libc.unshare(0x10000000)),
}


def outcome_of(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as refused:
        return errno.errorcode.get(refused.errno or 0, "?")
    return "done"


@endpoints.get("/attack")
async def attack(request: Request) -> dict[str, str]:
    """Try everything once."""
    now = here(request)
    now.recorder.open(now.invocation, 0, None)
    return {name: outcome_of(attempt) for name, attempt in ATTEMPTS.items()}


def attempts_on(weights: int) -> dict[str, Callable[[], object]]:
    """What would leave something in the file, or run it; its being read is allowed."""

    def mapped(protection: int, flags: int) -> int:
        address = libc.mmap(ctypes.c_void_p(0), PAGE_BYTES, protection, flags, weights, 0)
        checked(address)
        return int(address)

    return {
        "read": lambda: mapped(mmap.PROT_READ, mmap.MAP_SHARED),
        "write": lambda: os.write(weights, b"x"),
        "cut": lambda: os.ftruncate(weights, 0),
        "map to write": lambda: mapped(RW, mmap.MAP_SHARED),
        "map to execute": lambda: mapped(mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_SHARED),
        "map a copy": lambda: mapped(RW, mmap.MAP_PRIVATE),
        "map over pages": lambda: checked(
            libc.mmap(page(0), PAGE_BYTES, mmap.PROT_READ, mmap.MAP_SHARED | FIXED, weights, 0)
        ),
        "make what is mapped writable": lambda: checked(
            libc.mprotect(ctypes.c_void_p(mapped(mmap.PROT_READ, mmap.MAP_SHARED)), PAGE_BYTES, RW)
        ),
    }


def holds_weights(descriptor: int) -> bool:
    try:
        return os.pread(descriptor, 4, 0) == b"GGUF"
    except OSError:
        return False


@endpoints.get("/weights")
async def weights(request: Request) -> dict[str, str]:
    """Try everything with the file."""
    now = here(request)
    now.recorder.open(now.invocation, 1, None)
    found = next(descriptor for descriptor in range(3, 64) if holds_weights(descriptor))
    return {name: outcome_of(attempt) for name, attempt in attempts_on(found).items()}


# What a load tries by itself too: see LOADING_TRIES of instance/calls.py.
AS_A_LOAD: dict[str, Callable[[], object]] = {
    "give memory back": lambda: checked(libc.munmap(page(3), PAGE_BYTES)),
    "ask for a size": lambda: os.fstat(0),
    "tell how a file will be read": lambda: os.posix_fadvise(0, 0, 0, os.POSIX_FADV_SEQUENTIAL),
    "ask for pages": lambda: checked(libc.madvise(page(2), PAGE_BYTES, mmap.MADV_WILLNEED)),
    "ask for the host's memory": lambda: checked(libc.sysinfo(ctypes.create_string_buffer(256))),
}


@endpoints.get("/like-a-load")
async def like_a_load(request: Request) -> dict[str, str]:
    """Try what a load tries, after one or without one."""
    now = here(request)
    if request.query_params["load"] == "true":
        await loaded_for(request, 1)
    else:
        now.recorder.open(now.invocation, 0, None)
    return {name: outcome_of(attempt) for name, attempt in AS_A_LOAD.items()}


@endpoints.get("/insist")
async def insist(request: Request) -> None:
    """Try one thing until something ends it."""
    now = here(request)
    now.recorder.open(now.invocation, 0, None)
    while True:
        outcome_of(read_a_file)


@click.command()
@click.option("--port", type=int)
@click.option("--without", multiple=True)
@click.option("--on-demand", multiple=True)
def main(port: int, without: tuple[str, ...], on_demand: tuple[str, ...]) -> None:
    make = api.make_app

    def with_intruder(*, voice: bool = False) -> object:
        app = make(voice=voice)
        app.router.routes += [one.route() for one in endpoints]
        return app

    api.make_app = with_intruder  # type: ignore[assignment]
    config = Config(port=port, context_tokens=512, without=without, on_demand=on_demand, limits=Limits(refusals=100))
    serve(config, lambda address, *_more: click.echo(f"listening on {address}"))


if __name__ == "__main__":
    sys.exit(main())
