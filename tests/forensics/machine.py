"""A small Debian guest in QEMU whose whole physical memory is a file that the host reads while the guest is stopped.

The host is the guest's only caller, through forwarded ports on loopback, so that a caller's own copies are never in
the memory that is searched. A machine is stopped by its process id.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image import Image

MEMORY_MIB = 1536
PROCESSORS = 2
GUEST = "10.0.2.15"  # QEMU's user network gives it this address
SERVICE_PORT, ASK_PORT = 8462, 8463
BOOT_S = {"kvm": 60.0, "tcg": 300.0}
ANSWER_S = 900.0  # of the guest to one operation


class MachineError(Exception):
    """The guest did not do what it was told."""


class Lines:
    """JSON lines over a Unix socket that QEMU made."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_S)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def say(self, **message: Any) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        line = self.file.readline()
        if not line:
            raise MachineError("the machine ended")
        return dict(json.loads(line))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@dataclass
class Machine:
    """A running guest."""

    process: subprocess.Popen[bytes]
    folder: Path
    memory: Path
    service_port: int  # on the host's loopback
    ask_port: int
    qmp: Lines
    control: Lines

    @property
    def disk(self) -> Path:
        """What the guest wrote: the layer above the image."""
        return self.folder / "disk.qcow2"

    @property
    def before(self) -> Path:
        """For a copy of the memory as it was earlier; it goes with the machine."""
        return self.memory.with_name(self.memory.name + ".before")

    def do(self, operation: str, **arguments: Any) -> Any:
        """Have the guest's process 1 do something; raises MachineError with its traceback."""
        self.control.say(do=operation, **arguments)
        answer = self.control.hear()
        if "error" in answer:
            raise MachineError(answer["error"])
        return answer["answer"]

    @contextlib.contextmanager
    def stopped(self) -> Iterator[Path]:
        """No processor runs, and the clock stands still; the memory file is the memory."""
        self.monitor("stop")
        try:
            yield self.memory
        finally:
            self.monitor("cont")

    def monitor(self, command: str) -> Any:
        """One command to QEMU's monitor."""
        self.qmp.say(execute=command)
        while True:
            heard = self.qmp.hear()
            if "error" in heard:
                raise MachineError(f"{command}: {heard['error']['desc']}")
            if "return" in heard:
                return heard["return"]

    @contextlib.contextmanager
    def terminal(self) -> Iterator[socket.socket]:
        """The other end of the guest's second serial line."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_S)
            line.connect(str(self.folder / "terminal"))
            yield line


@contextlib.contextmanager
def machine(image: Image, code: Path, accelerator: str, folder: Path, memory: Path, *kernel: str) -> Iterator[Machine]:
    """Boot a guest with the read-only disk `code` and these words on its kernel command line; end it afterwards."""
    folder.mkdir(parents=True)
    layer = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.root), "-F", "raw", str(folder / "disk.qcow2")]
    subprocess.run(layer, check=True)
    service_port, ask_port = free_port(), free_port()
    forwards = ((service_port, SERVICE_PORT), (ask_port, ASK_PORT))
    command = [
        *bare(accelerator, image, *kernel),
        "-initrd",
        str(image.initrd),
        *devices(folder, code, memory, forwards),
    ]
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context((folder / "qemu.log").open("wb"))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        stack.callback(end, process)
        qmp = Lines(appears(folder / "qmp", process))
        stack.callback(qmp.close)
        control = Lines(appears(folder / "control", process))
        stack.callback(control.close)
        guest = Machine(process, folder, memory, service_port, ask_port, qmp, control)
        for path in (memory, guest.before):
            stack.callback(path.unlink, missing_ok=True)
        try:
            boot(guest, BOOT_S[accelerator])
            yield guest
        except (MachineError, OSError) as error:
            console = (folder / "console.log").read_text(errors="replace")[-3000:]
            raise MachineError(f"{error}\nthe guest's console: {console}") from error


def boot(guest: Machine, seconds: float) -> None:
    """Until the guest's process 1 answers."""
    guest.qmp.hear()
    guest.monitor("qmp_capabilities")
    guest.control.socket.settimeout(seconds)
    guest.do("titles")
    guest.control.socket.settimeout(ANSWER_S)


def bare(accelerator: str, image: Image, *kernel: str) -> list[str]:
    """QEMU with a kernel, and no device that was not asked for."""
    words = ["console=ttyS0", "quiet", "net.ifnames=0", "panic=-1", "root=/dev/vda", "rw", "init=/opt/init", *kernel]
    # kvm inside of a virtual machine often refuses this register, which only a mitigation reads
    model = "host,-arch-capabilities" if accelerator == "kvm" else "max"
    return [
        *("nice", "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-accel", accelerator, "-cpu", model, "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(image.kernel), "-append", " ".join(words)),
    ]


def devices(folder: Path, code: Path, memory: Path, forwards: tuple[tuple[int, int], ...]) -> list[str]:
    """Memory in a file, two disks, a network without a way out, two serial lines, a control port, a monitor."""
    ports = "".join(f",hostfwd=tcp:127.0.0.1:{here}-{GUEST}:{there}" for here, there in forwards)
    return [
        *("-object", f"memory-backend-file,id=memory,size={MEMORY_MIB}M,mem-path={memory},share=on"),
        *("-machine", "pc,memory-backend=memory"),
        *("-drive", f"file={folder / 'disk.qcow2'},if=virtio,format=qcow2"),
        *("-drive", f"file={code},if=virtio,format=raw,readonly=on"),
        *("-netdev", f"user,id=net,restrict=on{ports}", "-device", "virtio-net-pci,netdev=net"),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=control,path={folder / 'control'},server=on,wait=off"),
        *("-device", "virtserialport,chardev=control,name=noghost.control"),
        *("-serial", f"file:{folder / 'console.log'}", "-serial", f"unix:{folder / 'terminal'},server=on,wait=off"),
        *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
    ]


def accelerator_that_works(image: Image) -> str:
    """kvm if a kernel comes with it to where it misses its root within seconds, else tcg: software emulation."""
    if not Path("/dev/kvm").exists():
        return "tcg"
    command = [*bare("kvm", image), "-serial", "stdio"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as trial:
        try:
            seen, _ = trial.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            trial.kill()
            seen, _ = trial.communicate()
    return "kvm" if b"Kernel panic" in seen else "tcg"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def appears(path: Path, process: subprocess.Popen[bytes]) -> Path:
    """Until QEMU has made a socket."""
    deadline = time.monotonic() + 20
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise MachineError(f"qemu did not start: {(path.parent / 'qemu.log').read_text()}")
        time.sleep(0.05)
    return path


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
