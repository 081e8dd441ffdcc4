"""`noghost verify`: every turn of a transcript against the receipts in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from noghost.cli.blind import cannot_tell
from noghost.cli.where import ledger_at, options
from noghost.client.receipts import default_seen_dir, ledger_if_any
from noghost.client.transcript import TranscriptFile
from noghost.client.verification import Account, Trust, account_of, repeat
from noghost.client.verified import log_lines, logs_of
from noghost.errors import NoghostError

STATUS = {"holds": 0, "broken": 1, "cannot tell": 2, "no receipt": 2}
WORDS = {"holds": "hold", "broken": "do not", "cannot tell": "cannot be told", "no receipt": "without a receipt"}


@click.command()
@click.argument("transcript", metavar="FILE.md", type=click.Path(path_type=Path))
@options
@click.option("--key", "vkey", metavar="VKEY", help="The verifier key that must have signed the receipts.")
@click.option("--replay", is_flag=True, help="Compute every answer again as well, and compare.")
@click.option("--model", metavar="PATH_OR_NAME", help="For --replay: the model's file.  [default: the default model]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    transcript: Path,
    ledger: Path | None,
    file: Path | None,
    vkey: str | None,
    model: str | None,
    *,
    replay: bool,
    as_json: bool,
) -> None:
    """Check every turn of a transcript against the receipts in it. Nobody is asked: all is in the file.

    Of each receipt the signature, the proofs, and the checkpoints of its log that were seen before, here or elsewhere;
    then the commitments against the text of question and answer. A changed character is found, and so is a turn that
    was taken out, put in or moved. A turn from another program has no receipt, which is no error.

    Not found: turns that were taken from the end; and where the key is taken from the file itself, a file that was made
    up as a whole. Exit status: 0 if every turn holds for which there is a receipt, 1 if one does not, 2 if that could
    not be told.
    """
    try:
        account = accounted(transcript, ledger_at(ledger, file), vkey, model, replay=replay)
    except NoghostError as error:
        cannot_tell(error, as_json=as_json)
    click.echo(json.dumps(facts_of(account), indent=2) if as_json else "\n".join(lines_of(account)))
    sys.exit(STATUS[account.verdict])


def accounted(file: Path, folder: Path, vkey: str | None, model: str | None, *, replay: bool) -> Account:
    """Every row, with the ledger in `folder` if there is one. Raises TranscriptError."""
    transcript = TranscriptFile(file).read()
    with ledger_if_any(folder) as ledger:
        account = account_of(transcript, Trust(default_seen_dir(), ledger, vkey))
    return repeat(account, transcript, model) if replay else account


def lines_of(account: Account) -> Iterator[str]:
    """For people: a line a turn, then the verdict, then each log."""
    for row in account.rows:
        state = row.state if row.repeated is None else f"{row.state}, repeated: {row.repeated}"
        yield f"{row.number:>4}  {row.role:<9}  {state}: {row.why}"
    yield verdict_of(account)
    for told in logs_of(account.receipts):
        yield from log_lines(told)


def verdict_of(account: Account) -> str:
    """One line."""
    counts = {words: sum(row.state == state for row in account.rows) for state, words in WORDS.items()}
    told = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return f"{account.verdict}: {told or 'there are no turns'}"


def facts_of(account: Account) -> dict[str, object]:
    """For programs."""
    logs = [asdict(one) for one in logs_of(account.receipts)]
    return {"verdict": account.verdict, "turns": [asdict(row) for row in account.rows], "logs": logs}
