"""docs/design.md names messages, folders, files and functions as they are.

Covered: that what it names exists, and the size of each message. Not covered: what it says about them.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from noghost import messages

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "noghost"
DESIGN = ROOT / "docs" / "design.md"


def test_the_design_gives_every_message_its_size() -> None:
    told = {name: int(size) for name, size in re.findall(r"^\| ([A-Z]\w+) \|[^|]+\|[^|]+\| (\d+)", text(), re.M)}
    assert told == {kind.__name__: kind.FORM.size for kind in messages.Message.__args__}


def test_the_design_names_every_folder_and_only_files_that_exist() -> None:
    inside = [path for path in SOURCE.iterdir() if path.suffix == ".py" or list(path.glob("*.py"))]
    top = {path.name + "/" * path.is_dir() for path in inside}
    assert {name for name in top - {"__init__.py"} if f"\n| `{name}` | " not in text()} == set()
    named = re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)*\.py)`", text())
    assert len(named) > 20
    assert [name for name in named if not any((root / name).is_file() for root in (SOURCE, ROOT))] == []


def test_the_functions_that_the_design_names_exist() -> None:
    """In the table of one life: `module.py` `Name.method`."""
    pairs = re.findall(r"`([a-z_/]+)\.py` `([\w.]+)`", text())
    assert len(pairs) > 15
    for module, name in pairs:
        defined = names_in(ast.parse((SOURCE / f"{module}.py").read_text("utf-8")))
        assert name in defined, f"{module}.py has no {name}"


def text() -> str:
    """The document."""
    return DESIGN.read_text("utf-8")


def names_in(tree: ast.Module) -> set[str]:
    """Functions, classes and `Class.method` of a module."""
    found = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = {part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
            found |= {node.name, *(f"{node.name}.{name}" for name in inner)}
    return found
