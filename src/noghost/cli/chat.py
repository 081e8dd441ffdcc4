"""`noghost chat`: talk with a running service; the conversation is in this process alone."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from noghost.client.conversation import Conversation
from noghost.config import DEFAULT_HOST, DEFAULT_PORT
from noghost.errors import HuntError

DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
PROMPT = "> "


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The service, with or without /v1, or unix:PATH.")
@click.option("--fingerprint", metavar="SHA256", help="Of the certificate, as `noghost serve --tls` prints it.")
@click.option("--model", default="default", show_default=True, help="The model to ask for.")
@click.option("--system", default="", help="What the model is told first.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.8, show_default=True, help="0 is greedy.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of each answer.")
@click.option("--facts", is_flag=True, help="After each answer, its figures on standard error.")
def chat(
    url: str, fingerprint: str | None, model: str, system: str, temperature: float, max_tokens: int, facts: bool
) -> None:
    """Talk with a running service. Ctrl-C ends an answer, Ctrl-D the conversation, which nobody has kept then.

    Each answer is a process of its own in the service, which forgets all of it. Where the service is on this machine,
    an answer brings a capsule, its state sealed under a key of this process, and the next question takes it back, so
    that what was said before is not computed again. The API key is read from NOGHOST_API_KEY.
    """
    key = os.environ.get("NOGHOST_API_KEY")
    talk = Conversation(
        url,
        model=model,
        system=system,
        api_key=key,
        fingerprint=fingerprint,
        temperature=temperature,
        max_tokens=max_tokens,
    )
    with talk:
        while (question := asked()) is not None:
            if question.strip():
                answer(talk, question, facts)


def asked() -> str | None:
    """One line from the terminal or a pipe; None at its end."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  input() edits lines with it; their history is in memory alone
    try:
        return input(PROMPT if sys.stdin.isatty() else "")
    except (EOFError, KeyboardInterrupt):
        return None


def answer(talk: Conversation, question: str, facts: bool) -> None:
    """Print it as it comes. One that does not come ends that question, not the conversation."""
    try:
        with contextlib.closing(talk.say(question)) as pieces:
            for piece in pieces:
                sys.stdout.write(piece)
                sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stdout.write(" …")
    except HuntError as error:
        click.echo(f"noghost: {error}", err=True)
        if not sys.stdin.isatty():
            sys.exit(1)
    sys.stdout.write("\n")
    if facts:
        click.echo(line_of(talk.facts), err=True)


def line_of(told: dict[str, object]) -> str:
    """What the service told of its answer, and nobody else."""
    names = ("instance", "prompt_tokens", "capsule_tokens", "prefill_ms", "first_token_ms", "tokens_per_second")
    return ", ".join(f"{name} {told[name]}" for name in names if name in told)
