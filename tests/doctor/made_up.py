"""A made-up host: a folder of small files as /proc, /sys, /dev and /etc have them."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

from noghost.doctor.child import Tried
from noghost.doctor.facts import Facts
from noghost.doctor.files import Files
from noghost.doctor.trials import Trials

Tree = Mapping[str, str | None]  # path to text; None takes a file of GOOD away

SWAP_HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
DISK_SWAP = SWAP_HEAD + "/dev/sda2                               partition\t2097148\t\t0\t\t-2\n"
ZRAM_SWAP = SWAP_HEAD + "/dev/zram0                              partition\t4194300\t\t0\t\t100\n"

# A host on which every promise is kept.
GOOD: Tree = {
    "proc/swaps": SWAP_HEAD,
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro init_on_free=1 quiet",
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme sse2\n",
    "proc/self/status": "Name:\tpython\nCapEff:\t0000000000000000\n",
    "proc/self/cgroup": "0::/user.slice\n",
    "proc/self/mountinfo": "27 1 254:0 / / rw - ext4 /dev/sda1 rw\n30 27 0:27 / /tmp rw - tmpfs tmpfs rw\n",
    "proc/sys/kernel/osrelease": "6.12.3",
    "proc/sys/kernel/core_pattern": "core",
    "proc/sys/kernel/yama/ptrace_scope": "1",
    "proc/sys/kernel/seccomp/actions_avail": "kill_process kill_thread trap errno user_notif trace log allow",
    "sys/power/state": "freeze mem",
    "sys/kernel/kexec_crash_loaded": "0",
    "sys/kernel/mm/ksm/run": "0",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "sys/module/zswap/parameters/enabled": "N",
}
DONE = Tried(value=1)
ALL_DONE = Trials(DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE)


def refused(why: str = "Operation not permitted") -> Tried:
    """A trial that could not be done."""
    return Tried(why=why)


def host(folder: Path, tree: Tree | None = None, **facts: object) -> Facts:
    """GOOD with what `tree` changes, looked at by a process with these facts; every trial was done."""
    for path, text in {**GOOD, **(tree or {})}.items():
        if text is not None:
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.compress(text.encode()) if path.endswith(".gz") else text.encode())
    known: dict[str, object] = {
        "core_bytes": 0,
        "environment": {"SHELL": "/bin/bash", "HISTFILE": ""},
        "trials": ALL_DONE,
    }
    return Facts(Files(folder), **(known | facts))  # type: ignore[arg-type]  # names as in Facts
