"""When two texts have the same words, for counting those that were heard wrong.

The rules are of the kind of Whisper's EnglishTextNormalizer (openai/whisper, whisper/normalizers/english.py): both
texts are changed alike. Case, marks and the sounds of hesitation do not count; a number is the same in digits and in
words; British and American spelling are the same; a contraction is what it stands for. Nothing else: a word that is
divided otherwise, or another article, is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

HESITATION = {"uh", "um", "hmm", "mm", "mhm"}
WHOLE = {"won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not", "let's": "let us"}
ENDS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am", "'d": " would"}
_TABLES = json.loads(Path(__file__).with_name("voice_words.json").read_text("utf-8"))
ONES: list[str] = _TABLES["ones"]
TENS: list[str] = _TABLES["tens"]
SPELLINGS: dict[str, str] = _TABLES["spellings"]  # British to American, each with or without an s


def words(text: str) -> list[str]:
    """To be compared one by one."""
    text = text.casefold().replace("’", "'")
    text = re.sub(r"\$(\d+)", r"\1 dollars", text)
    plain = (word.strip("'") for word in re.sub(r"[^\w' ]", " ", text).split())
    return [one for word in plain for one in spelt(word).split() if one not in HESITATION]


def spelt(word: str) -> str:
    """In one way of several."""
    if word.isdecimal() and int(word) < 100:
        return counted(int(word))
    if word in WHOLE:
        return WHOLE[word]
    for end, meant in ENDS.items():
        if word.endswith(end):
            return word.removesuffix(end) + meant
    many = "s" if word.endswith("s") and word.removesuffix("s") in SPELLINGS else ""
    return SPELLINGS.get(word.removesuffix(many), word.removesuffix(many)) + many


def counted(number: int) -> str:
    """A number below 100, in words."""
    if number < len(ONES):
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + f" {ONES[ones]}" * bool(ones)


def errors(said: Sequence[str], understood: Sequence[str]) -> int:
    """Words to change, add or leave out: Levenshtein's distance."""
    row = list(range(len(understood) + 1))
    for at, one in enumerate(said, 1):
        before, row[0] = row[0], at
        for other, there in enumerate(understood, 1):
            before, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, before + (one != there))
    return row[-1]
