"""Write docs/cli.md from `--help` of every command and subcommand: click's own text, at a fixed width.

python docs/_generate_cli.py
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import click

from noghost.cli.main import COMMANDS, cli

TARGET = Path(__file__).with_name("cli.md")
WIDTH_CHARS = 100
HEAD = """\
# The command line

Generated from `--help` by `python docs/_generate_cli.py`; a test compares the two. Do not edit.
"""


def generate() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(section(title, text) for title, text in pages("noghost", cli, None))])


def pages(name: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """(full name, help text) of a command and of everything under it, in the order of its own list."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        help_option_names=["-h", "--help"],
        terminal_width=WIDTH_CHARS,
        max_content_width=WIDTH_CHARS,
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            if parent is None and not built(below):
                yield f"noghost {below}", f"Pending. {COMMANDS[below]}"
            elif found := command.get_command(context, below):
                yield from pages(below, found, context)


def built(command: str) -> bool:
    """Whether a command that the list names has its module yet."""
    return importlib.util.find_spec(f"noghost.cli.{command}") is not None


def section(title: str, text: str) -> str:
    """One command."""
    return f"## {title}\n\n```\n{text}\n```\n"


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")
