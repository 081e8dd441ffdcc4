"""Checks: what is kept on the side of who types `noghost ask`. They say nothing of a service."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from noghost.doctor.facts import Facts
from noghost.doctor.files import Files
from noghost.doctor.finding import Seen, State

IN_MEMORY = {"tmpfs", "ramfs"}
RULES = "etc/audit/audit.rules"
WATCHES_COMMANDS = re.compile(r"^\s*-a\b.*-S\s+(\S+,)?(execve|all)\b", re.MULTILINE)
ON_STANDARD_INPUT = "give the question on standard input: noghost ask < question.txt"


def look_at_history(facts: Facts) -> Seen:
    """Whether the shell keeps command lines, as far as its exported variables tell."""
    kept = history_kept(facts)
    told = {"shell_history": kept}
    if kept == "off":
        return Seen(State.OK, "the shell keeps no history", facts=told)
    if kept == "unknown":
        return Seen(State.INFO, "no shell is known here", facts=told)
    if kept == "not after a space":
        return Seen(State.INFO, "the shell keeps a command line unless it begins with a space", facts=told)
    return Seen(
        State.WEAK,
        "the shell keeps command lines, as far as can be seen",
        "A question given as an argument is part of one. Only variables that the shell exports can be seen from here.",
        f"{ON_STANDARD_INPUT}; or export HISTCONTROL=ignorespace and begin with a space; or export HISTFILE=/dev/null",
        told,
        only_ask=True,
    )


def history_kept(facts: Facts) -> str:
    """kept, not after a space, off, or unknown."""
    words = facts.environment
    shell = PurePosixPath(words.get("SHELL", "")).name
    if not shell:
        return "unknown"
    if shell == "fish":
        return "off" if words.get("fish_history") == "" else "not after a space"
    if words.get("HISTFILE") in ("", "/dev/null") or "0" in (words.get(w) for w in ("HISTSIZE", "HISTFILESIZE")):
        return "off"
    if shell == "zsh":
        return "off" if words.get("SAVEHIST") == "0" else "kept"
    control = words.get("HISTCONTROL", "").split(":")
    return "not after a space" if {"ignorespace", "ignoreboth"} & set(control) else "kept"


def look_at_audit(facts: Facts) -> Seen:
    """Whether command lines go into an audit log."""
    rules = facts.files.text(RULES)
    if WATCHES_COMMANDS.search(rules):
        return Seen(
            State.WEAK,
            "an audit rule records the arguments of every command",
            "A question given as an argument is then in the audit log.",
            f"{ON_STANDARD_INPUT}; or take the execve rules out of /etc/audit/rules.d and run sudo augenrules --load",
            {"audit_records_commands": True},
            only_ask=True,
        )
    if facts.files.hidden(RULES):
        return Seen(State.INFO, "audit rules may not be read by this user", facts={"audit_records_commands": None})
    return Seen(State.OK, "no audit rule records command lines", facts={"audit_records_commands": False})


def look_at_temporary_files(facts: Facts) -> Seen:
    """Where other programs' temporary files go. noghost writes none."""
    on_disk = file_system(facts.files, facts.temporary) not in IN_MEMORY
    told = {"temporary_files": "disk" if on_disk else "memory"}
    if not on_disk:
        return Seen(State.OK, "temporary files are in memory", facts=told)
    return Seen(
        State.WEAK,
        "temporary files are on a disk",
        "noghost writes none, but a shell may: for a here-document, as in noghost ask <<END, and for <<<.",
        "export TMPDIR=/dev/shm, or mount memory on /tmp: sudo systemctl enable --now tmp.mount",
        told,
        only_ask=True,
    )


def file_system(files: Files, path: str) -> str:
    """The type of the file system that `path` lies on: of the last mount whose point is the longest that fits."""
    best, kind = -1, ""
    for line in files.text("proc/self/mountinfo", 1 << 20).splitlines():
        mount, _, source = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount.split(" ")[4])
        if PurePosixPath(path).is_relative_to(point) and len(point) >= best:
            best, kind = len(point), source.split(" ")[0]
    return kind
