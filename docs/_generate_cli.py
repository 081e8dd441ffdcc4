"""Write docs/cli.md and docs/man/noghost.1 from `--help` of every command and subcommand.

python docs/_generate_cli.py
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import click

from noghost import __version__
from noghost.cli.main import COMMANDS, cli

TARGET = Path(__file__).with_name("cli.md")
MAN_TARGET = Path(__file__).parent / "man" / "noghost.1"
WIDTH_CHARS = 100
HEAD = """\
# The command line

Generated from `--help` by `python docs/_generate_cli.py`; a test compares the two. Do not edit. The same as a man page:
[man/noghost.1](man/noghost.1). How to have the shell complete commands and options: [deploy.md](deploy.md).
"""
MAN_HEAD = f"""\
.\\" Generated from --help by docs/_generate_cli.py; a test compares the two. Do not edit.
.TH NOGHOST 1 "" "noghost {__version__}" "User Commands"
.SH NAME
noghost \\- language models that exist only when invoked
.SH SYNOPSIS
.B noghost
.RI [ OPTIONS ]
.I COMMAND
.RI [ ARGS ]...
.SH COMMANDS
"""
ROFF = {"\\": "\\e", "-": "\\-", "~": "\\(ti", "^": "\\(ha", "`": "\\(ga", "'": "\\(aq", '"': "\\(dq", "…": "..."}
MAN_TAIL = """\
.SH ENVIRONMENT
.TP
.B NOGHOST_API_KEY
The API key that the commands which talk to a service send.
.TP
.B NOGHOST_CONFIG, NOGHOST_PORT, ...
Every option of serve, by its name in capitals; noghost config show says what is in force.
.TP
.B XDG_DATA_HOME
Ledger, keys, templates and models lie in its folder noghost; \\(ti/.local/share unless it is set.
.TP
.B XDG_CACHE_HOME
Digests of models lie in its folder noghost; \\(ti/.cache unless it is set.
"""


def generate() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(section(context.command_path, told(context)) for context in contexts("noghost", cli))])


def generate_man() -> str:
    """The whole man page, in man(7)'s macros."""
    return MAN_HEAD + "".join(man_section(context) for context in contexts("noghost", cli)) + MAN_TAIL


def contexts(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Of a command and of everything under it, in the order of its own list."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        help_option_names=["-h", "--help"],
        terminal_width=WIDTH_CHARS,
        max_content_width=WIDTH_CHARS,
    )
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            if parent is None and not built(below):
                yield from contexts(below, click.Command(below, help=f"Pending. {COMMANDS[below]}"), context)
            elif found := command.get_command(context, below):
                yield from contexts(below, found, context)


def told(context: click.Context) -> str:
    """`--help`."""
    return context.command.get_help(context)


def built(command: str) -> bool:
    """Whether a command that the list names has its module yet."""
    return importlib.util.find_spec(f"noghost.cli.{command}") is not None


def section(title: str, text: str) -> str:
    """One command."""
    return f"## {title}\n\n```\n{text}\n```\n"


def man_section(context: click.Context) -> str:
    """One command: its usage, its text, its options, its examples."""
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f'.SS "{roff(context.command_path)}"', f".B {roff(usage)}", *man_text(command.help or "")]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:
            lines += [".TP", f".B {roff(record[0])}", roff(" ".join(record[1].split()))]
    if command.epilog:
        heading, *examples = [line.strip() for line in command.epilog.splitlines()[1:]]
        lines += [".PP", roff(heading), ".PP", ".nf", ".RS", *map(roff, examples), ".RE", ".fi"]
    return "\n".join(lines) + "\n"


def man_text(text: str) -> Iterator[str]:
    """Paragraphs, each on one line."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        yield from (".PP", roff(" ".join(paragraph.split())))


def roff(text: str) -> str:
    """So that nothing of it is taken for a request, and a hyphen stays one that can be copied."""
    escaped = "".join(ROFF.get(character, character) for character in text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")
    MAN_TARGET.parent.mkdir(exist_ok=True)
    MAN_TARGET.write_text(generate_man(), "utf-8")
