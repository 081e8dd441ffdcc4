"""docs/cli.md is what --help says now."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from noghost.cli.main import COMMANDS, cli

DOCS = Path(__file__).parents[2] / "docs"
HOW = "run: python docs/_generate_cli.py"
GROFF = shutil.which("groff")


@pytest.fixture(scope="module")
def generate() -> Callable[[], str]:
    """The generator's function; running the file under another name writes nothing."""
    found: Callable[[], str] = runpy.run_path(str(DOCS / "_generate_cli.py"))["generate"]
    return found


@pytest.mark.parametrize(("document", "function"), [("cli.md", "generate"), ("man/noghost.1", "generate_man")])
def test_the_document_is_what_help_says_now(document: str, function: str) -> None:
    """In a process of its own: click keeps a command's help option from the first time that it was called."""
    code = "import runpy, sys; sys.stdout.write(runpy.run_path(sys.argv[1])[sys.argv[2]]())"
    command = [sys.executable, "-c", code, str(DOCS / "_generate_cli.py"), function]
    now = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout
    assert (DOCS / document).read_text("utf-8") == now, HOW


@pytest.mark.skipif(GROFF is None, reason="groff is not installed")
def test_the_man_page_is_one_without_a_complaint(tmp_path: Path) -> None:
    page = (DOCS / "man" / "noghost.1").read_text("utf-8")
    assert complaints(page) == ""
    assert "NoSuchMacro" in complaints(page + ".NoSuchMacro\n"), "control"


def complaints(page: str) -> str:
    """What groff says of a man page, with every warning on."""
    assert GROFF is not None
    command = [GROFF, "-ww", "-man", "-Tutf8"]
    done = subprocess.run(command, input=page, capture_output=True, encoding="utf-8", timeout=60)
    assert "Language models that exist only when invoked." in done.stdout
    return done.stderr


def test_every_command_and_subcommand_is_there(generate: Callable[[], str]) -> None:
    lines = generate().splitlines()
    for command in ("", *(f" {name}" for name in COMMANDS), " receipts show", " receipts verify"):
        assert lines.count(f"## noghost{command}") == 1, command


def test_the_terminal_changes_nothing(generate: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = generate()
    monkeypatch.setenv("COLUMNS", "40")
    assert generate() == before


def test_a_changed_option_changes_the_document(generate: Callable[[], str]) -> None:
    """The control: the text comes from the commands and not from somewhere else."""
    command = cli.get_command(click.Context(cli), "serve")
    assert command is not None
    before = generate()
    command.params.append(click.Option(["--not-there-before"]))
    try:
        assert generate() != before
        assert "--not-there-before" in generate()
    finally:
        command.params.pop()
