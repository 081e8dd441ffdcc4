"""A service of three models: one that answers, one that fills gaps, one that embeds texts and answers none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzz.tiny_kinds import embedding, filling
from running import Service, running

CLS = 2  # enum llama_pooling_type of llama.h


@contextmanager
def three_kinds(home: Path) -> Iterator[Service]:
    """`default`, `filling` and `embedding`; the files of the latter two lie in `home`."""
    (home / "filling.gguf").write_bytes(filling().render())
    (home / "embedding.gguf").write_bytes(embedding(CLS).render())
    models = ("default", str(home / "filling.gguf"), str(home / "embedding.gguf"))
    with running(home, "--context", "512", *(word for model in models for word in ("--model", model))) as service:
        yield service
