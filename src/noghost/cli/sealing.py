"""`--sealed` and whose key it takes, for commands that speak to a service. On the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noghost.errors import ConfigError

if TYPE_CHECKING:
    from noghost.client.sealed.trust import Trust

SEALED = click.option("--sealed", is_flag=True, help="Seal all that is said to the instance itself: docs/sealed.md.")
KEY = click.option(
    "--service-key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --sealed: the service's key (default: the one met there first).",
)


def sealing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The two flags, for a command that gives what it gets to `trust_for`."""
    return SEALED(KEY(command))


def trust_for(url: str, sealed: bool, key: Path | None) -> Trust | None:
    """Whose instances to seal to; None where nothing is to be sealed. Raises ConfigError."""
    if not sealed:
        if key:
            raise ConfigError("--service-key, and no --sealed", "add --sealed")
        return None
    from noghost.client.sealed.trust import Trust, read_key

    return Trust(url, read_key(key) if key else None)
