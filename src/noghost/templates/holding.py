"""Have the warden hold a template: read its state or have it computed, load it, leave it to a file. Before any birth.

Covered: only a state whose digest and key were verified is loaded (`state.py`); the warden computes nothing itself.
Its pages are those of a file without a name, mapped privately: they are no private memory of the warden, the kernel
copies no page tables for them at a fork, and a page that an instance writes becomes that instance's own. A short one is
some bytes of the warden.
Not covered: the file's blocks on the disk, which hold what the template's own file holds: a public text's state.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noghost.config import TemplateSource
from noghost.engine.batches import SHORTEST_TEMPLATE_TOKENS, TILE_TOKENS, held_of
from noghost.engine.context import Context
from noghost.engine.loaded import Loaded
from noghost.engine.prefill import prefill
from noghost.engine.prefix import Prefix, tokens_of
from noghost.errors import ConfigError, RequestError
from noghost.log import Event, log
from noghost.templates.state import Key, RefusedError, read_state, write_state


@dataclass(frozen=True, slots=True)
class Basis:
    """What a state depends on besides its tokens, and where it is kept."""

    model: str  # SHA-256 of the weights, hex
    build: str  # SHA-256 of the engine, hex
    folder: Path
    threads: int


def hold(source: TemplateSource, loaded: Loaded, basis: Basis) -> Prefix:
    """In the warden: the template, ready for instances. Raises ConfigError or EngineError."""
    key = key_of(source, loaded, basis)
    if len(key.tokens) < TILE_TOKENS:
        return Prefix(source.name, key.digest, key.tokens, None, state_of(key, loaded, basis))
    context = Context(loaded.model, loaded.context.n_ctx)
    context.release_zero_pages()
    context.restore(state_of(key, loaded, basis), len(key.tokens))
    try:
        with tempfile.TemporaryFile(dir=basis.folder, buffering=0) as file:
            context.hold_in_file(file.fileno())
    except OSError as error:
        raise unwritable(basis.folder, error) from error
    return Prefix(source.name, key.digest, key.tokens, context)


def key_of(source: TemplateSource, loaded: Loaded, basis: Basis) -> Key:
    """Tokens and all else that the state depends on. Raises ConfigError where the text is no use as a template."""
    try:
        tokens = tokens_of(loaded.model, loaded.template, source.system, tools_of(source))
    except RequestError as error:
        hint = "give it a system message" if source.system is None else "give it a model with a system role"
        raise ConfigError(f"the model's chat template refused the template {source.name}", hint) from error
    held = held_of(tokens, loaded.model.is_control)
    if not held:
        raise ConfigError(
            f"the template {source.name} has {len(tokens)} tokens",
            f"it would gain nothing below {SHORTEST_TEMPLATE_TOKENS}",
        )
    if held < TILE_TOKENS and loaded.shape is None:
        unlike = (
            f"the template {source.name} has {len(tokens)} tokens, which needs flash attention and a plain KV cache"
        )
        raise ConfigError(unlike, "leave it out for this model, as capsules are")
    if len(tokens) + TILE_TOKENS > loaded.context.n_ctx:
        raise ConfigError(
            f"the template {source.name} has {len(tokens)} tokens and does not fit {loaded.context.n_ctx}",
            "shorten it, or raise --context",
        )
    parameters = f"{loaded.context.parameters} n_ctx={loaded.context.n_ctx}"
    return Key(basis.model, basis.build, parameters, tuple(tokens[:held]))


def state_of(key: Key, loaded: Loaded, basis: Basis) -> bytes:
    """The state at rest, or a new one, which is then put there."""
    try:
        return read_state(basis.folder, key)
    except FileNotFoundError:
        pass
    except RefusedError:
        log(Event.TEMPLATE_REFUSED)
    state = prefill(loaded.model.path, loaded.context.n_ctx, key.tokens, basis.threads, repack=loaded.model.repacked)
    try:
        write_state(basis.folder, key, state)
    except OSError as error:
        raise unwritable(basis.folder, error) from error
    return state


def tools_of(source: TemplateSource) -> Sequence[Mapping[str, Any]] | None:
    """The tools as the chat template takes them. Raises ConfigError unless they are a JSON array of objects."""
    if source.tools is None:
        return None
    try:
        tools = json.loads(source.tools)
    except ValueError:
        tools = None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ConfigError(
            f"the tools of the template {source.name} are no JSON array of objects", "see docs/templates.md"
        )
    return tools


def unwritable(folder: Path, error: OSError) -> ConfigError:
    """The error for a disk that does not take a state."""
    return ConfigError(f"cannot write a template's state: {error.strerror}", f"check free space and owner of {folder}")
