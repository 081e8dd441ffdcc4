"""Checks: copies that the kernel makes or keeps in memory."""

from __future__ import annotations

from noghost.doctor.disk import swaps
from noghost.doctor.facts import Facts
from noghost.doctor.finding import Seen, State


def look_at_init_on_free(facts: Facts) -> Seen:
    """Whether freed memory is zeroed."""
    on = facts.files.boot_switch("init_on_free", "INIT_ON_FREE_DEFAULT_ON")
    told = {"init_on_free": on}
    if on:
        return Seen(State.OK, "the kernel zeroes memory when it is freed", facts=told)
    return Seen(
        State.WEAK,
        "the kernel does not zero memory when it is freed"
        if on is False
        else "the kernel is not known to zero memory when it is freed",
        "Socket and pipe buffers that carried a prompt, and old frames of moved pages, keep their bytes until they "
        "are used again. Who can read all of memory (root, a crash dump, a hypervisor) finds them.",
        "boot with init_on_free=1: add it to GRUB_CMDLINE_LINUX in /etc/default/grub, then sudo update-grub",
        told,
    )


def look_at_init_on_alloc(facts: Facts) -> Seen:
    """Whether memory is zeroed when it is handed out again."""
    on = facts.files.boot_switch("init_on_alloc", "INIT_ON_ALLOC_DEFAULT_ON")
    told = {"init_on_alloc": on}
    if on or facts.files.boot_switch("init_on_free", "INIT_ON_FREE_DEFAULT_ON"):
        return Seen(State.OK, "memory that is handed out again is zero", facts=told)
    return Seen(
        State.INFO,
        "the kernel hands out memory to itself without zeroing it",
        "Another subsystem's bug could show what a freed buffer held. init_on_free=1 makes this needless.",
        facts=told,
    )


def look_at_huge_pages(facts: Facts) -> Seen:
    """Whether the kernel copies pages together behind a process's back."""
    mode = facts.files.chosen("sys/kernel/mm/transparent_hugepage/enabled") or "never"
    told = {"transparent_huge_pages": mode}
    if mode != "always":
        return Seen(State.OK, "pages are not copied together into huge pages unasked", facts=told)
    if facts.files.boot_switch("init_on_free", "INIT_ON_FREE_DEFAULT_ON"):
        return Seen(State.OK, "pages are copied together into huge pages, and the old ones zeroed", facts=told)
    return Seen(
        State.WEAK,
        "the kernel copies pages into huge pages and does not zero the old ones",
        "The wipe finds the huge page. The frames that it was copied from are free, with their bytes.",
        "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled; "
        "for good: transparent_hugepage=madvise on the kernel's command line",
        told,
    )


def look_at_merging(facts: Facts) -> Seen:
    """Whether equal pages of processes become one (KSM)."""
    on = facts.files.text("sys/kernel/mm/ksm/run") == "1"
    told = {"ksm": on, "ksm_merges_this_process": facts.merges_pages}
    if not on:
        return Seen(State.OK, "equal pages are not merged (KSM is off)", facts=told)
    if not facts.merges_pages:
        return Seen(State.OK, "equal pages are merged for programs that ask for it (KSM); noghost does not", facts=told)
    return Seen(
        State.WEAK,
        "the kernel merges equal pages of this process with others (KSM)",
        "A merged page is not an instance's own: the wipe leaves it, and how long a write takes tells what it held.",
        "start without it (systemd: MemoryKSM=no), or: echo 2 | sudo tee /sys/kernel/mm/ksm/run",
        told,
    )


def look_at_memory_lock(facts: Facts) -> Seen:
    """Whether an instance's memory can be kept out of swap."""
    told = {"memory_lock": facts.lockable, "memory_lock_limit_bytes": facts.memlock_bytes}
    if facts.lockable:
        return Seen(State.OK, "an instance's memory can be locked against swap", facts=told)
    amount = "no limit" if facts.memlock_bytes is None else f"limit: {amount_of(facts.memlock_bytes)}"
    if not swaps(facts.files):
        return Seen(State.OK, f"memory cannot be locked ({amount}) and need not be: there is no swap", facts=told)
    refused = f" ({facts.trials.lock.why})" if facts.trials else ""
    return Seen(
        State.WEAK,
        f"an instance's memory cannot be locked ({amount}), and there is swap",
        f"Any page of an instance may be swapped out{refused}.",
        "systemd: LimitMEMLOCK=infinity; else the line '* - memlock unlimited' in /etc/security/limits.conf, and log "
        "in again",
        told,
    )


def amount_of(size_bytes: int) -> str:
    """8 MiB, 64 KiB."""
    unit, name = (1 << 20, "MiB") if size_bytes >= 1 << 20 else (1 << 10, "KiB")
    return f"{size_bytes // unit} {name}"
