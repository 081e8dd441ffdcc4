"""`noghost chat` where no person sits: one question a line from standard input, answers as they come."""

from __future__ import annotations

import contextlib
import sys

from noghost.client.chat.facts import line_of
from noghost.client.chat.session import Session
from noghost.errors import NoghostError

PROMPT = "> "


def converse(session: Session, *, facts: bool) -> None:
    """Until the input ends. Raises NoghostError where an answer does not come, unless somebody types: then that ends
    the question, not the conversation."""
    if told := session.choose_model():
        tell(". ".join(told))
    while (question := asked()) is not None:
        if question.strip():
            answer(session, question, facts)


def asked() -> str | None:
    """One line; None at the end."""
    typed = sys.stdin.isatty()
    if typed:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  input() edits lines with it; their history is in memory alone
    try:
        return input(PROMPT if typed else "")
    except (EOFError, KeyboardInterrupt):
        return None


def answer(session: Session, question: str, facts: bool) -> None:
    """Print it as it comes."""
    try:
        if told := session.refresh():
            tell(told)
        with contextlib.closing(session.ask(question)) as pieces:
            for piece in pieces:
                sys.stdout.write(piece)
                sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stdout.write(" …\n")
        return
    except NoghostError as error:
        if not sys.stdin.isatty():
            raise
        tell(str(error))
        return
    sys.stdout.write("\n")
    if told := session.save():
        tell(told)
    if facts:
        print(line_of(session.talk.facts), file=sys.stderr)


def tell(text: str) -> None:
    """What is not an answer."""
    print(f"noghost: {text}", file=sys.stderr)
