"""`noghost wyoming`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from noghost.cli.serve import serve_with
from noghost.cli.settings import WYOMING, effective, options
from noghost.settings import KEYS

# What this protocol has no way for, and what a service of it always has.
NOT_HERE = ("tls", "tls_cert", "tls_key", "allow_host", "keys", "pad", "upstream", "voice")


def own_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those of `serve` that make sense here, with the defaults that they have here."""
    keys = [replace(key, default=WYOMING.get(key.name, key.default)) for key in KEYS if key.name not in NOT_HERE]
    return options(command, keys)


@click.command()
@own_options
def wyoming(**flags: Any) -> None:
    """Hear, answer and speak for Home Assistant; every connection gets a process of its own.

    Speaks Wyoming's protocol (docs/wyoming.md), which has neither TLS nor keys: whoever reaches the port is served.
    Needs the extra `voice`. Prints one line when it is ready, and ends as `noghost serve` does.

    Every option can also stand in the file of --config, or in the environment, as for `noghost serve`.
    """
    serve_with(effective(**flags, wyoming=True).config)
