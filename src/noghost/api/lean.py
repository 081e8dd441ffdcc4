"""What a library imports for nothing, and the warden would keep (P4). In the warden, before the API is imported."""

from __future__ import annotations

import sys


def leave_out_pydantic_v1() -> None:
    """FastAPI asks of each type whether it is a model of pydantic 1, and takes the missing module for a no."""
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]  # importlib's way to say: there is none
