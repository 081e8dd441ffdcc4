"""Where the ledger lies, for commands that are no service: where `noghost serve` would find it. On the command line.

What reads TOML is imported where there is a file: `noghost ask` waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from noghost.config import default_ledger_dir

FILE = "NOGHOST_CONFIG"
VARIABLE = "NOGHOST_LEDGER"
LEDGER = click.option(
    "--ledger",
    type=click.Path(path_type=Path, file_okay=False),
    envvar=VARIABLE,
    help=f"Where the ledger and its key lie (also {VARIABLE}).",
)
CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar=FILE,
    help=f"A service's file (also {FILE}); its ledger is taken, and nothing else of it.",
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The two flags, for a command that gives what it gets to `ledger_at`."""
    return LEDGER(CONFIG(command))


def ledger_at(ledger: Path | None, file: Path | None) -> Path:
    """As the flag or the environment says, else the file, else the default. Raises ConfigError for a wrong file."""
    if ledger is None and file is not None:
        from noghost.config_file import read_settings

        setting = read_settings(file).values.get("ledger")
        ledger = setting.value if setting else None
    return ledger or default_ledger_dir()


def ledger_named(folder: str, file: Path | None) -> Path:
    """That folder; where its name is empty, as `ledger_at`. For a flag that may stand without a value."""
    given = folder or os.environ.get(VARIABLE)
    return ledger_at(Path(given) if given else None, file)
