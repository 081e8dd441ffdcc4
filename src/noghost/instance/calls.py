"""The system calls of an instance, as data: what is allowed, with which arguments; all else is refused.

Nothing here opens, starts, sends to a new address, or gives memory back to the kernel: the only way out of an instance
is the connection that it was born with (and, with remote models, one that it is handed), and every page that it ever
wrote is there at its end. With models on demand a file that is open already, for reading, can be mapped to be read.

Numbers: asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64). A call that an architecture does not have is
None.
"""

from __future__ import annotations

import errno
import mmap
import signal
from dataclasses import dataclass

ALL = 0xFFFFFFFF
PROT_EXEC = mmap.PROT_EXEC
MAP_STACK, MAP_NORESERVE, MAP_POPULATE = 0x20000, 0x4000, 0x8000  # asm-generic/mman.h, mman-common.h
FIONBIO = 0x5421  # asm-generic/ioctls.h
SIGSETXID = 33  # glibc takes it when the first thread is made
THREAD = 0x3D0F00  # what pthread_create gives to clone(2): address space, files and handlers shared
SELF = -1  # stands for the process's own id, known at birth


@dataclass(frozen=True, slots=True)
class When:
    """Argument number `argument` (0 to 5), masked, has this value; its upper 32 bits are zero."""

    argument: int
    value: int
    mask: int = ALL


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: its numbers, and what must hold of its arguments."""

    name: str
    x86_64: int | None
    aarch64: int | None
    when: tuple[When, ...] = ()


# The order is that in which the kernel looks: what an answer calls most comes first.
ALLOWED = (
    Call("futex", 202, 98),
    Call("pread64", 17, 67),
    Call("epoll_wait", 232, None),
    Call("epoll_pwait", 281, 22),
    Call("clock_nanosleep", 230, 115),
    Call("recvfrom", 45, 207),
    Call("sendto", 44, 206, (When(5, 0),)),  # over what is connected, to no other address
    Call("getpid", 39, 172),
    Call("sched_getaffinity", 204, 123),
    Call("sched_yield", 24, 124),
    Call("read", 0, 63),
    Call("write", 1, 64),
    Call("sendmsg", 46, 211),  # hands the listener for refused calls to the reaper
    Call("epoll_ctl", 233, 21),
    Call("poll", 7, None),
    Call("ppoll", 271, 73),
    Call("ioctl", 16, 29, (When(1, FIONBIO),)),
    Call("getrandom", 318, 278),
    Call("getsockname", 51, 204),
    Call("getpeername", 52, 205),
    Call("getsockopt", 55, 209),
    Call("shutdown", 48, 210),
    Call("close", 3, 57),
    # new memory, private and without a file; never over memory that is there, never to be executed
    Call(
        "mmap",
        9,
        222,
        (When(2, 0, PROT_EXEC), When(3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, ALL & ~(MAP_STACK | MAP_NORESERVE))),
    ),
    Call("mprotect", 10, 226, (When(2, 0, PROT_EXEC),)),
    # threads of this process
    Call("clone", 56, 220, (When(0, THREAD),)),
    Call("set_robust_list", 273, 99),
    Call("rseq", 334, 293),
    Call("gettid", 186, 178),
    Call("rt_sigprocmask", 14, 135),
    Call("rt_sigaction", 13, 134, (When(0, SIGSETXID),)),
    Call("rt_sigreturn", 15, 139),
    Call("sigaltstack", 131, 132),
    Call("restart_syscall", 219, 128),
    # time, where the kernel's page for it does not do
    Call("clock_gettime", 228, 113),
    Call("clock_getres", 229, 114),
    Call("gettimeofday", 96, 169),
    Call("nanosleep", 35, 101),
    # the end: by a signal, never by exit(2) or exit_group(2), which another kill can hide from the reaper (exit.py)
    Call("kill", 62, 129, (When(0, SELF), When(1, signal.SIGKILL))),
    Call("tgkill", 234, 131, (When(0, SELF), When(2, signal.SIGABRT))),  # abort(3)
)

# Besides, where the service has remote models: takes the connection to one from the connector.
OUTWARD = (Call("recvmsg", 47, 212),)

# Besides, where the service has models on demand: llama.cpp finds its way in the file of one, and maps it. Shared with
# the file, and never to be written or executed: what an instance writes cannot lie there.
LOADING = (
    Call("lseek", 8, 62),
    Call("mmap", 9, 222, (When(2, mmap.PROT_READ), When(3, mmap.MAP_SHARED, ALL & ~MAP_POPULATE))),
)

# Besides, where the service has a voice: takes an arena from the reaper, and maps it. What is written there the reaper
# zeroes; every other descriptor that can be mapped is open for reading only. A conversation sets itself a later
# deadline, by alarm(2), which on aarch64 the C library makes of setitimer(2) with ITIMER_REAL (0).
VOICE = (
    Call("recvmsg", 47, 212),
    Call("mmap", 9, 222, (When(2, 0, PROT_EXEC), When(3, mmap.MAP_SHARED))),
    Call("alarm", 37, None),
    Call("setitimer", None, 103, (When(0, 0),)),
)

# Refused without being counted, since the C library asks and then does without. (The call, the error; 0 returns 0.)
QUIET = (
    (Call("clone3", 435, 435), errno.ENOSYS),  # its flags are in memory, where no filter sees them: clone(2) follows
    (Call("brk", 12, 214), 0),  # a heap that grows by brk could also shrink by it: malloc takes mmap(2) instead
)

# What llama.cpp and the C library try while a model is loaded, and do without: refused as all else is. So many of each,
# by an instance that has opened a record for a model on demand, are not counted in its receipt (reaper/refusals.py);
# its own load makes exactly these, so that every other attempt is. (Calls, of which a C library makes one; how many.)
LOADING_TRIES = (
    ((Call("newfstatat", 262, 79), Call("fstat", 5, 80)), 3),  # a descriptor's size: lseek(2) follows
    ((Call("fadvise64", 221, 223),), 1),
    ((Call("madvise", 28, 233),), 1),
    ((Call("munmap", 11, 215),), 1),  # of the file's header, once it was read
    ((Call("sysinfo", 99, 179),), 1),  # for a log that nobody keeps
)

# Besides, where the service has a voice: libsndfile asks for it when it closes a file, which is in memory here.
VOICE_QUIET = ((Call("fsync", 74, 82), errno.EPERM),)
