"""Small files of /proc, /sys, /dev and /etc under a root folder: the real host's, or a made-up tree in a test."""

from __future__ import annotations

import gzip
import re
import zlib
from functools import cached_property
from pathlib import Path

MOST_BYTES = 64 * 1024
TRUE = {"1", "y", "Y", "t", "T", "on", "On", "ON"}  # linux/lib/kstrtox.c: kstrtobool


class Files:
    """Reads under `root`. What is not there, or may not be read, reads as empty."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def text(self, path: str, most_bytes: int = MOST_BYTES) -> str:
        """The beginning of a file, without white space at its ends."""
        return self._bytes(path, most_bytes).decode("utf-8", "replace").strip()

    def has(self, path: str) -> bool:
        """Whether it is there, as far as can be seen."""
        try:
            return (self.root / path).exists()
        except OSError:
            return False

    def names(self, folder: str) -> list[str]:
        """What is in a folder."""
        try:
            return sorted(entry.name for entry in (self.root / folder).iterdir())
        except OSError:
            return []

    def hidden(self, path: str) -> bool:
        """Whether it may be there and we may not look."""
        try:
            with (self.root / path).open("rb"):
                return False
        except PermissionError:
            return True
        except OSError:
            return False

    def chosen(self, path: str) -> str:
        """The word in brackets, as in `always [madvise] never`."""
        found = re.search(r"\[(\w+)\]", self.text(path))
        return found[1] if found else ""

    def boot_word(self, name: str) -> str | None:
        """The last value of `name=` on the kernel's command line, which holds; after -- come init's words."""
        kernel_part = f" {self.text('proc/cmdline')} ".partition(" -- ")[0]
        values = [word.partition("=")[2] for word in kernel_part.split() if word.startswith(f"{name}=")]
        return values[-1] if values else None

    def built_with(self, option: str) -> bool | None:
        """Whether the kernel was configured with CONFIG_`option`; None where its configuration cannot be read."""
        return f"\nCONFIG_{option}=y\n" in self._config if self._config else None

    def boot_switch(self, name: str, option: str) -> bool | None:
        """A kernel setting given at boot, or else its built-in default; None where neither can be seen."""
        word = self.boot_word(name)
        return self.built_with(option) if word is None else word in TRUE

    @cached_property
    def _config(self) -> str:
        """The kernel's build configuration, or ""."""
        packed = self._bytes("proc/config.gz", 1 << 20)
        try:
            text = gzip.decompress(packed).decode("utf-8", "replace") if packed else ""
        except (OSError, EOFError, zlib.error):
            text = ""
        text = text or self.text(f"boot/config-{self.text('proc/sys/kernel/osrelease')}", 1 << 20)
        return f"\n{text}\n" if text else ""

    def _bytes(self, path: str, most_bytes: int) -> bytes:
        try:
            with (self.root / path).open("rb") as file:
                return file.read(most_bytes)
        except OSError:
            return b""
