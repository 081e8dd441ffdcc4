"""How much each fuzz test tries: a few examples in the ordinary run, as many as wanted in a long one."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

WANTED = int(os.environ.get("NOGHOST_FUZZ_EXAMPLES", "0"))


def effort(examples: int) -> settings:
    """`examples` in the ordinary run, the same each time; NOGHOST_FUZZ_EXAMPLES other ones where that is set."""
    return settings(
        max_examples=WANTED or examples,
        derandomize=not WANTED,
        print_blob=bool(WANTED),
        database=None,  # what is found is kept as a test, not in a directory
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
