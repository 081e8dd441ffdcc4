"""`noghost ask --fresh N`: the same question to N instances, side by side."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from noghost.cli.sealing import trust_for
from noghost.client.fresh.agreement import Agreement, Vector, agreement, between
from noghost.client.fresh.asking import Answer, Asking, answers, model_at, talk_with, vectors
from noghost.client.fresh.kept import keep, make_folder
from noghost.client.hunt.launch import own_service
from noghost.client.transcript.facts import stamp
from noghost.config import DEFAULT_CONTEXT_TOKENS, Config
from noghost.errors import ConfigError, HuntError
from noghost.instance.identity import fresh_seed
from noghost.instance.question import Question, material, messages
from noghost.title import take_title

MOST_SEED = 2**32 - 2
COLUMN = "  "


@dataclass(frozen=True, slots=True)
class Fresh:
    """What `--fresh` and the options beside it say."""

    count: int
    seed: int | None
    questions: Path | None
    url: str | None
    fingerprint: str | None
    sealed: bool
    service_key: Path | None
    transcripts: Path | None


@dataclass(frozen=True, slots=True, repr=False)  # no repr: it holds content
class Answered:
    """One question with all that was said to it."""

    question: str
    answers: tuple[Answer, ...]
    vectors: list[Vector | None]

    @property
    def agreement(self) -> Agreement:
        """How far the answers agree."""
        return agreement([answer.text for answer in self.answers], self.vectors)


def ask_fresh(config: Config, question: Question, fresh: Fresh) -> None:
    """Ask, and print each answer when it is there; with --json, all of it at the end."""
    take_title("noghost: ask")
    asked = questions_of(question, fresh)
    if fresh.transcripts:
        make_folder(fresh.transcripts)
    with service(config, fresh) as url:
        asking = asking_at(url, config, question, fresh)
        done = []
        for number, text in enumerate(asked, 1):
            files = fresh.transcripts / f"question-{number}" if fresh.transcripts else None
            done.append(ask_one(asking, text, files, shown=not question.as_json))
        if question.as_json:
            click.echo(json.dumps(as_json(asking, done), indent=2))
        elif (floor := between([one.vectors for one in done])) is not None:
            click.echo(f"for comparison: answers to different questions have a similarity of {floor:.3f} on average")


def ask_there(config: Config, question: Question, fresh: Fresh) -> None:
    """Ask a running service once, and print the answer as it comes; with --json, all of it at the end."""
    take_title("noghost: ask")
    (text,) = questions_of(question, fresh)
    with service(config, fresh) as url:
        asking = asking_at(url, config, question, fresh)
        if question.as_json:
            (answer,) = answers(asking, text)
            click.echo(json.dumps({"model": asking.model, **answer_json(answer)}, indent=2))
            return
        with talk_with(asking, asking.seeds[0]) as talk:
            for piece in talk.say(text):
                click.echo(piece, nl=False)
        click.echo()


def questions_of(question: Question, fresh: Fresh) -> list[str]:
    """What to ask: the command line's question, or each line of the file; standard input is the material of each."""
    read = material(question)
    lines = [question.instruction]
    if fresh.questions is not None:
        if question.instruction:
            raise ConfigError("a question, and a file of questions", "leave out one of them")
        try:
            lines = [line for line in fresh.questions.read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigError(f"could not read the questions: {reason.lower()}", "one question on each line") from None
        if not lines:
            raise ConfigError("the file of questions is empty", "write one question on each line")
    return [messages(replace(question, instruction=line), read)[-1]["content"] for line in lines]


@contextlib.contextmanager
def service(config: Config, fresh: Fresh) -> Iterator[str]:
    """The URL of the service that is named, or of one that exists only for this command."""
    said = click.get_current_context().get_parameter_source("ledger") is ParameterSource.COMMANDLINE
    own = said or config.unverified or config.without or config.context_tokens != DEFAULT_CONTEXT_TOKENS
    if fresh.url is not None:
        if own:
            hint = "--context, --ledger, --unverified and --without are for a service that this command starts"
            raise ConfigError("an option that the service at --url has its own of", hint)
        yield fresh.url
        return
    if fresh.fingerprint or fresh.sealed:
        hint = "the service that this command starts needs neither --fingerprint nor --sealed"
        raise ConfigError("what is for a service elsewhere, and no --url", hint)
    options = ["--context", str(config.context_tokens)]
    options += [word for model in config.models for word in ("--model", model)]
    options += ["--threads", str(config.threads)] if config.threads else []
    options += ["--ledger", str(config.ledger)] if config.ledger else []
    options += ["--unverified"] if config.unverified else []
    options += [word for step in config.without for word in ("--without", step)]
    with own_service(tuple(options), own_data=False) as url:
        yield url


def asking_at(url: str, config: Config, question: Question, fresh: Fresh) -> Asking:
    """The model is the one that is named, or the first that the service has."""
    key = os.environ.get("NOGHOST_API_KEY")
    named = config.models[0] if config.models and fresh.url else None
    seeds = [fresh_seed() if fresh.seed is None else (fresh.seed + at) % (MOST_SEED + 1) for at in range(fresh.count)]
    options: dict[str, Any] = {
        "temperature": question.temperature,
        "top_p": question.top_p,
        "max_tokens": question.max_tokens,
    }
    options |= {"stop": list(question.stops)} if question.stops else {}
    options |= {"noghost": {"threads": config.threads}} if config.threads else {}
    trust = trust_for(url, fresh.sealed, fresh.service_key)
    model = named or model_at(url, key, fresh.fingerprint, trust)
    return Asking(url, model, seeds, question.system or "", options, key, fresh.fingerprint, trust)


def ask_one(asking: Asking, question: str, files: Path | None, *, shown: bool) -> Answered:
    """Every answer to one question, then their vectors; where there are none, a line says why.

    `files` is what the names of the transcripts begin with.
    """
    found: list[Answer] = []
    if shown:
        click.echo(textwrap.shorten(plain(question), width(), placeholder=" …"))
    for answer in answers(asking, question):
        if shown:
            click.echo(row(answer, found))
        found.append(answer)
        if files:
            keep(files.with_name(f"{files.name}-answer-{len(found)}.md"), asking, question, answer)
    texts = [answer.text for answer in found]
    try:
        known = vectors(asking, texts)
    except HuntError as error:
        click.echo(f"noghost: no similarity: {error.message}", err=True)
        known = [None] * len(texts)
    done = Answered(question, tuple(found), known)
    if shown:
        click.echo(f"{COLUMN}{verdict(done.agreement)}\n")
    return done


def row(answer: Answer, before: list[Answer]) -> str:
    """Number, instance, and what it said, or which one before it said the same."""
    same = next((at for at, other in enumerate(before, 1) if other.text == answer.text), None)
    head = f"{len(before) + 1:>3}{COLUMN}{(answer.instance or '-')[:8]:<8}{COLUMN}"
    return wrapped(head, f"the same as {same}" if same else answer.text)


def wrapped(head: str, text: str) -> str:
    """In the width of the terminal."""
    return textwrap.fill(plain(text), width(), initial_indent=head, subsequent_indent=" " * len(head)) or head


def plain(text: str) -> str:
    """Without what could be a control sequence of the terminal's."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def width() -> int:
    """Of the terminal, in characters."""
    return max(40, shutil.get_terminal_size().columns)


def verdict(found: Agreement) -> str:
    """How far they agree, in one line."""
    words = f"{found.different} different, {found.same_pairs} of {found.pairs} pairs the same to the character"
    if found.similarity is None:
        return words
    return f"{words}; similarity {found.similarity:.3f} on average, {found.similarity_least:.3f} at least"


def as_json(asking: Asking, done: list[Answered]) -> dict[str, Any]:
    """Everything that is known."""
    return {
        "model": asking.model,
        "instances": len(asking.seeds),
        "options": {"system": asking.system, **asking.options},
        "questions": [
            {
                "question": one.question,
                "answers": [answer_json(answer) for answer in one.answers],
                "agreement": {**asdict(one.agreement), "exact": one.agreement.exact},
            }
            for one in done
        ],
        "similarity_between_questions": between([one.vectors for one in done]),
    }


def answer_json(answer: Answer) -> dict[str, Any]:
    """One answer."""
    return {
        "text": answer.text,
        "seed": answer.seed,
        "began": stamp(answer.began),
        "ended": stamp(answer.ended),
        "told": answer.told,
    }
