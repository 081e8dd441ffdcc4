"""A service that does not tell callers of one user apart: the mutant of test_storm_turns.py.

python untold.py
"""

from __future__ import annotations

from noghost.cli.serve import announce
from noghost.config import Config
from noghost.service import serve
from noghost.warden import listen


class Untold(listen.Holders):
    """Finds no process."""

    def name(self, _ends: object) -> dict[object, object]:  # type: ignore[override]
        return {}


def main() -> None:
    listen.Holders = Untold  # type: ignore[misc]
    serve(Config(port=0, context_tokens=2048), announce)


if __name__ == "__main__":
    main()
