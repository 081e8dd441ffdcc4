"""The log is a closed list of events with numbers, and nothing else of ours speaks: no print, no logging, no traceback.

Covered: every call and import under src/noghost by the names that Python's ways to print have. Not covered: a name
that is put together at run time, a descriptor in a variable (pipes and files of our own are written to so), and what
native code prints (an instance's streams go nowhere: instance/sandbox.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from noghost.log import Event, log

SOURCE = Path(__file__).parents[1] / "src"
SPEAKING_MODULES = {"logging", "syslog", "traceback", "warnings", "faulthandler", "pprint"}
SPEAKING_NAMES = {"print", "breakpoint", "input", "click.echo", "click.secho", "click.prompt"}
STREAMS = re.compile(r"(sys\.)?(__)?(stdout|stderr)(__)?\b")

# (module, or a folder's modules with a dot at the end; what it may call; why)
ALLOWED = (
    ("noghost.log", "print", "the log"),
    ("noghost.log", "sys.stderr", "where it goes"),
    ("noghost.cli.", "click.echo", "a command's answer to the person who called it; it has served nobody"),
    ("noghost.cli.", "click.secho", "as click.echo"),
    ("noghost.cli.", "sys.stdout", "as click.echo"),
    ("noghost.cli.", "sys.stderr", "as click.echo"),
    ("noghost.client.chat.pipe", "input", "asks the person who called it for the next question"),
    ("noghost.client.chat.pipe", "print", "the answer's figures and what went wrong, to that person"),
    ("noghost.client.chat.pipe", "sys.stdout", "the answer, to that person"),
    ("noghost.client.chat.pipe", "sys.stderr", "as print"),
    ("noghost.client.batch.on_ray", "sys.stderr", "what Ray itself tells of its nodes, for the person who called it"),
    ("noghost.cli.main", "print", "the one message of an error that ended a command"),
    ("noghost.api.audio_schema", "input", "the name of a field of OpenAI's"),
    ("noghost.api.embedding_schema", "input", "the name of a field of OpenAI's"),
    ("noghost.api.response_schema", "input", "the name of a field of OpenAI's"),
    ("noghost.api.realtime.schema", "input", "the name of fields of OpenAI's"),
    ("noghost.api.message_schema", "input", "the name of a field of Anthropic's"),
    ("noghost.api.connection", "logging", "switches uvicorn's off"),
    ("noghost.otlp.exporter", "logging", "switches OpenTelemetry's off"),
    ("noghost.instance.life", "sys.stderr", "`noghost ask`: a host that cannot confine it, before anything is read"),
    ("noghost.instance.terminal", "os.write", "`noghost ask`: the answer, to its caller's terminal"),
    ("noghost.instance.terminal", "sys.stderr", "`noghost ask`: what its caller can mend"),
    ("noghost.reaper.fork", "print", "an error of ours that ends the reaper, which never has content"),
    ("noghost.reaper.fork", "sys.stderr", "as print"),
    ("noghost.reaper.fork", "traceback", "a fault of ours that ends the reaper, which never has content"),
)


def read_tree(source: Path) -> dict[str, ast.Module]:
    """Module name to its parsed text."""
    found = {}
    for path in sorted((source / "noghost").rglob("*.py")):
        name = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def ways_to_speak(tree: ast.Module) -> Iterator[str]:
    """Every way in which a module can say something, by the name under which ALLOWED has it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in SPEAKING_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {node.module.split(".")[0], *(f"{node.module}.{alias.name}" for alias in node.names)}
            yield from names & (SPEAKING_MODULES | SPEAKING_NAMES | {"sys.stdout", "sys.stderr"})
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("os.write"):
            if isinstance(node.args[0], ast.Constant) or ast.unparse(node.args[0]).isupper():  # 2, STDOUT
                yield "os.write"
        elif isinstance(node, (ast.Attribute, ast.Name)):
            text = ast.unparse(node)
            if text in SPEAKING_NAMES:
                yield text
            elif STREAMS.match(text) and text.startswith("sys."):
                yield ".".join(text.split(".")[:2])


