"""Checks that only inform: what this host is."""

from __future__ import annotations

import re

from noghost.doctor.facts import Facts
from noghost.doctor.files import Files
from noghost.doctor.finding import Seen, State

GPU_NODES = re.compile(r"nvidia\d+|kfd|accel\d*|dxg")
CONTAINER_MARKS = ("run/.containerenv", ".dockerenv", "run/systemd/container")
CONTAINER_GROUPS = re.compile(r"/(docker|kubepods|lxc|libpod|containerd)\b")
BEGINNING_BYTES = 4096  # of cpuinfo: the first processor's flags; on a large host the rest takes long


def look_at_machine(facts: Facts) -> Seen:
    """Whether somebody stands under the kernel."""
    virtual, contained = in_virtual_machine(facts.files), in_container(facts.files)
    told = {"virtual_machine": virtual, "container": contained}
    if virtual:
        return Seen(
            State.INFO,
            "this is a virtual machine" + " with a container in it" * contained,
            "Its hypervisor can read all memory at any time, and a snapshot keeps it. It has to be trusted.",
            facts=told,
        )
    if contained:
        return Seen(State.INFO, "this is a container", "Root of the host can read all memory at any time.", facts=told)
    return Seen(State.INFO, "no hypervisor or container is seen here", facts=told)


def in_virtual_machine(files: Files) -> bool:
    """As the processor says (x86), or the kernel."""
    flags = re.search(r"^flags\s*:(.*)", files.text("proc/cpuinfo", BEGINNING_BYTES), re.MULTILINE)
    return bool(flags and "hypervisor" in flags[1].split()) or bool(files.text("sys/hypervisor/type"))


def in_container(files: Files) -> bool:
    """By the marks that container engines leave."""
    marked = any(files.has(mark) for mark in CONTAINER_MARKS)
    return marked or bool(CONTAINER_GROUPS.search(files.text("proc/self/cgroup")))


def look_at_gpu(facts: Facts) -> Seen:
    """Whether there is a GPU; noghost computes on the processor alone."""
    rendering = any(name.startswith("renderD") for name in facts.files.names("dev/dri"))
    found = rendering or any(GPU_NODES.fullmatch(name) for name in facts.files.names("dev"))
    told = {"gpu": found}
    if not found:
        return Seen(State.INFO, "there is no GPU", facts=told)
    return Seen(
        State.INFO,
        "there is a GPU; it is not used",
        "noghost computes on the processor alone, so no GPU memory holds anything of a prompt.",
        facts=told,
    )
