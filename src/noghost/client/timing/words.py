"""Prompts of random words: nothing private, nothing that was ever sent before."""

from __future__ import annotations

import random

# Common short words: with the space before it, each is one token in most vocabularies. 128 of them make 7 bits a word.
_LIST = (
    "able acid area army away baby back ball band bank base bear beat bell bird blue boat body bone book born both"
    " bowl box busy cake call camp card care case cell city clay club coal coat code cold come cook cool copy corn"
    " cost crew crop dark data date dawn days dead deal deep desk door down draw drop dust duty east edge face fact"
    " fair fall farm fast fear feed feel film find fine fire firm fish five flat flow food foot form four free full"
    " fund game gate gift girl give glad goal gold golf good grey grow hair half hall hand hard head hear heat help"
    " hero high hill hold home hope hour idea iron item join jump keep key kind king lake"
)
WORDS = tuple(_LIST.split())

_CHANCE = random.SystemRandom()  # no seed: a prompt that comes twice would be in the cache on both sides


def fresh_prompt(words: int) -> str:
    """That many random words, never the same again."""
    return " ".join(_CHANCE.choices(WORDS, k=words))
