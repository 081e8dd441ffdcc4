"""`noghost doctor` on this very host, as a person and as a program read it; what `serve` says of it; docs/host.md."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from doctor.made_up import DISK_SWAP, host
from noghost.cli.doctor import to_json, to_text
from noghost.doctor.checks import CHECKS, Check, not_green
from noghost.doctor.facts import gather
from noghost.doctor.finding import PROMISES, judge
from noghost.host import host_class
from promises.test_hosts import NO_PTRACE
from running import Service, running

COMMAND = (sys.executable, "-m", "noghost.cli.main", "doctor")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "host.md").read_text("utf-8")
COLOUR = "\x1b["

# A person who is easy to find again.
NAME, USER = "zebra-host-93", "quagga-user-41"
PERSON = {
    "HOME": f"/home/{USER}",
    "USER": USER,
    "LOGNAME": USER,
    "HOSTNAME": NAME,
    "TMPDIR": f"/home/{USER}/tmp",
    "HISTFILE": f"/home/{USER}/.history",
    "SHELL": f"/home/{USER}/bin/bash",
}
IS_CALLED = "import os, socket, sys; socket.sethostname(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command, its output as text."""
    return subprocess.run(
        command, env=os.environ | (env or {}), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


def leaks(text: str) -> list[str]:
    """Words of PERSON and of the host's name in a text."""
    return [word for word in (NAME, USER, f"/home/{USER}") if word.lower() in text.lower()]


def test_the_report_for_a_program() -> None:
    done = run(*COMMAND, "--json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert [one["name"] for one in report["findings"]] == [check.name for check in CHECKS]
    assert {one["state"] for one in report["findings"]} <= {"ok", "info", "weak", "broken"}
    lists = report["verdict"]
    assert sorted(lists["keeps"] + lists["weak"] + lists["broken"]) == sorted(PROMISES)
    assert done.returncode == (1 if lists["broken"] else 0)
    assert report["host"]["kernel"] in os.uname().release
    for one in report["findings"]:
        assert bool(one["how_to_mend"]) == (one["state"] in ("weak", "broken"))


def test_the_report_for_a_person() -> None:
    done = run(*COMMAND)
    report = json.loads(run(*COMMAND, "--json").stdout)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    for one in report["findings"]:
        assert any(re.match(rf"  (ok|-|WEAK|NO) +{one['name']} +", line) for line in lines), one["name"]
        if one["how_to_mend"]:
            assert " ".join(one["how_to_mend"].split()) in " ".join(done.stdout.split())
    assert lines[-1].startswith("this host can keep: ")
    assert max(map(len, lines)) <= 100
    assert COLOUR not in done.stdout


def test_a_host_that_refuses_ptrace_cannot_keep_its_promises() -> None:
    done = run(*NO_PTRACE, *COMMAND, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["verdict"]["broken"] == ["P2", "P3"]
    assert [one["name"] for one in report["findings"] if one["state"] == "broken"] == ["tracing"]
    text = run(*NO_PTRACE, *COMMAND)
    assert text.returncode == 1
    assert re.search(r"^  NO +tracing ", text.stdout, re.MULTILINE)
    assert text.stdout.rstrip().endswith("not: P2 P3")


def test_it_is_colourful_in_a_terminal_only() -> None:
    assert COLOUR in in_terminal({})
    assert COLOUR not in in_terminal({"NO_COLOR": "1"})


def in_terminal(env: dict[str, str]) -> str:
    """What the command prints to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | env) as process:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # EIO: everybody has closed the other side
            pass
        process.wait(60)
    os.close(ours)
    return text.decode()


# --- nothing about who asks -----------------------------------------------------------------------------------


def test_the_report_names_no_host_user_or_home() -> None:
    """In a UTS namespace with a name that is easy to find, as a person who is easy to find."""
    space = ("unshare", "--uts") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--uts")
    called = (*space, sys.executable, "-c", IS_CALLED, NAME)
    if not shutil.which("unshare") or run(*called, "true").returncode:
        pytest.skip("no UTS namespace can be had here")
    control = run(*called, "sh", "-c", 'uname -n; echo "$HOME"', env=PERSON)
    assert leaks(control.stdout) == [NAME, USER, f"/home/{USER}"], "the control: the name and the home are really there"
    for arguments in ((), ("--json",)):
        done = run(*called, *COMMAND, *arguments, env=PERSON)
        assert "kernel" in done.stdout
        assert leaks(done.stdout + done.stderr) == []


def test_names_in_what_it_reads_stay_there(tmp_path: Path) -> None:
    """A swap device, a core handler, a kernel's suffix, a mount and a boot line that name a host and a user."""
    tree = {
        "proc/swaps": DISK_SWAP.replace("/dev/sda2", f"/dev/mapper/{NAME}-swap"),
        "proc/cmdline": f"root=/dev/{NAME} systemd.hostname={NAME}",
        "proc/sys/kernel/core_pattern": f"|/home/{USER}/bin/cores %h",
        "proc/sys/kernel/osrelease": f"6.9.1-{NAME}",
        "proc/self/mountinfo": f"1 0 8:1 / /home/{USER} rw - ext4 /dev/{NAME} rw\n",
        "proc/self/cgroup": f"0::/docker/{NAME}\n",
        "etc/audit/audit.rules": f"-a always,exit -S execve -F auid={USER}\n",
    }
    facts = host(tmp_path, tree, environment=PERSON, temporary=PERSON["TMPDIR"], memlock_bytes=0, trials=None)
    findings = [check.find(facts) for check in CHECKS]
    verdict = judge(findings)
    assert {"swap", "core_dumps", "audit", "temporary_files"} <= {one.name for one in findings if not one.green}
    texts = [json.dumps(to_json(findings, verdict)), *to_text(findings, verdict), *not_green(facts)]
    assert leaks("\n".join(texts)) == []
    assert len(leaks(json.dumps(tree) + str(PERSON))) == 3, "the control: they are in what it read"


def test_what_a_process_knows_is_not_in_its_repr() -> None:
    assert "environment" not in repr(gather())
    assert "temporary" not in repr(gather())


# --- the same facts as elsewhere ------------------------------------------------------------------------------


def test_it_agrees_with_what_every_receipt_says_of_the_host() -> None:
    told = json.loads(run(*COMMAND, "--json").stdout)["host"]
    stated = dict(part.split("=") for part in host_class().split(",") if "=" in part)
    swap = "disk" if told["swap_bytes"] else "zram" if told["zram_swap_bytes"] else "none"
    assert stated["swap"] == swap
    if told["core_pattern"] == "file":
        assert stated["core"] == "file"
    if stated["init_on_free"] == "1":
        assert told["init_on_free"] is True


def test_serve_says_it_on_standard_error_alone(service: Service) -> None:
    expected = [f"noghost: {line} (see noghost doctor)" for line in not_green(gather())]
    assert [line for line in service.log.splitlines() if "noghost doctor" in line] == expected
    assert len((service.home / "stdout").read_text().splitlines()) == 1
    assert "listening on " in (service.home / "stdout").read_text()


@pytest.mark.slow
def test_serve_says_what_a_host_changes_to(tmp_path: Path) -> None:
    """With a swap table of our own mounted over the kernel's, where we may mount."""
    table = tmp_path / "swaps"
    table.write_text(DISK_SWAP)
    script = f'mount --bind {table} /proc/swaps && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", script, "sh")
    if not shutil.which("unshare") or run(*inside, "true").returncode:
        pytest.skip("nothing can be mounted here")
    weak = json.loads(run(*inside, *COMMAND, "--json").stdout)["host"]
    assert weak["swap_bytes"] == 2097148 * 1024
    command = (*inside, sys.executable, "-m", "noghost.cli.main", "serve")
    with running(tmp_path / "home", command=command) as service:
        assert ("noghost: weak: swap: " in service.log) == (not weak["memory_lock"])


# --- the document ---------------------------------------------------------------------------------------------


def test_the_document_has_each_check_in_its_group_with_its_promises() -> None:
    groups = {
        part.partition("\n")[0]: re.findall(r"^### `(\w+)`$", part, re.MULTILINE)
        for part in DOCUMENT.split("\n## ")[1:]
    }
    expected: dict[str, list[str]] = {}
    for check in CHECKS:
        expected.setdefault(check.group, []).append(check.name)
    assert groups == expected


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_the_document_says_which_promises_a_check_bears_on(check: Check) -> None:
    paragraph = DOCUMENT.partition(f"### `{check.name}`\n\n")[2].partition("\n\n")[0]
    told = re.match(r"((?:P\d+(?:, )?)*)", paragraph)
    assert told is not None
    assert tuple(word for word in told[1].split(", ") if word) == check.promises
