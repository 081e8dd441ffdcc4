"""The API against its own document: schemathesis makes requests from it, right ones and wrong ones.

Among its checks: no 5xx; status, content type and body of an answer are documented; what the document forbids is
refused with a 4xx, what it allows is taken; a method that it does not name is refused with 405 and `Allow`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.wire import healthy
from fuzz.effort import WANTED
from running import Service

EXAMPLES = 10
PATIENCE_S = 60
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not WANTED, reason="thousands of requests: set NOGHOST_FUZZ_EXAMPLES"),
]


def test_the_api_is_what_its_document_says(service: Service, tmp_path: Path) -> None:
    arguments = ["run", f"{service.url}/openapi.json", "--max-examples", str(WANTED or EXAMPLES)]
    arguments += ["--continue-on-failure", "--no-color", "--request-timeout", str(PATIENCE_S)]
    arguments += ["--phases", "examples,coverage,fuzzing", *([] if WANTED else ["--generation-deterministic"])]
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", *arguments]
    hooks = {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert healthy(service)
    assert "out_of_turn" not in service.log
