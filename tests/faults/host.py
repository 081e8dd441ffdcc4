"""What the faults need of the host: a small disk, a memory cgroup, limits of a process. Each says why it cannot."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_BYTES = 32 << 20
CGROUPS = Path("/sys/fs/cgroup")
PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def small_disk(path: Path) -> Iterator[str]:
    """A tmpfs of its own at `path`; yields why not, or an empty text."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(path)]
    if os.getuid() or shutil.which("mount") is None:
        yield "only root can mount a small disk"
        return
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield "mounting a small disk is not permitted here"
        return
    try:
        yield ""
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill_disk(folder: Path) -> None:
    """Not a byte is left."""
    with (folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(65536))
    with (folder / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"\0")


def empty_disk(folder: Path) -> None:
    """There is room again."""
    (folder / "ballast").unlink(missing_ok=True)


@contextmanager
def memory_cgroup(name: str) -> Iterator[tuple[Path | None, str]]:
    """A memory cgroup of either version, and why there is none."""
    if (CGROUPS / "memory" / "cgroup.procs").exists():
        group = CGROUPS / "memory" / name
    elif (CGROUPS / "cgroup.procs").exists():
        group = CGROUPS / name
    else:
        yield None, "there is no memory cgroup here"
        return
    try:
        group.mkdir()
        if limit_file(group) is None:
            raise FileNotFoundError
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        yield None, "making a memory cgroup is not permitted here"
        return
    try:
        yield group, ""
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


def limit_file(group: Path) -> Path | None:
    """Where its limit is written: version 1 or 2."""
    found = [group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists()]
    return found[0] if found else None


def squeeze(group: Path, pid: int, room_bytes: int) -> None:
    """From now on this process gets `room_bytes` of new memory, and no more."""
    limit = limit_file(group)
    assert limit is not None
    limit.write_text(str(room_bytes))
    (group / "cgroup.procs").write_text(str(pid))


def oom_kills(group: Path) -> int:
    """How many processes the kernel has killed in it."""
    for name in ("memory.oom_control", "memory.events"):
        if (group / name).exists():
            words = (group / name).read_text().split()
            return int(words[words.index("oom_kill") + 1])
    return 0


@contextmanager
def limited(pid: int, kind: int, soft: int) -> Iterator[None]:
    """Another process with a lower limit; one that is gone meanwhile is no error."""
    old, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (soft, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, kind, (old, hard))


def memory_bytes(pid: int, kind: int) -> int:
    """The memory of a process as RLIMIT_AS or RLIMIT_DATA counts it."""
    name = {resource.RLIMIT_AS: "VmSize", resource.RLIMIT_DATA: "VmData"}[kind]
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:  # a zombie has none
        raise ProcessLookupError(str(pid))
    return int(found[1]) << 10


def adopt_orphans() -> None:
    """From now on a descendant whose parent dies becomes a child of this process, so that none is overlooked."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("this kernel has no child subreaper")
