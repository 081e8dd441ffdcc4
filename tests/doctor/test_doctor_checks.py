"""Each check in each of its states, on made-up hosts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from doctor.made_up import ALL_DONE, DISK_SWAP, GOOD, ZRAM_SWAP, Tree, host, refused
from noghost.cli.doctor import WIDTH_CHARS
from noghost.doctor.checks import CHECKS, not_green
from noghost.doctor.finding import PROMISES, Finding, Seen, State, judge

OK, INFO, WEAK, BROKEN = State.OK, State.INFO, State.WEAK, State.BROKEN
UNLOCKABLE = {"memlock_bytes": 8 << 20, "trials": replace(ALL_DONE, lock=refused("Cannot allocate memory"))}
ROOT = "CapEff:\t000001ffffffffff\n"
CMDLINE = "proc/cmdline"
YAMA = "proc/sys/kernel/yama/ptrace_scope"
PATTERN = "proc/sys/kernel/core_pattern"
ACTIONS = "proc/sys/kernel/seccomp/actions_avail"
POWER = {"sys/power/state": "freeze mem disk", "sys/power/disk": "[platform] shutdown reboot"}
HUGE = "sys/kernel/mm/transparent_hugepage/enabled"
CONFIG = "CONFIG_A=y\nCONFIG_{}=y\nCONFIG_B=y\n"

# (check, what is different from a good host, what the process knows, state, words in what it says or why)
CASES: tuple[tuple[str, Tree, dict[str, object], State, str], ...] = (
    ("kernel", {}, {}, OK, "Linux 6.12.3"),
    ("kernel", {"proc/sys/kernel/osrelease": "5.1"}, {}, OK, "5.1"),
    ("kernel", {"proc/sys/kernel/osrelease": "5.0.21"}, {}, BROKEN, "too old"),
    ("kernel", {"proc/sys/kernel/osrelease": None}, {}, BROKEN, "cannot be read"),
    ("ptrace_scope", {YAMA: None}, {}, OK, "each other"),
    ("ptrace_scope", {YAMA: "0"}, {}, OK, "each other"),
    ("ptrace_scope", {YAMA: "1"}, {}, OK, "names"),
    ("ptrace_scope", {YAMA: "2"}, {}, BROKEN, "ptrace_scope 2"),
    ("ptrace_scope", {YAMA: "2", "proc/self/status": ROOT}, {}, OK, "CAP_SYS_PTRACE"),
    ("ptrace_scope", {YAMA: "3", "proc/self/status": ROOT}, {}, BROKEN, "until the next boot"),
    ("tracing", {}, {}, OK, "stopped at its end"),
    ("tracing", {}, {"trials": replace(ALL_DONE, traced=refused())}, BROKEN, "Operation not permitted."),
    ("tracing", {}, {"trials": None}, INFO, "not tried"),
    ("own_pages", {}, {}, OK, "own pages"),
    ("own_pages", {}, {"trials": replace(ALL_DONE, own_pages=refused("no page map"))}, BROKEN, "No page map."),
    ("own_pages", {}, {"trials": replace(ALL_DONE, traced=refused(), own_pages=refused())}, INFO, "not tried"),
    ("proc_mem", {}, {}, OK, "may write"),
    ("proc_mem", {CMDLINE: "proc_mem.force_override=ptrace"}, {}, OK, "may write"),
    ("proc_mem", {CMDLINE: "proc_mem.force_override=never"}, {}, BROKEN, "read-only"),
    ("proc_mem", {"proc/config.gz": CONFIG.format("PROC_MEM_NO_FORCE")}, {}, BROKEN, "read-only"),
    (
        "proc_mem",
        {"proc/config.gz": CONFIG.format("PROC_MEM_NO_FORCE"), CMDLINE: "proc_mem.force_override=ptrace"},
        {},
        OK,
        "may write",
    ),
    ("zeroing", {}, {}, OK, "zeroed"),
    ("zeroing", {}, {"trials": replace(ALL_DONE, zeroed=refused("2 bytes are left"))}, BROKEN, "2 bytes are left."),
    ("seccomp", {}, {}, OK, "can be refused"),
    ("seccomp", {}, {"trials": None}, OK, "can be refused"),
    ("seccomp", {}, {"processor": "aarch64"}, OK, "can be refused"),
    ("seccomp", {}, {"processor": "riscv64"}, BROKEN, "for riscv64"),
    ("seccomp", {ACTIONS: None}, {}, BROKEN, "no seccomp filters"),
    ("seccomp", {ACTIONS: "kill_thread trap errno allow"}, {}, BROKEN, "old ones"),
    ("seccomp", {}, {"trials": replace(ALL_DONE, seccomp=refused())}, BROKEN, "not permitted"),
    ("counting", {}, {}, OK, "can be counted"),
    ("counting", {ACTIONS: "kill_process errno allow"}, {}, BROKEN, "no seccomp listeners"),
    ("counting", {}, {"trials": replace(ALL_DONE, counting=refused("Busy"))}, BROKEN, "--without counting"),
    ("landlock", {}, {}, OK, "ABI 1"),
    ("landlock", {}, {"trials": replace(ALL_DONE, landlock=refused("Not implemented"))}, BROKEN, "--without landlock"),
    ("network", {}, {}, INFO, "an empty network"),
    ("network", {}, {"trials": replace(ALL_DONE, network=refused())}, INFO, "Operation not permitted."),
    (
        "network",
        {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
        {"trials": replace(ALL_DONE, network=refused())},
        INFO,
        "AppArmor",
    ),
    ("swap", {}, {}, OK, "no swap"),
    ("swap", {"proc/swaps": None}, {}, OK, "no swap"),
    ("swap", {"proc/swaps": ZRAM_SWAP}, {}, OK, "no swap on a disk"),
    ("swap", {"proc/swaps": DISK_SWAP}, {}, WEAK, "with noghost ask"),
    ("swap", {"proc/swaps": DISK_SWAP}, UNLOCKABLE, WEAK, "cannot be locked"),
    (
        "swap",
        {"proc/swaps": DISK_SWAP.replace("sda2", "dm-1"), "sys/block/dm-1/dm/uuid": "CRYPT-PLAIN-x"},
        UNLOCKABLE,
        WEAK,
        "encrypted",
    ),
    ("hibernation", {}, {}, OK, "cannot hibernate"),
    ("hibernation", {"sys/power/state": None}, {}, OK, "cannot hibernate"),
    ("hibernation", POWER, {}, OK, "no swap device"),
    ("hibernation", {**POWER, "proc/swaps": ZRAM_SWAP}, {}, OK, "no swap device"),
    ("hibernation", {**POWER, "proc/swaps": DISK_SWAP}, {}, WEAK, "writes all of memory"),
    ("hibernation", {**POWER, "proc/swaps": DISK_SWAP, "sys/power/disk": "[disabled]"}, {}, OK, "cannot hibernate"),
    ("kdump", {}, {}, OK, "no crash kernel"),
    ("kdump", {"sys/kernel/kexec_crash_loaded": None}, {}, OK, "no crash kernel"),
    ("kdump", {"sys/kernel/kexec_crash_loaded": "1"}, {}, WEAK, "kdump"),
    ("core_dumps", {}, {}, OK, "nothing is written"),
    ("core_dumps", {}, {"core_bytes": None}, WEAK, "to a file"),
    ("core_dumps", {}, {"core_bytes": 4096}, WEAK, "to a file"),
    ("core_dumps", {PATTERN: "|/usr/lib/systemd/systemd-coredump %P"}, {}, WEAK, "to a program"),
    ("core_dumps", {PATTERN: "@/run/cores.socket"}, {}, WEAK, "to a program"),
    ("memory_lock", {}, {}, OK, "can be locked"),
    ("memory_lock", {}, UNLOCKABLE, OK, "limit: 8 MiB"),
    ("memory_lock", {"proc/swaps": DISK_SWAP}, {}, OK, "can be locked"),
    ("memory_lock", {"proc/swaps": DISK_SWAP}, UNLOCKABLE, WEAK, "Cannot allocate memory"),
    ("memory_lock", {"proc/swaps": ZRAM_SWAP}, {"memlock_bytes": 65536, "trials": None}, WEAK, "limit: 64 KiB"),
    ("memory_lock", {"proc/swaps": ZRAM_SWAP}, {"memlock_bytes": None, "trials": None}, OK, "can be locked"),
    (
        "memory_lock",
        {"proc/swaps": ZRAM_SWAP, "proc/self/status": ROOT},
        {"memlock_bytes": 65536, "trials": None},
        OK,
        "can be locked",
    ),
    ("zram", {}, {}, OK, "no swap"),
    ("zram", {"proc/swaps": DISK_SWAP}, {}, OK, "no swap"),
    ("zram", {"proc/swaps": ZRAM_SWAP}, {}, WEAK, "swapped to zram"),
    ("zram", {"proc/swaps": ZRAM_SWAP, "sys/block/zram0/backing_dev": "none"}, {}, WEAK, "swapped to zram"),
    ("zram", {"proc/swaps": ZRAM_SWAP, "sys/block/zram0/backing_dev": "/dev/sda5"}, {}, WEAK, "to a disk"),
    ("zswap", {}, {}, OK, "off"),
    ("zswap", {"sys/module/zswap/parameters/enabled": "Y"}, {}, OK, "nothing to do"),
    ("zswap", {"sys/module/zswap/parameters/enabled": "Y", "proc/swaps": DISK_SWAP}, {}, WEAK, "compressed"),
    ("init_on_free", {}, {}, OK, "zeroes"),
    ("init_on_free", {CMDLINE: "init_on_free=on"}, {}, OK, "zeroes"),
    ("init_on_free", {CMDLINE: "init_on_free=1 init_on_free=0"}, {}, WEAK, "does not zero"),
    ("init_on_free", {CMDLINE: "quiet"}, {}, WEAK, "not known"),
    ("init_on_free", {CMDLINE: "quiet -- init_on_free=1"}, {}, WEAK, "not known"),
    ("init_on_free", {CMDLINE: "", "proc/config.gz": CONFIG.format("C")}, {}, WEAK, "does not zero"),
    ("init_on_free", {CMDLINE: "", "proc/config.gz": CONFIG.format("INIT_ON_FREE_DEFAULT_ON")}, {}, OK, "zeroes"),
    ("init_on_free", {CMDLINE: "", "boot/config-6.12.3": CONFIG.format("INIT_ON_FREE_DEFAULT_ON")}, {}, OK, "zeroes"),
    ("init_on_alloc", {CMDLINE: "init_on_alloc=1"}, {}, OK, "zero"),
    ("init_on_alloc", {}, {}, OK, "zero"),
    ("init_on_alloc", {CMDLINE: ""}, {}, INFO, "without zeroing"),
    ("huge_pages", {}, {}, OK, "not copied"),
    ("huge_pages", {HUGE: None}, {}, OK, "not copied"),
    ("huge_pages", {HUGE: "[always] madvise never"}, {}, OK, "the old ones zeroed"),
    ("huge_pages", {HUGE: "[always] madvise never", CMDLINE: ""}, {}, WEAK, "does not zero"),
    ("merged_pages", {}, {}, OK, "off"),
    ("merged_pages", {}, {"merges_pages": True}, OK, "off"),
    ("merged_pages", {"sys/kernel/mm/ksm/run": "1"}, {}, OK, "noghost does not"),
    ("merged_pages", {"sys/kernel/mm/ksm/run": "1"}, {"merges_pages": True}, WEAK, "with others"),
    ("history", {}, {"environment": {}}, INFO, "no shell"),
    ("history", {}, {"environment": {"SHELL": "/bin/bash"}}, WEAK, "keeps command lines"),
    ("history", {}, {"environment": {"SHELL": "/bin/bash", "HISTCONTROL": "ignoreboth"}}, INFO, "a space"),
    ("history", {}, {"environment": {"SHELL": "/bin/bash", "HISTCONTROL": "erasedups:ignorespace"}}, INFO, "a space"),
    ("history", {}, {"environment": {"SHELL": "/bin/bash", "HISTCONTROL": "ignoredups"}}, WEAK, "keeps"),
    ("history", {}, {"environment": {"SHELL": "/bin/bash", "HISTFILE": "/dev/null"}}, OK, "no history"),
    ("history", {}, {"environment": {"SHELL": "/bin/bash", "HISTSIZE": "0"}}, OK, "no history"),
    ("history", {}, {"environment": {"SHELL": "/bin/zsh", "HISTCONTROL": "ignorespace"}}, WEAK, "keeps"),
    ("history", {}, {"environment": {"SHELL": "/bin/zsh", "SAVEHIST": "0"}}, OK, "no history"),
    ("history", {}, {"environment": {"SHELL": "/usr/bin/fish"}}, INFO, "a space"),
    ("history", {}, {"environment": {"SHELL": "/usr/bin/fish", "fish_history": ""}}, OK, "no history"),
    ("audit", {}, {}, OK, "no audit rule"),
    ("audit", {"etc/audit/audit.rules": "-w /etc/passwd -p wa\n# -a always,exit -S execve\n"}, {}, OK, "no audit rule"),
    ("audit", {"etc/audit/audit.rules": "-a always,exit -F arch=b64 -S execve -k c\n"}, {}, WEAK, "arguments"),
    ("audit", {"etc/audit/audit.rules": "-a exit,always -S open,execve\n"}, {}, WEAK, "arguments"),
    ("temporary_files", {}, {}, OK, "in memory"),
    ("temporary_files", {}, {"temporary": "/tmp/of/mine"}, OK, "in memory"),
    ("temporary_files", {}, {"temporary": "/tmpelsewhere"}, WEAK, "on a disk"),
    ("temporary_files", {"proc/self/mountinfo": "27 1 8:1 / / rw - ext4 /dev/a rw\n"}, {}, WEAK, "on a disk"),
    (
        "temporary_files",
        {"proc/self/mountinfo": "1 0 0:2 / /tmp rw - tmpfs t rw\n2 0 8:1 / /tmp rw - ext4 /dev/a rw\n"},
        {},
        WEAK,
        "on a disk",
    ),
    (
        "temporary_files",
        {"proc/self/mountinfo": "1 0 8:1 / / rw - ext4 a rw\n2 1 0:2 / /my\\040tmp rw - tmpfs t rw\n"},
        {"temporary": "/my tmp/x"},
        OK,
        "in memory",
    ),
    ("machine", {}, {}, INFO, "no hypervisor"),
    ("machine", {"proc/cpuinfo": "flags\t\t: fpu hypervisor sse\n"}, {}, INFO, "virtual machine"),
    ("machine", {"proc/cpuinfo": None, "sys/hypervisor/type": "xen"}, {}, INFO, "virtual machine"),
    ("machine", {"run/.containerenv": ""}, {}, INFO, "this is a container"),
    ("machine", {"proc/self/cgroup": "0::/docker/0123\n"}, {}, INFO, "this is a container"),
    ("gpu", {}, {}, INFO, "no GPU"),
    ("gpu", {"dev/nvidia0": "", "dev/nvidiactl": ""}, {}, INFO, "not used"),
    ("gpu", {"dev/dri/renderD128": ""}, {}, INFO, "not used"),
    ("gpu", {"dev/dri/card0": ""}, {}, INFO, "no GPU"),
)


def look(folder: Path, name: str, tree: Tree, known: dict[str, object]) -> Seen:
    """What the check of that name sees."""
    check = next(check for check in CHECKS if check.name == name)
    return check.look(host(folder, tree, **known))


@pytest.mark.parametrize(("name", "tree", "known", "state", "words"), CASES)
def test_a_check_in_one_of_its_states(
    tmp_path: Path, name: str, tree: Tree, known: dict[str, object], state: State, words: str
) -> None:
    seen = look(tmp_path, name, tree, known)
    assert seen.state is state
    assert words in f"{seen.says}. {seen.because}"
    assert len(seen.says) <= WIDTH_CHARS - 25, "a line of the report"
    assert bool(seen.mend) == (state in (WEAK, BROKEN)), "what is not green says what to do"
    assert not (state in (WEAK, BROKEN) and not seen.because), "and why"


def test_every_check_is_tested_and_each_that_bears_on_a_promise_can_fail() -> None:
    states: dict[str, set[State]] = {check.name: set() for check in CHECKS}
    for name, _, _, state, _ in CASES:
        states[name].add(state)
    for check in CHECKS:
        assert states[check.name] >= ({OK} if check.promises else {INFO}), check.name
        assert bool(check.promises) == bool(states[check.name] & {WEAK, BROKEN}), check.name
        assert set(check.promises) <= set(PROMISES)


def test_a_good_host_is_all_green(tmp_path: Path) -> None:
    facts = host(tmp_path)
    findings = [check.find(facts) for check in CHECKS]
    assert [finding.name for finding in findings if not finding.green] == []
    assert judge(findings).keeps == PROMISES
    assert not_green(facts) == []


def test_a_host_without_any_of_these_files_is_looked_at_too(tmp_path: Path) -> None:
    facts = host(tmp_path, dict.fromkeys(GOOD))
    found = {check.name: check.find(facts).state for check in CHECKS}
    assert found["kernel"] is found["seccomp"] is BROKEN
    assert found["init_on_free"] is WEAK


@pytest.mark.parametrize("config", ["", "not a gzip file"])
def test_a_kernel_configuration_that_cannot_be_read_is_not_known(tmp_path: Path, config: str) -> None:
    facts = host(tmp_path, {CMDLINE: ""})
    (tmp_path / "proc/config.gz").write_bytes(config.encode())
    assert facts.files.built_with("ANY") is None


# --- the verdict ----------------------------------------------------------------------------------------------


def finding(state: State, *promises: str) -> Finding:
    return Finding("one", "group", promises, Seen(state, "says"))


def test_a_promise_is_as_good_as_the_worst_that_bears_on_it() -> None:
    verdict = judge([finding(OK, "P2", "P3"), finding(WEAK, "P2", "P3"), finding(BROKEN, "P2"), finding(INFO, "P9")])
    assert (verdict.weak, verdict.broken) == (("P3",), ("P2",))
    assert verdict.keeps == ("P1", "P4", "P5", "P6", "P7", "P8", "P9", "P10")


# --- the lines of `serve` -------------------------------------------------------------------------------------


def test_serve_says_what_is_weak_and_broken(tmp_path: Path) -> None:
    facts = host(tmp_path, {"proc/swaps": DISK_SWAP, YAMA: "3"}, memlock_bytes=0, trials=None)
    lines = not_green(facts)
    assert [line.split(":")[:2] for line in lines] == [
        ["broken", " ptrace_scope"],
        ["weak", " swap"],
        ["weak", " memory_lock"],
    ]
    assert not any("\n" in line for line in lines)


def test_serve_does_not_say_what_touches_ask_alone(tmp_path: Path) -> None:
    tree = {PATTERN: "|/bin/x", "proc/swaps": DISK_SWAP, "proc/self/mountinfo": ""}
    facts = host(tmp_path, tree, trials=None, environment={"SHELL": "/bin/bash"})
    assert not_green(facts) == []
    weak = {check.name for check in CHECKS if check.find(facts).state is WEAK}
    assert weak == {"swap", "core_dumps", "history", "temporary_files"}
