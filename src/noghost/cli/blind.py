"""The end of a command that gives a verdict, where there can be none."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import click

from noghost.errors import NoghostError

BLIND = 2


def cannot_tell(error: NoghostError, *, as_json: bool) -> NoReturn:
    """Say why, as JSON on standard output or in words on standard error; the exit status is BLIND."""
    if as_json:
        click.echo(json.dumps({"verdict": "cannot tell", "reason": error.message, "hint": error.hint}))
    else:
        click.echo(f"noghost: {error}", err=True)
    sys.exit(BLIND)
