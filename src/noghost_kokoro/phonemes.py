# SPDX-License-Identifier: GPL-3.0-or-later
"""Text to phonemes, by espeak-ng as Piper's package has it."""

from __future__ import annotations

import importlib.util
import os
import re
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import piper
from piper import espeakbridge

FOREIGN = re.compile(r"\([^)]+\)")  # marks where a word of another language begins and ends


class Accent:
    """English as it is spoken somewhere. Loaded in the parent: a child opens no file.

    espeak-ng has one accent at a time, in variables of its library; so each has a copy of the library.
    """

    def __init__(self, name: str) -> None:
        self._espeak = copied()
        self._espeak.initialize(str(Path(piper.__file__).parent / "espeak-ng-data"))
        self._espeak.set_voice(name)
        self.phrases("Ready.")

    def phrases(self, text: str) -> list[str]:
        """The phonemes between its pauses, each with the mark that ends it."""
        found = self._espeak.get_phonemes(text)
        return [FOREIGN.sub("", phonemes) + mark for phonemes, mark, _ in found]


def copied() -> Any:
    """The library once more, from memory: the loader knows a file by its device and number."""
    descriptor = os.memfd_create("espeak")
    os.write(descriptor, Path(espeakbridge.__file__).read_bytes())
    path = f"/proc/self/fd/{descriptor}"
    loader = ExtensionFileLoader("espeakbridge", path)
    found = importlib.util.spec_from_file_location("espeakbridge", path, loader=loader)
    assert found is not None
    module = importlib.util.module_from_spec(found)
    loader.exec_module(module)
    return module
