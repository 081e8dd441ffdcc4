"""`noghost chat`: talk with a running service; the conversation is in this process alone, or in a file of yours."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from noghost.cli.sealing import sealing, trust_for
from noghost.client.chat import pipe
from noghost.client.chat.keeper import DEFAULT
from noghost.client.chat.session import Session
from noghost.client.conversation import Conversation
from noghost.config import DEFAULT_HOST, DEFAULT_PORT

DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
EXTRA = ("prompt_toolkit", "rich")
WITHOUT = "a plain terminal: pip install 'noghost[chat]' for an editor, Markdown and commands"


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE.md]")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The service, with or without /v1, or unix:PATH.")
@click.option("--fingerprint", metavar="SHA256", help="Of the certificate, as `noghost serve --tls` prints it.")
@sealing
@click.option("--model", help="The model to ask for. Default: the one of FILE's title, else the service's first.")
@click.option("--system", default="", help="What the model is told first.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.8, show_default=True, help="0 is greedy.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of each answer.")
@click.option("--no-gap", is_flag=True, help="Tell the model nothing of the time and of how long there was nothing.")
@click.option("--facts", is_flag=True, help="After each answer, its figures.")
def chat(
    file: Path | None,
    url: str,
    fingerprint: str | None,
    sealed: bool,
    service_key: Path | None,
    model: str | None,
    system: str,
    temperature: float,
    max_tokens: int,
    no_gap: bool,
    facts: bool,
) -> None:
    """Talk with a running service. Ctrl-C ends an answer and its instance, Ctrl-D the conversation; /help says more.

    Each answer is a process of its own in the service, which forgets all of it. Without FILE.md nobody keeps the
    conversation; with it, each turn is appended to that transcript, which the next `noghost chat FILE.md` goes on with.
    Then the new instance is told the time, and how long there was nothing.

    Where the service is on this machine, an answer brings a capsule, its state sealed under a key of this process, and
    the next question takes it back, so that what was said before is not computed again. From a pipe, each line is a
    question. The API key is read from NOGHOST_API_KEY.
    """
    talk = Conversation(
        url,
        model=model or DEFAULT,
        api_key=os.environ.get("NOGHOST_API_KEY"),
        fingerprint=fingerprint,
        trust=trust_for(url, sealed, service_key),
        temperature=temperature,
        max_tokens=max_tokens,
    )
    with talk:
        converse(Session(talk, path=file, system=system, tells_gap=not no_gap), facts)


def converse(session: Session, facts: bool) -> None:
    """At a terminal, or from a pipe."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        pipe.converse(session, facts=facts)
    elif not all(map(find_spec, EXTRA)):
        pipe.tell(WITHOUT)
        pipe.converse(session, facts=facts)
    else:
        from noghost.client.chat.terminal import Terminal  # with prompt_toolkit and rich: only where they are used

        Terminal(session, facts=facts).converse()
