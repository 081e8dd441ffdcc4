"""`noghost ask`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noghost.cli.ahead import load_ahead, start_ahead
from noghost.cli.sealing import sealing
from noghost.cli.where import ledger_at, options
from noghost.config import DEFAULT_CONTEXT_TOKENS, Config
from noghost.errors import ConfigError

if TYPE_CHECKING:
    from noghost.instance.question import Question

DEFAULT_SYSTEM = "You are a helpful assistant."
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("question", required=False, default="")
@click.option("--model", metavar="PATH_OR_NAME", help="A GGUF file or a known name (default: the embedded model).")
@click.option("--system", default=DEFAULT_SYSTEM, show_default=True, help='What the model is told first; "": nothing.')
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of the answer.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.8, show_default=True, help="0 is greedy.")
@click.option("--top-p", type=click.FloatRange(0, 1), default=0.95, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 2), help="The same seed and threads, the same answer.")
@click.option("--stop", "stops", multiple=True, help="End the answer before this text; again for more.")
@click.option("--threads", type=int, default=0, help="Exactly so many threads (default: the free cores).")
@click.option("--context", "context_tokens", type=int, default=DEFAULT_CONTEXT_TOKENS, show_default=True)
@options
@click.option("--unverified", is_flag=True, help="Answer although this host cannot trace; the receipt says so.")
@click.option(
    "--without", multiple=True, metavar="STEP", help="Do without this step of the confinement; again for more."
)
@click.option("--json", "as_json", is_flag=True, help="The answer and all figures as one JSON object.")
@click.option(
    "--fresh",
    "count",
    metavar="N",
    type=click.IntRange(2, 1000),
    help="Ask N instances that know nothing of each other, and tell how far they agree.",
)
@click.option("--questions", metavar="FILE", type=FILE, help="With --fresh: ask each line of FILE.")
@click.option("--transcripts", metavar="DIR", type=FOLDER, help="With --fresh: each answer as a transcript in DIR.")
@click.option("--url", help="Ask this running service, http(s)://... or unix:PATH.")
@click.option("--fingerprint", metavar="SHA256", help="Of its certificate, as `noghost serve --tls` prints it.")
@sealing
def ask(
    question: str,
    model: str | None,
    system: str,
    max_tokens: int,
    temperature: float,
    top_p: float,
    seed: int | None,
    stops: tuple[str, ...],
    threads: int,
    context_tokens: int,
    ledger: Path | None,
    file: Path | None,
    unverified: bool,
    without: tuple[str, ...],
    as_json: bool,
    count: int | None,
    **fresh: Any,
) -> None:
    """Answer one question. With standard input as well, QUESTION is the instruction and standard input the material.

    A question on the command line is in the shell's history and, for a moment, in the process list; standard input
    is in neither.

    With --fresh the same question goes to N instances, one after another, each with a seed of its own: --seed and those
    that follow it, or random ones. With --fresh or --url this command holds what is said until it ends, unwiped; with
    --sealed nobody between it and the instance can read it.
    """
    reaper = None if count or any(fresh.values()) else start_ahead()
    if not all(stops):
        raise ConfigError("--stop is empty", "give the text to stop at")
    config = Config(
        models=(model,) if model else (),
        threads=threads,
        context_tokens=context_tokens,
        ledger=ledger_at(ledger, file),
        unverified=unverified,
        without=without,
    )
    from noghost.instance.identity import fresh_seed  # now, while the reaper imports too
    from noghost.instance.question import Question

    asked = Question(
        instruction=question,
        system=system,
        material=has_material(question, fresh["questions"]),
        temperature=temperature,
        top_p=top_p,
        seed=fresh_seed() if seed is None else seed,
        max_tokens=max_tokens,
        stops=stops,
        as_json=as_json,
    )
    if reaper is None:
        return ask_several(config, asked, count, seed=seed, **fresh)
    found, loading = load_ahead(config, asked.most_tokens())
    from noghost.cli.lived import finish
    from noghost.service import ask as run_ask

    return finish(run_ask(config, asked, reaper, found, loading), as_json)


def ask_several(config: Config, asked: Question, count: int | None, **fresh: Any) -> None:
    """`--fresh` and `--url`, from a module of its own: what it imports would make every other question wait."""
    from noghost.cli.fresh import Fresh, ask_fresh, ask_there

    if count:
        ask_fresh(config, asked, Fresh(count, **fresh))
    elif fresh["url"] and not (fresh["questions"] or fresh["transcripts"]):
        ask_there(config, asked, Fresh(1, **fresh))
    else:
        raise ConfigError("an option that belongs to --fresh or to --url", "add --fresh N, or --url URL")


def has_material(question: str, questions: Path | None) -> bool:
    """Standard input is material when it is a pipe or a file; alone on a terminal it is the question."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    if os.isatty(0):
        return not (question or questions)
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
