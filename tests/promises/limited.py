"""A service with limits of a test's choice.

python limited.py CONFIG       CONFIG: JSON, fields of Config; its "limits": fields of Limits
"""

from __future__ import annotations

import json
import sys

from noghost.cli.serve import announce
from noghost.config import Config, Limits
from noghost.service import serve


def main() -> None:
    fields = json.loads(sys.argv[1])
    limits = Limits(**fields.pop("limits", {}))
    serve(Config(port=0, context_tokens=2048, limits=limits, **fields), announce)


if __name__ == "__main__":
    main()
