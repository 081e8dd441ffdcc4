"""The steps that nothing can leave out which answers by llama.cpp from Python, one after the other: for `cold.py`.

    python bench/bare.py MODEL QUESTION

An interpreter, llama.cpp's library, the weights, a context for the prompt, the prompt computed with all threads. No
template engine, no other process, no confinement, no record, no wipe: to compare with, not to use.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from noghost.config import cores
from noghost.engine.context import Context
from noghost.engine.model import Model

PROMPT = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
PROMPT += "<|im_start|>assistant\n"
CONTEXT_TOKENS = 256


def main() -> None:
    """Write one letter when the first token could be sampled."""
    gc.disable()
    model = Model.load(Path(sys.argv[1]))
    context = Context(model, CONTEXT_TOKENS, releasable=False)
    context.start_threads(cores())
    context.set_threads(cores())
    context.decode(model.tokenize_prompt(PROMPT.format(sys.argv[2])), 0)
    os.write(1, b"x")
    os._exit(0)


if __name__ == "__main__":
    main()
