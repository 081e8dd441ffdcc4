"""A plugin for pydantic that another package of the environment brings sees no request.

Not covered: what such a package does when it is imported for another reason, by a .pth file for one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGIN = """
class Plugin:
    def new_schema_validator(self, *_arguments, **_options):
        print("shown")
        return None, None, None

plugin = Plugin()
"""
OURS = "from noghost.api.schemas import ChatRequest as Asked"
THEIRS = "from pydantic import BaseModel\nclass Asked(BaseModel):\n    messages: list[dict[str, str]]"


def test_a_plugin_of_another_package_sees_no_request(tmp_path: Path) -> None:
    assert "shown" in said(tmp_path, THEIRS), "control: any other model is shown to it"
    assert said(tmp_path, OURS) == "validated\n"


def said(folder: Path, asked: str) -> str:
    """What a program says that validates a request, where a package with a plugin is installed."""
    (folder / "spying.py").write_text(PLUGIN)
    about = folder / "spying-1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spying\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pydantic]\nspying = spying:plugin\n")
    program = f"{asked}\nAsked.model_validate({{'messages': [{{'role': 'user', 'content': ''}}]}})\nprint('validated')"
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    env = os.environ | {"PYTHONPATH": paths}
    env.pop("PYDANTIC_DISABLE_PLUGINS", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