def not_allowed(trees: Mapping[str, ast.Module]) -> list[str]:
    """Everything that speaks without a reason."""
    return sorted(
        {
            f"{name}: {way}"
            for name, tree in trees.items()
            for way in ways_to_speak(tree)
            if not any(covers(place, name) and what == way for place, what, _ in ALLOWED)
        }
    )


def covers(place: str, name: str) -> bool:
    return name.startswith(place) if place.endswith(".") else name == place


def open_calls_of_log(trees: Mapping[str, ast.Module]) -> list[str]:
    """Calls of `log` with anything but an Event's member by name and keywords by name."""
    found = []
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("log", "log.log"):
                member = [getattr(Event, ast.unparse(one).removeprefix("Event."), None) for one in node.args]
                closed = len(member) == 1 and member[0] and all(keyword.arg for keyword in node.keywords)
                if not closed:
                    found.append(f"{name}: {ast.unparse(node)}")
    return found


TREES = read_tree(SOURCE)


def test_nothing_but_the_log_speaks() -> None:
    assert not_allowed(TREES) == []


def test_every_permission_is_still_needed() -> None:
    spoken = {(name, way) for name, tree in TREES.items() for way in ways_to_speak(tree)}
    unused = [
        (place, what)
        for place, what, _ in ALLOWED
        if not any(covers(place, name) and way == what for name, way in spoken)
    ]
    assert set(unused) <= {("noghost.cli.", "click.secho")}


def test_the_log_is_called_with_members_of_its_list_alone() -> None:
    assert open_calls_of_log(TREES) == []
    calls = sum(ast.unparse(tree).count("log(Event.") for tree in TREES.values())
    assert calls >= 6, "the reader found the calls"


@pytest.mark.parametrize(
    "text",
    [
        "print('secret')",
        "import logging",
        "from logging import getLogger",
        "def f():\n    import traceback",
        "import sys\nsys.stderr.write('secret')",
        "import sys\nsys.__stdout__.buffer.write(b'secret')",
        "from sys import stderr",
        "import os\nos.write(2, b'secret')",
        "speak = print",
        "import click\nclick.echo('secret')",
        "import warnings\nwarnings.warn('secret')",
    ],
)
def test_control_what_speaks_is_found(text: str) -> None:
    assert not_allowed({"noghost.api.chat": ast.parse(text)}) != []


@pytest.mark.parametrize(
    "text",
    ["log(message)", "log('text')", "log(Event.NEVER)", "log(Event.LOST, **fields)", "log.log(Event.LOST, text)"],
)
def test_control_an_open_call_is_found(text: str) -> None:
    assert open_calls_of_log({"noghost.api.chat": ast.parse(text)}) != []


def test_the_log_takes_events_and_whole_numbers_only(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, numbers in (
        (("secret",), {}),
        ((Event.LOST,), {"count": "secret"}),
        ((Event.LOST,), {"count": b"7"}),
        ((Event.LOST,), {"count": "7"}),
        ((Event.LOST,), {"count": 7.5}),
        ((Event.LOST,), {"count": None}),
    ):
        with pytest.raises(TypeError) as told:
            log(*arguments, **numbers)  # type: ignore[arg-type]  # meant to be refused
        assert "secret" not in str(told.value)
    assert capsys.readouterr() == ("", "")
    log(Event.LOST, count=3)
    assert re.fullmatch(r"noghost: lost: count=3 [a-z ,;']+\n", capsys.readouterr().err)


def test_no_event_has_room_for_more_than_its_own_words() -> None:
    assert len({event.value for event in Event}) == len(Event)
    for event in Event:
        assert re.fullmatch(r"[A-Z_]+", event.name)
        assert not set(event.value) & set("{}%\n"), "no place for a field in the text"
