"""Checks: whether the reaper can see an instance's end, know its pages and zero them."""

from __future__ import annotations

import re

from noghost.doctor.facts import CAP_SYS_PTRACE, Facts
from noghost.doctor.files import Files
from noghost.doctor.finding import Seen, State
from noghost.errors import HOW_TO_TRACE

OLDEST_KERNEL = (5, 1)  # F_SEAL_FUTURE_WRITE: src/noghost/board.py
NOT_TRIED = Seen(State.INFO, "not tried")


def look_at_kernel(facts: Facts) -> Seen:
    """Whether the kernel is new enough. A release's own suffix may name a host, and is left out."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", facts.files.text("proc/sys/kernel/osrelease"))
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    told = {"kernel": found[0] if found else None}
    if version >= OLDEST_KERNEL:
        return Seen(State.OK, f"Linux {told['kernel']}", facts=told)
    return Seen(
        State.BROKEN,
        f"Linux {told['kernel']} is too old" if found else "the kernel's version cannot be read",
        "The page that the reaper shares with instances cannot be sealed before Linux 5.1.",
        "run a kernel of 5.13 or later, which has Landlock too",
        told,
    )


def look_at_ptrace_scope(facts: Facts) -> Seen:
    """What Yama lets be traced."""
    scope = facts.files.text("proc/sys/kernel/yama/ptrace_scope")
    told = {"ptrace_scope": int(scope) if scope else None}
    if scope in ("", "0"):
        return Seen(State.OK, "processes of one user may trace each other", facts=told)
    if scope == "1":
        return Seen(State.OK, "a process may be traced by the one that it names", facts=told)
    if scope == "2" and facts.capable(CAP_SYS_PTRACE):
        return Seen(State.OK, "only who has CAP_SYS_PTRACE may trace, and this process has it", facts=told)
    return Seen(
        State.BROKEN,
        "tracing is switched off until the next boot (ptrace_scope 3)"
        if scope == "3"
        else f"an ordinary process may not trace (ptrace_scope {scope})",
        "Untraced, nobody stops an instance at its end to wipe it: the service does not start.",
        "echo kernel.yama.ptrace_scope=1 | sudo tee /etc/sysctl.d/60-noghost-ptrace.conf; "
        + ("sudo reboot" if scope == "3" else "sudo sysctl --system"),
        told,
    )


def look_at_tracing(facts: Facts) -> Seen:
    """Tried: a process is stopped at its end by another."""
    if facts.trials is None:
        return NOT_TRIED
    tried = facts.trials.traced
    told = {"can_trace": tried.done}
    if tried.done:
        return Seen(State.OK, "tried: a process is stopped at its end, with its memory", facts=told)
    return Seen(
        State.BROKEN,
        "tried: a process cannot be stopped at its end",
        f"{sentence(tried.why)} Untraced, nobody wipes an instance: the service does not start.",
        HOW_TO_TRACE,
        told,
    )


def look_at_proc_mem(facts: Facts) -> Seen:
    """Whether a tracer may write through /proc/PID/mem what is mapped read-only."""
    rule = proc_mem_rule(facts.files)
    told = {"proc_mem_force_override": rule}
    if rule != "never":
        return Seen(State.OK, "a tracer may write to the memory that it traces", facts=told)
    return Seen(
        State.BROKEN,
        "a tracer may not write to memory that is mapped read-only",
        "The reaper could not zero such pages of an instance: the service does not start.",
        "boot with proc_mem.force_override=ptrace on the kernel's command line",
        told,
    )


def proc_mem_rule(files: Files) -> str:
    """always, ptrace or never; kernels before 6.12 always do."""
    word = files.boot_word("proc_mem.force_override")
    if word in ("always", "ptrace", "never"):
        return word
    return "never" if files.built_with("PROC_MEM_NO_FORCE") else "always"


def look_at_own_pages(facts: Facts) -> Seen:
    """Tried: the page map tells what a process wrote."""
    if facts.trials is None or not facts.trials.traced.done:
        return NOT_TRIED
    tried = facts.trials.own_pages
    told = {"can_tell_own_pages": tried.done}
    if tried.done:
        return Seen(State.OK, "tried: the page map tells a process's own pages from shared ones", facts=told)
    return Seen(
        State.BROKEN,
        "tried: the page map does not tell a process's own pages",
        f"{sentence(tried.why)} The reaper would not know what to wipe.",
        "run a kernel with CONFIG_PROC_PAGE_MONITOR, and not in a container that hides /proc/PID/pagemap",
        told,
    )


def look_at_zeroing(facts: Facts) -> Seen:
    """Tried: every page of an ended process is zeroed and read back."""
    if facts.trials is None or not facts.trials.traced.done:
        return NOT_TRIED
    tried = facts.trials.zeroed
    told = {"can_zero": tried.done}
    if tried.done:
        return Seen(State.OK, "tried: all own pages of an ended process were zeroed and read back", facts=told)
    return Seen(
        State.BROKEN,
        "tried: the pages of an ended process cannot be zeroed",
        f"{sentence(tried.why)} The service does not start.",
        "boot without proc_mem.force_override=never",
        told,
    )


def sentence(reason: str) -> str:
    """A reason with a capital and a full stop."""
    return f"{reason[:1].upper()}{reason[1:]}."
