"""Every check, in the order of the report: what it is called, which promises it bears on, who looks.

Covered: what the kernel, this user's limits and its environment say, and what can be tried.
Not covered: what is not visible from inside: a hypervisor's snapshots, a file system's encryption, a shell's variables
that it does not export.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from noghost.doctor import caller, disk, memory, place, tracing, walls
from noghost.doctor.child import in_child
from noghost.doctor.facts import Facts, gather
from noghost.doctor.finding import Finding, Seen
from noghost.doctor.life import a_life, see_end, see_own_pages, zero_pages
from noghost.doctor.trials import (
    Trials,
    filter_calls,
    hear_refusals,
    leave_network,
    lock_memory,
    refuse_paths,
)

WIPE = "Tracing and wiping an instance"
WALLS = "Confining an instance"
DISK = "Memory that reaches a disk"
MEMORY = "Copies that stay in memory"
CALLER = "Around noghost ask"
PLACE = "This host"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the report."""

    name: str
    group: str
    promises: tuple[str, ...]
    look: Callable[[Facts], Seen]
    at_start: bool = False  # `serve` makes it too: it is cheap, and not what the service's own start tries

    def find(self, facts: Facts) -> Finding:
        """Look."""
        return Finding(self.name, self.group, self.promises, self.look(facts))


CHECKS = (
    Check("kernel", WIPE, ("P2", "P3"), tracing.look_at_kernel, at_start=True),
    Check("ptrace_scope", WIPE, ("P2", "P3"), tracing.look_at_ptrace_scope, at_start=True),
    Check("tracing", WIPE, ("P2", "P3"), tracing.look_at_tracing),
    Check("own_pages", WIPE, ("P2", "P3"), tracing.look_at_own_pages),
    Check("proc_mem", WIPE, ("P2", "P3"), tracing.look_at_proc_mem, at_start=True),
    Check("zeroing", WIPE, ("P2", "P3"), tracing.look_at_zeroing),
    Check("seccomp", WALLS, ("P9",), walls.look_at_seccomp, at_start=True),
    Check("counting", WALLS, ("P9",), walls.look_at_counting, at_start=True),
    Check("landlock", WALLS, ("P9",), walls.look_at_landlock),
    Check("network", WALLS, (), walls.look_at_network),
    Check("swap", DISK, ("P3",), disk.look_at_swap, at_start=True),
    Check("hibernation", DISK, ("P3",), disk.look_at_hibernation, at_start=True),
    Check("kdump", DISK, ("P3",), disk.look_at_kdump, at_start=True),
    Check("core_dumps", DISK, ("P3",), disk.look_at_core_dumps),
    Check("memory_lock", MEMORY, ("P3",), memory.look_at_memory_lock, at_start=True),
    Check("zram", MEMORY, ("P3",), disk.look_at_zram, at_start=True),
    Check("zswap", MEMORY, ("P3",), disk.look_at_zswap, at_start=True),
    Check("init_on_free", MEMORY, ("P3",), memory.look_at_init_on_free, at_start=True),
    Check("init_on_alloc", MEMORY, (), memory.look_at_init_on_alloc),
    Check("huge_pages", MEMORY, ("P3",), memory.look_at_huge_pages, at_start=True),
    Check("merged_pages", MEMORY, ("P2", "P3"), memory.look_at_merging, at_start=True),
    Check("history", CALLER, ("P3",), caller.look_at_history),
    Check("audit", CALLER, ("P3",), caller.look_at_audit),
    Check("temporary_files", CALLER, ("P3",), caller.look_at_temporary_files),
    Check("machine", PLACE, (), place.look_at_machine),
    Check("gpu", PLACE, (), place.look_at_gpu),
)


def examine() -> list[Finding]:
    """Try what can be tried, then make every check."""
    facts = gather(try_all())
    return [check.find(facts) for check in CHECKS]


def try_all() -> Trials:
    """Every trial, one after the other."""
    return Trials(
        traced=a_life(see_end),
        own_pages=a_life(see_own_pages),
        zeroed=a_life(zero_pages),
        seccomp=in_child(filter_calls),
        counting=in_child(hear_refusals),
        landlock=in_child(refuse_paths),
        network=in_child(leave_network),
        lock=in_child(lock_memory),
    )


def not_green(facts: Facts) -> list[str]:
    """What `serve` says at its start: a short line for each check that is not OK and touches a service.

    Nothing is tried, which the start of the service does itself; a few milliseconds with `gather()`.
    """
    found = [check.find(facts) for check in CHECKS if check.at_start]
    return [
        f"{one.state.value}: {one.name}: {one.seen.says}" for one in found if not one.green and not one.seen.only_ask
    ]
