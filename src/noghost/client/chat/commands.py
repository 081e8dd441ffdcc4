"""What a person can say to the chat itself: lines that begin with a slash, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from noghost.client.chat.evidence import hunted, shown
from noghost.client.chat.export import export
from noghost.client.chat.screen import Screen
from noghost.client.chat.session import Session
from noghost.errors import ConfigError

OFF = "off"
ON = "on"


class Terminal(Protocol):
    """What a command may do with the terminal (terminal.py)."""

    session: Session
    screen: Screen

    def answer(self, text: str, seed: int | None = None) -> str:
        """Ask, and show the answer; the text again where there was none."""

    def show_last(self) -> None:
        """The last turns of the branch."""

    def say_branch(self) -> None:
        """Which branch it is, where there are several."""


@dataclass(frozen=True, slots=True)
class Command:
    """`run` takes what follows the name, and gives what the editor is to begin with."""

    usage: str
    says: str
    run: Callable[[Terminal, str], str]


def edit(terminal: Terminal, argument: str) -> str:
    """A question back in the editor."""
    text = terminal.session.take_back(number(argument, "question"))
    terminal.say_branch()
    return text


def retry(terminal: Terminal, argument: str) -> str:
    """The last question again."""
    seed = number(argument, "seed")
    text = terminal.session.take_back()
    terminal.say_branch()
    terminal.screen.question(text)
    return terminal.answer(text, seed)


def branch(terminal: Terminal, argument: str) -> str:
    """List them, go to one, or begin one here."""
    session = terminal.session
    if argument == "new":
        session.fork()
    elif argument:
        session.switch(number(argument, "branch") or 0)
        terminal.show_last()
    for at, one in enumerate(session.branches):
        asked = len(one.questions())
        place = f", {one.path}" if one.path else ""
        here = "  (here)" if at == session.current else ""
        terminal.screen.note(f"{at + 1}: {asked} question{'s' * (asked != 1)}{place}{here}")
    return ""


def model(terminal: Terminal, argument: str) -> str:
    """List them, or ask another from now on."""
    session = terminal.session
    there = session.models()
    if argument and argument not in there:
        raise ConfigError(f"the service has no model {argument}", f"it has: {', '.join(there)}")
    if argument:
        session.model = argument
    for name in there:
        terminal.screen.note(f"{name}{'  (asked)' * (name == session.model)}")
    return ""


def system(terminal: Terminal, argument: str) -> str:
    """Show it, change it, or do without."""
    if argument:
        terminal.session.set_system("" if argument == OFF else argument)
        terminal.say_branch()
    terminal.screen.note(f"the model is told first: {terminal.session.system or 'nothing'}")
    return ""


def capsule(terminal: Terminal, argument: str) -> str:
    """What the next question brings."""
    talk = terminal.session.talk
    if argument in (ON, OFF):
        talk.wants_capsules = argument == ON
    elif argument:
        raise ConfigError(f"/capsule {argument}", "/capsule, /capsule on or /capsule off")
    spared, prompt = talk.facts.get("capsule_tokens", 0), talk.facts.get("prompt_tokens", 0)
    if not talk.wants_capsules:
        terminal.screen.note("no capsules: switched off, not worth their way, or none of this service's")
    elif not talk.capsule_bytes:
        terminal.screen.note("no capsule yet: the next answer brings one")
    else:
        terminal.screen.note(
            f"the next question brings a capsule of {talk.capsule_bytes / 1e3:,.0f} kB, sealed under a key of this "
            f"process; the last one spared {spared} of {prompt} prompt tokens"
        )
    return ""


def receipt(terminal: Terminal, argument: str) -> str:
    """Fetch and verify."""
    terminal.screen.table(shown(terminal.session, number(argument, "answer")))
    return ""


def keep(terminal: Terminal, argument: str) -> str:
    """Write the branch to a new file."""
    if not argument:
        raise ConfigError("/export, and no file", "/export notes.md, or notes.json for OpenAI's messages")
    path = Path(argument).expanduser()
    export(terminal.session.transcript(), path)
    terminal.screen.note(f"written: {path}")
    return ""


def hunt(terminal: Terminal, _: str) -> str:
    """Say a canary, and look for it."""
    terminal.screen.note("saying a canary to the service, then searching its memory for it: some seconds")
    terminal.screen.table(hunted(terminal.session))
    return ""


def help_(terminal: Terminal, _: str) -> str:
    """All of it."""
    width = max(len(command.usage) for command in COMMANDS.values())
    for command in COMMANDS.values():
        terminal.screen.note(f"{command.usage:{width}}  {command.says}")
    terminal.screen.note("")
    terminal.screen.note("Enter sends. Alt-Enter or Ctrl-J begins a line. Arrow up brings back what was written.")
    terminal.screen.note("Ctrl-C ends an answer and its instance at once, or clears what is written. Ctrl-D ends all.")
    terminal.screen.note("A line that is to be said and begins with a slash: put a space before it.")
    return ""


def quit_(_terminal: Terminal, _: str) -> str:
    """The end."""
    raise EOFError


COMMANDS = {
    "/edit": Command("/edit [N]", "your last question, or the Nth, back in the editor: begins a branch", edit),
    "/retry": Command("/retry [SEED]", "the last question again, with another seed or this one", retry),
    "/branch": Command("/branch [N|new]", "list the branches, go to one, or begin one here", branch),
    "/model": Command("/model [NAME]", "list the models, or ask another from now on", model),
    "/system": Command("/system [TEXT|off]", "show, change or drop what the model is told first", system),
    "/capsule": Command("/capsule [on|off]", "what the next question spares the service", capsule),
    "/receipt": Command("/receipt [N]", "verify the receipt of the last answer, or of the Nth", receipt),
    "/export": Command("/export FILE", "write this branch to a new file: .md, or .json for OpenAI's messages", keep),
    "/hunt": Command("/hunt", "search the service's memory for what one says to it", hunt),
    "/help": Command("/help", "this", help_),
    "/quit": Command("/quit", "end the conversation, as Ctrl-D does", quit_),
}


def number(argument: str, of_what: str) -> int | None:
    """None for no argument; raises ConfigError for what is no number."""
    if not argument:
        return None
    if not argument.isascii() or not argument.isdigit():
        raise ConfigError(f"{argument} is no {of_what}", "give its number")
    return int(argument)


def run(terminal: Terminal, line: str) -> str:
    """Do what a line says; what the editor is to begin with. Raises NoghostError, EOFError at the end."""
    name, _, argument = line.strip().partition(" ")
    if name not in COMMANDS:
        raise ConfigError(f"there is no command {name}", "/help lists them; to say this line, put a space before it")
    return COMMANDS[name].run(terminal, argument.strip())
