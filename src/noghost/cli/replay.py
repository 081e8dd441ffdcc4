"""`noghost replay`: what the caller kept, computed again and compared."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from noghost.cli.blind import cannot_tell
from noghost.client.commitment import read_key
from noghost.client.receipts import default_seen_dir, verify_file
from noghost.client.replay import Asked, Result, read_answer, read_request
from noghost.client.replay import replay as run_replay
from noghost.errors import NoghostError

STATUS = {"the same": 0, "not the same": 1, "cannot tell": 2}
TIES = {
    "holds": "holds: the receipt is of this request",
    "broken": "broken: the receipt is of another request, or the key is another",
    "not checked": "not checked: give --commitment-key",
    "none": "none: nothing but your word ties this request to the receipt",
}
SEEDS = {
    "receipt": "the receipt's",
    "answer": "the answer's own: the receipt holds none",
    "request": "the request's own: neither receipt nor answer holds one",
    "none needed": "none needed: greedy",
}
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("receipt", metavar="RECEIPT", type=FILE)
@click.option("--request", "request_file", metavar="FILE", required=True, type=FILE, help="The body as it was sent.")
@click.option(
    "--answer",
    "answer_file",
    metavar="FILE",
    required=True,
    type=FILE,
    help="The answer as it came (JSON, or a stream of events), or its text.",
)
@click.option("--model", metavar="PATH_OR_NAME", help="The model's file.  [default: the default model]")
@click.option(
    "--commitment-key",
    metavar="FILE",
    type=FILE,
    help="The key of your commitment: see whether the receipt is of this request.",
)
@click.option("--key", "vkey", metavar="VKEY", help="The verifier key that must have signed RECEIPT.")
@click.option("--anyway", is_flag=True, help="Compare although something here is not as the receipt says.")
@click.option("--unverified", is_flag=True, help="Repeat although this host cannot trace.")
@click.option(
    "--without", multiple=True, metavar="STEP", help="Do without this step of the confinement; again for more."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def replay(
    receipt: Path,
    request_file: Path,
    answer_file: Path,
    model: str | None,
    commitment_key: Path | None,
    vkey: str | None,
    *,
    anyway: bool,
    unverified: bool,
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show that this model, build and seed give that answer.

    The receipt is verified, the request is sent again to a service that exists only for that, with the seed and the
    threads of the receipt, and the two answers are compared. Where the answers differ you are told at which character,
    and never what stands there.

    Nothing is claimed where model, release, build, processor or settings are not those of the receipt. Exit status: 0
    if the answers are the same, 1 if not, 2 if that could not be told.
    """
    try:
        opened = verify_file(receipt, default_seen_dir(), vkey=vkey).opened
        request, body = read_request(request_file)
        key = read_key(commitment_key) if commitment_key else None
        waived = ("--unverified",) * unverified + tuple(word for step in without for word in ("--without", step))
        asked = Asked(opened, request, body, read_answer(answer_file), model, key, anyway, waived)
        result = run_replay(asked)
    except NoghostError as error:
        cannot_tell(error, as_json=as_json)
    click.echo(json.dumps(asdict(result), indent=2) if as_json else render(result))
    sys.exit(STATUS[result.verdict])


def render(result: Result) -> str:
    """For people."""
    lines = [first_line(result)]
    lines += [f"  {one.name:<11}{one.meaning}: {one.then} then, {one.now} now" for one in result.differences]
    lines += [
        f"  receipt    {result.id}, verified",
        f"  commitment {TIES[result.commitment]}",
        f"  seed       {SEEDS[result.seed_from]}",
        f"  threads    {result.threads}",
    ]
    if result.threads == "free":
        lines.append("             the request did not fix them: another number may have computed then")
    return "\n".join(lines)


def first_line(result: Result) -> str:
    """The verdict and where."""
    if result.commitment == "broken":
        return "not the same: the commitment of the receipt is not to this request"
    if result.at is not None:
        kept, repeated = result.kept_characters, result.repeated_characters
        where = f"the first difference is at character {result.at} (kept: {kept}, repeated: {repeated})"
        return f"{result.verdict}: {where}"
    if result.verdict == "cannot tell":
        return "cannot tell: what is here is not what the receipt says; --anyway compares all the same"
    return f"the same: {result.kept_characters} characters"
