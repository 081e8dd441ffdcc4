"""The clients, where they are installed: in environments of their own, since they disagree with each other and with us.

`make clients` makes these and sets NOGHOST_PYTHON, noghost's interpreter: there a client that is missing is an error.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import pytest


def client(module: str) -> Any:
    """Its module; without it the tests of the calling file are skipped."""
    if "NOGHOST_PYTHON" in os.environ:
        return import_module(module)
    return pytest.importorskip(module, reason="not installed here: `make clients` runs it in its own environment")
