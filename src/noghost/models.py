"""The models of one service: found, hashed, tried, loaded, with their templates. In the warden, before any birth.

What loads a model is imported where it is needed: the reaper is forked before that, and stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from noghost.config import Config, TemplateSource
from noghost.errors import ConfigError
from noghost.host import build_digest
from noghost.weights.digest import digest, open_verified, read_ahead, verify
from noghost.weights.file import WeightsFile
from noghost.weights.find import find
from noghost.weights.gguf import check_gguf, check_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from noghost.api.here import Served
    from noghost.engine.ahead import Made
    from noghost.engine.dormant import Dormant
    from noghost.engine.loaded import Loaded
    from noghost.weights.facts import Facts

    Loading = Callable[[], Made]  # waits for it; WeightsError, EngineError


@dataclass(frozen=True, slots=True)
class Found:
    """A model's file, looked at and hashed."""

    file: WeightsFile
    digest: str  # SHA-256, hex
    on_demand: bool = False  # loaded by the instances that need it, and not before

    def begin(self, context_tokens: int, asked: int | None = None) -> Loading:
        """Begin to load it, with such a context (engine/ahead.py, engine/context.py)."""
        from noghost.engine.ahead import begin
        from noghost.engine.context import Room

        return begin(self.file.path, Room(context_tokens, asked), repack=self.file.prepared, hold_in=self.file.hold_in)


def find_models(config: Config) -> tuple[Found, ...]:
    """Every configured model's file; raises WeightsError with the path, ConfigError for two of one name."""
    loaded, on_demand = [[find(name) for name in names] for names in (config.loaded_models, config.on_demand)]
    names = [file.name for file in (*loaded, *on_demand)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two models are called {twice}", "name each once; rename the file of one")
    for file in (*loaded, *on_demand):
        check_header(file.path)
    for file in loaded:
        read_ahead(file.path)
    models = *(Found(file, verify(file)) for file in loaded), *(Found(file, verify(file), True) for file in on_demand)
    try_unknown([model for model in models if not model.file.vouched], config.context_tokens)
    return models


def try_unknown(models: Sequence[Found], context_tokens: int) -> None:
    """Weights from elsewhere may end the process that loads them: once, let that be another one."""
    if not models:
        return
    from noghost.engine.trial import try_model
    from noghost.weights import tried

    build = build_digest()
    for model in models:
        if not tried.is_known(model.digest, build):
            check_gguf(model.file.path)
            try_model(model.file.path, context_tokens)
            tried.remember(model.digest, build)


def load_served(config: Config, models: Sequence[Found], loading: Sequence[Loading]) -> tuple[Served, ...]:
    """Make ready what is loaded, with its templates (`loading`: of each of these, in order); open what is not; say what
    the API tells of each."""
    from noghost.api.here import Served

    loaded = [found for found in models if not found.on_demand]
    if config.templates and not loaded:
        raise ConfigError(
            "a template is for a model that is loaded at the start, and there is none", "add --model NAME"
        )
    # All of them first, and last those that are repacked: what is mapped for these, and for a template, can be told for
    # certain only where no thread runs.
    waits = sorted(zip(loaded, loading, strict=True), key=lambda pair: pair[0].file.prepared)
    made = {found.file.name: wait() for found, wait in waits}
    served = []
    for found in models:
        status = found.file.path.stat()
        served.append(
            Served(
                name=found.file.name,
                source=found.file.source,
                digest=found.digest,
                held=None if found.on_demand else ready_of(config, found, loaded, made[found.file.name]),
                dormant=dormant_of(config, found) if found.on_demand else None,
                facts=facts_of(found) if found.on_demand else None,
                size_bytes=status.st_size,
                modified_s=int(status.st_mtime),
            )
        )
    return tuple(served)


def ready_of(config: Config, found: Found, loaded: Sequence[Found], made: Made) -> Loaded:
    """Make one of those that are loaded ready, with its templates."""
    from noghost.engine.loaded import around

    sources = templates_for(config, loaded, found)
    ready = around(*made)
    return hold_templates(config, found, ready, sources) if sources else ready


def settle(served: Sequence[Served]) -> None:
    """What can wait until nobody does, of each that is loaded. In the warden, once."""
    for one in served:
        if one.held is not None:
            one.held.settle()


def dormant_of(config: Config, found: Found) -> Dormant:
    """Hold the file of one model open."""
    from noghost.engine.dormant import Dormant

    descriptor = open_verified(found.file, found.digest)
    return Dormant(found.file.path, descriptor, config.context_tokens, repack=found.file.prepared)


def most_loading_bytes(config: Config, models: Sequence[Found]) -> int:
    """What the largest of those on demand maps in the instance that loads it: its file, what repacking makes of that,
    and its KV cache. 0 where there is none."""
    on_demand = [found for found in models if found.on_demand]
    return max((loading_bytes(facts_of(found), found, config.context_tokens) for found in on_demand), default=0)


def loading_bytes(facts: Facts, found: Found, context_tokens: int) -> int:
    """The same of one."""
    return facts.weights_bytes * (1 + found.file.prepared) + (facts.kv_bytes(context_tokens) or 0)


def facts_of(found: Found) -> Facts:
    """What the header of its file says."""
    from noghost.weights.facts import read_facts

    return read_facts(found.file.path)


def templates_for(config: Config, models: Sequence[Found], model: Found) -> list[TemplateSource]:
    """The templates of one model. Raises ConfigError for one whose model is none of `models`, which are loaded."""
    chosen = []
    for source in config.templates:
        meant = meant_by(source.model or "default", models)
        if meant is None:
            unserved = f"the template {source.name} is for a model that this service does not load at its start"
            raise ConfigError(unserved, f"add --model {source.model}")
        if meant == model:
            chosen.append(source)
    return chosen


def meant_by(name: str, models: Sequence[Found]) -> Found | None:
    """Which of these has that file, or was prepared of it; "default" is the first, as it is for requests."""
    if name.lower() == "default":
        return models[0]
    path = find(name).path.resolve()
    same = next((found for found in models if found.file.path.resolve() == path), None)
    if same is None and any(found.file.prepared for found in models):
        sha256 = digest(path)
        same = next((found for found in models if found.file.source_sha256 == sha256), None)
    return same


def hold_templates(config: Config, found: Found, loaded: Loaded, sources: Sequence[TemplateSource]) -> Loaded:
    """The same model with its templates held. In the warden, before any birth."""
    from noghost.templates.holding import Basis, hold
    from noghost.templates.store import folder

    basis = Basis(found.digest, build_digest(), folder(), config.most_threads)
    return replace(loaded, prefixes=tuple(hold(source, loaded, basis) for source in sources))


def compute_template(config: Config, source: TemplateSource) -> tuple[int, str]:
    """Have the state of a template computed and put at rest, unless it is there; (tokens that it holds, digest)."""
    from noghost.engine.loaded import load
    from noghost.templates.holding import Basis, key_of, state_of
    from noghost.templates.store import folder

    model = find_models(config)[0]
    loaded = load(model.file.path, config.context_tokens, repack=model.file.prepared)
    basis = Basis(model.digest, build_digest(), folder(), config.most_threads)
    key = key_of(source, loaded, basis)
    state_of(key, loaded, basis)
    return len(key.tokens), key.digest
