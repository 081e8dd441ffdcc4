"""Checks: whether the kernel could bring memory to a disk."""

from __future__ import annotations

import os
from dataclasses import dataclass

from noghost.doctor.facts import Facts
from noghost.doctor.files import Files
from noghost.doctor.finding import Fact, Seen, State


@dataclass(frozen=True, slots=True)
class Swap:
    """One line of /proc/swaps. Its name says something about the host and stays inside."""

    device: str
    size_bytes: int

    @property
    def zram(self) -> bool:
        """Compressed memory in the place of a disk."""
        return self.device.startswith("zram")


def swaps(files: Files) -> list[Swap]:
    """Where memory may be swapped to now."""
    rows = [line.split() for line in files.text("proc/swaps").splitlines()[1:]]
    return [Swap(os.path.basename(row[0]), 1024 * int(row[2])) for row in rows if len(row) > 2]  # noqa: PTH119  a name


def disk_swap(files: Files) -> list[Swap]:
    """Swap that is not compressed memory."""
    return [one for one in swaps(files) if not one.zram]


def look_at_swap(facts: Facts) -> Seen:
    """Swap on a disk."""
    found = disk_swap(facts.files)
    encrypted = bool(found) and all(is_encrypted(facts.files, one) for one in found)
    told: dict[str, Fact] = {
        "swap_bytes": sum(one.size_bytes for one in found),
        "swap_is_encrypted": encrypted if found else None,
    }
    if not found:
        return Seen(State.OK, "there is no swap on a disk", facts=told)
    return Seen(
        State.WEAK,
        f"memory may be written to a swap device{', which is encrypted' if encrypted else ''}",
        f"A wipe zeroes the page, not the block that it was on. {whom(facts)}",
        "see that its key is made anew at every boot (/dev/urandom in /etc/crypttab), or: sudo swapoff -a"
        if encrypted
        else "sudo swapoff -a, and take the swap lines out of /etc/fstab; or encrypt swap with a key made at each boot",
        told,
        only_ask=facts.lockable,
    )


def whom(facts: Facts) -> str:
    """Whose memory can be swapped."""
    if facts.lockable:
        return "An instance's memory is locked against it; the command's own process, with noghost ask, is not."
    return "An instance's memory cannot be locked here."


def is_encrypted(files: Files, swap: Swap) -> bool:
    """Whether it is a dm-crypt device; a file on an encrypted file system is not known to be one."""
    return files.text(f"sys/block/{swap.device}/dm/uuid").startswith("CRYPT-")


def look_at_zram(facts: Facts) -> Seen:
    """Swap in compressed memory."""
    found = [one for one in swaps(facts.files) if one.zram]
    backed = [one for one in found if is_backed(facts.files, one)]
    told = {"zram_swap_bytes": sum(one.size_bytes for one in found), "zram_writes_to_disk": bool(backed)}
    if not found:
        return Seen(State.OK, "there is no swap in compressed memory (zram)", facts=told)
    return Seen(
        State.WEAK,
        "memory may be swapped to zram, which may write it to a disk" if backed else "memory may be swapped to zram",
        f"The wipe does not reach the compressed copy of a page, which is freed and not zeroed. {whom(facts)}",
        "sudo swapoff -a, and switch off what sets zram up: sudo systemctl mask systemd-zram-setup@zram0.service",
        told,
        only_ask=facts.lockable,
    )


def is_backed(files: Files, swap: Swap) -> bool:
    """Whether a zram device has a disk behind it."""
    return files.text(f"sys/block/{swap.device}/backing_dev") not in ("", "none")


def look_at_zswap(facts: Facts) -> Seen:
    """Compressed copies in front of a swap device."""
    on = facts.files.text("sys/module/zswap/parameters/enabled") == "Y"
    told = {"zswap": on}
    if not on:
        return Seen(State.OK, "zswap is off", facts=told)
    if not swaps(facts.files):
        return Seen(State.OK, "zswap is on and has nothing to do: there is no swap", facts=told)
    return Seen(
        State.WEAK,
        "zswap keeps compressed copies of swapped pages in memory",
        f"The wipe does not reach such a copy, which is freed and not zeroed. {whom(facts)}",
        "echo N | sudo tee /sys/module/zswap/parameters/enabled; for good: boot with zswap.enabled=0",
        told,
        only_ask=facts.lockable,
    )


def look_at_hibernation(facts: Facts) -> Seen:
    """All of memory written to the swap device."""
    able = "disk" in facts.files.text("sys/power/state").split() and facts.files.chosen("sys/power/disk") != "disabled"
    told = {"hibernation": able}
    if not able:
        return Seen(State.OK, "this host cannot hibernate", facts=told)
    if not disk_swap(facts.files):
        return Seen(State.OK, "this host could hibernate and has no swap device to write to", facts=told)
    return Seen(
        State.WEAK,
        "this host can hibernate: that writes all of memory to the swap device",
        "What an instance holds at that moment is then on the disk, and stays there after the host has resumed.",
        "sudo systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target; "
        "or nohibernate on the kernel's command line",
        told,
    )


def look_at_core_dumps(facts: Facts) -> Seen:
    """What happens to the memory of a command that crashes. A served instance refuses it in any case."""
    pattern = facts.files.text("proc/sys/kernel/core_pattern")
    piped = pattern.startswith(("|", "@"))  # "@": a socket, since Linux 6.16
    told: dict[str, Fact] = {"core_pattern": "program" if piped else "file", "core_limit_bytes": facts.core_bytes}
    mend = (
        "ulimit -c 0; echo kernel.core_pattern=core | sudo tee /etc/sysctl.d/60-noghost-core.conf; sudo sysctl --system"
    )
    why = "Instances of a service refuse to be dumped. The process of noghost ask does not, and holds your question."
    if piped:
        return Seen(
            State.WEAK, "a command that crashes has its memory sent to a program", why, mend, told, only_ask=True
        )
    if facts.core_bytes != 0:
        says = "a command that crashes has its memory written to a file"
        return Seen(State.WEAK, says, why, "ulimit -c 0", told, only_ask=True)
    return Seen(State.OK, "nothing is written when a command crashes", facts=told)


def look_at_kdump(facts: Facts) -> Seen:
    """All of memory written out when the kernel crashes."""
    loaded = facts.files.text("sys/kernel/kexec_crash_loaded") == "1"
    told = {"kdump": loaded}
    if not loaded:
        return Seen(State.OK, "no crash kernel is loaded (kdump)", facts=told)
    return Seen(
        State.WEAK,
        "a crash of the kernel writes memory to a disk (kdump)",
        "What instances hold at that moment would be in the dump, and freed buffers with it.",
        "sudo systemctl disable --now kdump.service (on Debian and Ubuntu kdump-tools.service)",
        told,
    )
