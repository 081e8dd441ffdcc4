"""Checks: what an instance can be confined with."""

from __future__ import annotations

from noghost.doctor.facts import Facts
from noghost.doctor.files import Files
from noghost.doctor.finding import Fact, Seen, State
from noghost.doctor.tracing import NOT_TRIED, sentence

NEEDED_ACTIONS = {"errno", "kill_process", "allow"}
LISTENING = "user_notif"
PROCESSORS = ("x86_64", "aarch64")  # whose system calls have a list: src/noghost/instance/calls.py
DOES_NOT_START = "The service does not start, unless with --without {}: every receipt will then say so."


def look_at_seccomp(facts: Facts) -> Seen:
    """Whether system calls can be refused."""
    actions = facts.files.text("proc/sys/kernel/seccomp/actions_avail").split()
    refused = facts.trials.seccomp.why if facts.trials else ""
    told: dict[str, Fact] = {"processor": facts.processor, "seccomp_actions": " ".join(actions)}
    if facts.processor not in PROCESSORS:
        refused = f"there is no list of system calls for {facts.processor}"
    elif not refused and not set(actions) >= NEEDED_ACTIONS:
        refused = "this kernel has no seccomp filters, or old ones"
    if not refused:
        return Seen(State.OK, "system calls can be refused (seccomp filters)", facts=told)
    return Seen(
        State.BROKEN,
        "system calls cannot be refused (seccomp filters)",
        f"{sentence(refused)} {DOES_NOT_START.format('seccomp')}",
        f"run a kernel with CONFIG_SECCOMP_FILTER on {' or '.join(PROCESSORS)}; in a container, allow the calls prctl "
        "and seccomp",
        told,
    )


def look_at_counting(facts: Facts) -> Seen:
    """Whether refused calls can be counted, which takes a listener of our own."""
    able = LISTENING in facts.files.text("proc/sys/kernel/seccomp/actions_avail").split()
    refused = facts.trials.counting.why if facts.trials else ""
    told: dict[str, Fact] = {"seccomp_listener": able and not refused}
    if able and not refused:
        return Seen(State.OK, "refused system calls can be counted", facts=told)
    return Seen(
        State.BROKEN,
        "refused system calls cannot be counted",
        f"{sentence(refused or 'this kernel has no seccomp listeners')} {DOES_NOT_START.format('counting')}",
        "run Linux 5.0 or later; in a container, one whose own seccomp profile has no listener",
        told,
    )


def look_at_landlock(facts: Facts) -> Seen:
    """Tried: whether paths can be refused, and at which level."""
    if facts.trials is None:
        return NOT_TRIED
    tried = facts.trials.landlock
    told: dict[str, Fact] = {"landlock_abi": tried.value if tried.done else 0}
    if tried.done:
        return Seen(State.OK, f"tried: paths can be refused (Landlock, ABI {tried.value})", facts=told)
    return Seen(
        State.BROKEN,
        "tried: paths cannot be refused (Landlock)",
        f"{sentence(tried.why)} {DOES_NOT_START.format('landlock')}",
        "run Linux 5.13 or later with landlock in lsm= on the kernel's command line (what is on: "
        "cat /sys/kernel/security/lsm); in a container, allow the calls whose names begin with landlock_",
        told,
    )


def look_at_network(facts: Facts) -> Seen:
    """Tried: whether an instance could have a network of its own, with nothing in it."""
    if facts.trials is None:
        return NOT_TRIED
    tried = facts.trials.network
    told: dict[str, Fact] = {"network_namespace": ("no", "yes", "in a user namespace")[tried.value]}
    if tried.done:
        way = ", in a user namespace" if tried.value > 1 else ""
        return Seen(State.INFO, f"tried: a process can have an empty network of its own{way}", facts=told)
    return Seen(
        State.INFO,
        "tried: a process cannot have a network of its own",
        f"{sentence(why_no_namespace(facts.files) or tried.why)} Nothing depends on it: seccomp and Landlock refuse "
        "sockets.",
        facts=told,
    )


def why_no_namespace(files: Files) -> str:
    """Which setting is in the way; "" where none of these is."""
    for path, stops, why in (
        ("user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
        ("user/max_net_namespaces", "0", "user.max_net_namespaces is 0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts user namespaces"),
    ):
        if files.text(f"proc/sys/{path}") == stops:
            return why
    return ""
