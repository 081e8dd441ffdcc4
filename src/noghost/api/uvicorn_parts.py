"""What serves a connection of uvicorn: its configuration, its HTTP/1.1 by h11. In the warden, before fork.

The package's own `__init__` would import its command line, its supervisors and multiprocessing, which the warden would
keep for nothing (P4): here a module with the package's path stands in its place.
"""

from __future__ import annotations

import importlib.util
import sys

if "uvicorn" not in sys.modules:
    _found = importlib.util.find_spec("uvicorn")
    assert _found is not None
    sys.modules["uvicorn"] = importlib.util.module_from_spec(_found)  # its code is not run

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

sys.modules["uvicorn"].Config = Config  # type: ignore[attr-defined]  # its other modules ask the package for it

__all__ = ["Config", "H11Protocol", "ServerState"]
