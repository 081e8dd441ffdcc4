"""docs/configuration.md is what the table of settings says now."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from noghost.config_file import read_settings
from noghost.settings import KEYS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "configuration.md"


def test_the_page_is_what_the_table_says_now() -> None:
    generate = runpy.run_path(str(DOCS / "_generate_configuration.py"))["generate"]
    assert PAGE.read_text("utf-8") == generate(), "run: python docs/_generate_configuration.py"


def test_every_setting_is_there_with_its_variable() -> None:
    text = PAGE.read_text("utf-8")
    assert [key.name for key in KEYS if f"| `{key.variable}` | `{key.flag}` | {key.help} |" not in text] == []


def test_the_example_is_one(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    (tmp_path / "support.txt").write_text("public")
    (tmp_path / "noghost.toml").write_text(found[1])
    settings = read_settings(tmp_path / "noghost.toml")
    assert {name: one.value for name, one in settings.values.items()} == {
        "port": 8462,
        "model": ("default",),
        "on_demand": ("/srv/models/large.gguf",),
        "limit.queue": 8,
    }
    assert [one.name for one in settings.templates] == ["support"]
