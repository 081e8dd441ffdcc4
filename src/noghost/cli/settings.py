"""The settings of a service as flags, and what is in force of file, environment and flags. On the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from noghost.cli.where import FILE
from noghost.config import WYOMING_PORT, Address, Config, Limits, Tls, ledger_dir
from noghost.errors import ConfigError
from noghost.settings import BY_NAME, KEYS, LIMIT, Key, Setting, Settings, unknown
from noghost.templates import store
from noghost.upstream import Upstream

FIELDS = {
    "allow_host": "hosts",
    "model": "models",
    "context": "context_tokens",
    "idle_exit": "idle_exit_s",
    "otlp_interval": "otlp_interval_s",
}
COMPOSED = ("tls", "tls_cert", "tls_key", "template", "upstream", "metrics")  # no field of Config by themselves


WYOMING = {"port": WYOMING_PORT, "voice": True}  # other defaults, of a service that speaks that protocol


@dataclass(frozen=True, slots=True)
class Effective:
    """What is in force, each with where it came from, and the configuration that it makes."""

    settings: Mapping[str, Setting]
    file: Settings
    config: Config

    def value(self, name: str) -> Any:
        """Of a setting; of one that is decided at start, what was decided."""
        config = self.config
        decided = {
            "keys": config.asks_keys,
            "pad": config.pads,
            "seats": config.most_seats,
            "threads": config.most_threads,
            "ledger": ledger_dir(config),
        }
        return decided.get(name, self.settings[name].value)


def options(command: Callable[..., Any], keys: Sequence[Key] = KEYS) -> Callable[..., Any]:
    """The flags of all these settings, for a command that gives what it gets to `effective`."""
    for option in reversed([*map(flag, (key for key in keys if not key.name.startswith(LIMIT))), LIMITS, CONFIG]):
        command = option(command)
    return command


def flag(key: Key) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """One setting as a flag of click. None is "not given": defaults are not click's affair."""
    says = key.help + " Again for more." * key.many
    if key.default and not key.many:
        says += f"  [default: {key.default}]"
    if key.kind is bool:
        return click.option(f"{key.flag}/--no-{key.flag.removeprefix('--')}", default=None, help=says)
    kind = click.Path(path_type=Path) if key.kind is Path else key.kind
    return click.option(key.flag, type=kind, multiple=key.many, metavar=key.metavar, help=says)


LIMITS = click.option(
    "--limit",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a limit, as in request_s=10; again for more. All of them: docs/limits.md.",
)
CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar=FILE,
    help=f"A TOML file with settings and templates (also {FILE}; see docs/configuration.md).",
)


def effective(config: Path | None, limit: tuple[str, ...] = (), *, wyoming: bool = False, **flags: Any) -> Effective:
    """What is in force: flags before the environment, that before the file; `wyoming`: of a service that speaks that
    protocol. Raises ConfigError, which names where the mistake stands."""
    file = read(config) if config else Settings()
    given = {name: Setting(value, BY_NAME[name].flag) for name, value in flags.items() if value not in (None, ())}
    other = {name: Setting(value) for name, value in WYOMING.items()} if wyoming else {}
    layers = (given | limits_of(limit), from_environment(os.environ), file.values, other)
    settings = {key.name: first_of(layers, key) for key in KEYS} | {"wyoming": Setting(wyoming)}
    return Effective(settings, file, config_of(settings, file))


def read(path: Path) -> Settings:
    """A file's. What reads TOML is imported where there is one: a service would keep it in its idle memory."""
    from noghost.config_file import read_settings

    return read_settings(path)


def first_of(layers: tuple[Mapping[str, Setting], ...], key: Key) -> Setting:
    """The first layer that has the key wins; else its default."""
    return next((layer[key.name] for layer in layers if key.name in layer), Setting(key.default))


def limits_of(pairs: tuple[str, ...]) -> dict[str, Setting]:
    """From NAME=VALUE. Raises ConfigError with what there is."""
    found = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if (key := BY_NAME.get(f"{LIMIT}{name}")) is None:
            raise unknown("--limit", name, (one.removeprefix(LIMIT) for one in BY_NAME if one.startswith(LIMIT)))
        found[key.name] = Setting(key.parse(text, key.flag), key.flag)
    return found


def from_environment(environment: Mapping[str, str]) -> dict[str, Setting]:
    """What the environment sets; a variable that is empty sets nothing. Raises ConfigError."""
    return {
        key.name: Setting(key.parse(text, key.variable), key.variable)
        for key in KEYS
        if (text := environment.get(key.variable))
    }


def config_of(settings: Mapping[str, Setting], file: Settings) -> Config:
    """The configuration of these settings. Raises ConfigError, with where the wrong one came from."""
    try:
        return made_of({name: setting.value for name, setting in settings.items()}, file)
    except ConfigError as error:
        setting = settings.get(error.key, Setting(None))
        if setting.source == Setting(None).source:
            raise
        raise ConfigError(f"{setting.source}: {error.message}", error.hint, key=error.key) from None


def made_of(values: Mapping[str, Any], file: Settings) -> Config:
    """The same from bare values; `file` has the tables."""
    tls = values["tls"] or values["tls_cert"] or values["tls_key"]
    limits = {name.removeprefix(LIMIT): value for name, value in values.items() if name.startswith(LIMIT)}
    simple = {
        FIELDS.get(name, name): value
        for name, value in values.items()
        if name not in COMPOSED and not name.startswith(LIMIT)
    }
    return Config(
        **simple,
        tls=Tls(values["tls_cert"], values["tls_key"]) if tls else None,
        metrics=Address.of(values["metrics"], "metrics") if values["metrics"] else None,
        limits=Limits(**limits),
        templates=(*file.templates, *(store.get(name).source for name in values["template"])),
        upstreams=(*file.upstreams, *map(Upstream.of, values["upstream"])),
    )
