"""The examples in `--help`, and the completion that click gives, in real shells."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from noghost.cli.examples import EXAMPLES
from noghost.cli.main import cli

ANSWER_S = 60.0
HOW = {
    "bash": 'eval "$(_NOGHOST_COMPLETE=bash_source noghost)"',
    "zsh": 'autoload -U compinit; compinit -u; eval "$(_NOGHOST_COMPLETE=zsh_source noghost)"',
}
START = {"bash": ("bash", "--norc", "--noprofile", "-i"), "zsh": ("zsh", "-f", "-i")}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """(names, command) of everything there is, the root first."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name))


ALL = dict(commands(cli))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_ends_with_an_example_of_its_own(path: tuple[str, ...]) -> None:
    context = click.Context(ALL[path], info_name=" ".join(("noghost", *path)))
    _, found, examples = ALL[path].get_help(context).rpartition("Examples:")
    assert found, "add a line to EXAMPLES in cli/examples.py"
    assert all(line.split()[: 1 + len(path)] == ["noghost", *path] for line in examples.strip().splitlines())


def test_no_example_is_of_a_command_that_is_gone() -> None:
    assert {" ".join(path) for path in ALL} >= EXAMPLES.keys()


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_every_example_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed as the shell and click do, in a folder where the files that it names are."""
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(line.partition(" < ")[0].partition(" > ")[0])
    assert program == "noghost"
    for word in words:
        if "." in word and "/" not in word.lstrip("./"):
            Path(word).touch()
    understood(cli, words)


def understood(command: click.Command, words: list[str]) -> None:
    """Raises click's UsageError for what a command, or one under it, does not know."""
    if isinstance(command, click.Group) and words and (below := command.get_command(click.Context(command), words[0])):
        understood(below, words[1:])
        return
    with command.make_context("noghost", words):
        pass


def test_an_example_that_is_not_understood_is_found() -> None:
    for wrong in (["serve", "--no-such-option"], ["keys", "add"], ["models", "prepare", "--type", "q9"]):
        with pytest.raises(click.UsageError):
            understood(cli, wrong)


@pytest.fixture
def noghost(tmp_path: Path) -> dict[str, str]:
    """An environment in which `noghost` is this code."""
    program = tmp_path / "bin" / "noghost"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m noghost.cli.main "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "dumb", "HISTFILE": "/dev/null"}


class Typing:
    """An interactive shell in a terminal of its own."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str]) -> None:
        self._terminal, inner = pty.openpty()
        self._shell = subprocess.Popen(
            command, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
        )
        os.close(inner)
        self._seen = b""

    def type(self, keys: str, wanted: str) -> None:
        """Keys, and then that text on the screen; AssertionError with the screen when it does not come."""
        os.write(self._terminal, keys.encode())
        until = time.monotonic() + ANSWER_S
        self._seen = b""
        while wanted.encode() not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{wanted!r} did not come: {self._seen!r}"
            self._seen += os.read(self._terminal, 4096)

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._terminal)


@pytest.mark.slow
@pytest.mark.parametrize("shell", START)
def test_the_tab_key_completes(shell: str, noghost: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    typing = Typing(START[shell], noghost)
    try:
        typing.type(f"{HOW[shell]}; echo re''ady\r", "ready")
        typing.type("noghost mod\t", "noghost models ")
        typing.type("pre\t", "prepare ")
        typing.type("--ty\t", "--type ")
    finally:
        typing.close()


@pytest.mark.slow
def test_fish_completes(noghost: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    typed = "_NOGHOST_COMPLETE=fish_source noghost | source; complete -C 'noghost mod'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", typed], env=noghost, capture_output=True, text=True, timeout=ANSWER_S
    )
    assert done.stdout.split("\t")[0].strip() == "models", done.stderr
