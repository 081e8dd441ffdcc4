"""`noghost ask`: an instance whose caller is a terminal. In the instance.

Covered: the prompt comes from the command's own memory and standard input, the answer goes to standard output;
neither crosses to another process of ours. Not covered: the terminal itself, and the shell's history.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from noghost.engine.generate import Chunk, Done, generate
from noghost.engine.loaded import Loaded
from noghost.engine.sampler import SamplingParams
from noghost.errors import NoghostError
from noghost.instance.life import Instance
from noghost.instance.question import Question, material, messages
from noghost.messages import Outcome, Told, pack

STDOUT = 1


@dataclass(frozen=True, slots=True)
class Threads:
    """Most threads, how many to use now, and how many always, where that was asked for."""

    most: int
    now: Callable[[], int]
    fixed: int | None = None


def answer(instance: Instance, loaded: Loaded, question: Question, told: socket.socket, threads: Threads) -> Outcome:
    """Read, answer, tell the figures; an error that the person can mend goes to standard error."""
    born_ns = time.monotonic_ns()
    try:
        return _answer(instance, loaded, question, told, threads, born_ns)
    except BrokenPipeError:
        return Outcome.DISCONNECTED
    except NoghostError as error:
        sys.stderr.write(f"noghost: {error}\n")
        return Outcome.REFUSED


def _answer(
    instance: Instance, loaded: Loaded, question: Question, told: socket.socket, threads: Threads, born_ns: int
) -> Outcome:
    tokens = loaded.model.tokenize_prompt(loaded.template.render(messages(question, material(question))))
    params = SamplingParams(temperature=question.temperature, top_p=question.top_p, seed=question.seed)
    items = generate(
        loaded.model,
        loaded.context,
        tokens,
        params,
        max_tokens=question.max_tokens,
        stops=question.stops,
        threads=threads.now,
    )
    instance.line.open(instance.identity.invocation, 0, None, threads=threads.fixed)
    loaded.context.start_threads(threads.most)
    first_ns, done = write_out(items, question.as_json, instance.line.sync)
    outcome = Outcome.ANSWERED
    instance.line.last_word(outcome, done.prompt_tokens, done.completion_tokens)
    figures = Told(
        instance.identity.invocation,
        outcome,
        born_ns,
        first_ns,
        int(done.decode_s * 1e6),
        done.prompt_tokens,
        done.completion_tokens,
        question.seed,
        done.finish_reason == "length",
    )
    told.send(pack(figures))
    return outcome


def write_out(items: Iterator[Chunk | Done], as_json: bool, seal: Callable[[], None]) -> tuple[int, Done]:
    """Stream to standard output, or write the beginning of one JSON object; (time of the first text, the end).

    `seal` is called before the last byte leaves.
    """
    first_ns = 0
    text: list[str] = []
    for item in items:
        first_ns = first_ns or time.monotonic_ns()
        if isinstance(item, Done):
            seal()
            write_all(b'{"answer":' + json.dumps("".join(text)).encode() if as_json else b"\n")
            return first_ns, item
        if as_json:
            text.append(item.text)
        else:
            write_all(item.text.encode())
    raise AssertionError("a generation ends with Done")


def write_all(data: bytes) -> None:
    """To standard output, unbuffered."""
    while data:
        data = data[os.write(STDOUT, data) :]
