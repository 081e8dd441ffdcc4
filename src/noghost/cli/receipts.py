"""`noghost receipts`: list invocations, show a receipt, verify one or the whole ledger."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from noghost.cli.where import ledger_at, options
from noghost.client import receipts as client
from noghost.client import witnessed
from noghost.client.bundle import read_bundle, verify_all
from noghost.client.verification import Trust
from noghost.client.verified import in_words, log_lines, logs_of
from noghost.errors import ConfigError, NoghostError
from noghost.ledger.entry import Ended, bucket_range
from noghost.ledger.keys import COSIGNATURE, Verifier
from noghost.ledger.receipt import Receipt, Verified
from noghost.ledger.store import Ledger

P = ParamSpec("P")

_HEAD = ("ID", "OPENED", "OUTCOME", "WIPE", "PAGES", "VERIFIED", "PROMPT", "ANSWER")


@dataclass(frozen=True)
class Options:
    """Where the ledger and the memory are, and how to print."""

    ledger_dir: Path
    as_json: bool

    def open(self) -> Ledger:
        return client.open_existing(self.ledger_dir)


def _reported(command: Callable[Concatenate[Options, P], None]) -> Callable[P, None]:
    """Print a failure with its reason and hint, and exit with status 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        options: Options = click.get_current_context().obj
        try:
            command(options, *args, **kwargs)
        except NoghostError as error:
            if options.as_json:
                click.echo(json.dumps({"ok": False, "reason": error.message, "hint": error.hint}))
            else:
                click.echo(f"error: {error}", err=True)
            raise SystemExit(1) from None

    return run


@click.group(invoke_without_command=True)
@options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def receipts(context: click.Context, ledger: Path | None, file: Path | None, as_json: bool) -> None:
    """List the invocations in the ledger, newest last.

    PAGES and VERIFIED are memory pages wiped and read back as zero; PROMPT and ANSWER are tokens. The
    ledger keeps powers of two only.
    """
    context.obj = Options(ledger_at(ledger, file), as_json)
    if context.invoked_subcommand is None:
        _list()


@_reported
def _list(options: Options) -> None:
    with closing(options.open()) as ledger:
        rows = client.list_rows(ledger.entries())
    if options.as_json:
        click.echo(json.dumps([_row_json(row) for row in rows], indent=2))
        return
    table = [_HEAD, *map(_row_cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_HEAD))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@receipts.command()
@click.argument("invocation_id", metavar="ID")
@_reported
def show(options: Options, invocation_id: str) -> None:
    """Print the receipt of ID (or of its first 6 digits or more)."""
    with closing(options.open()) as ledger:
        receipt = ledger.receipt(ledger.find(invocation_id))
    click.echo(json.dumps({"receipt": receipt.render()}) if options.as_json else receipt.render(), nl=False)


@receipts.command()
@click.option(
    "--witness", "url", metavar="URL", help="Have it cosigned by the witness there, and keep the cosignature."
)
@click.option("--witness-key", metavar="VKEY", help="The key of that witness, as `noghost witness` prints it.")
@click.option("--fingerprint", metavar="SHA256", help="Of the witness's certificate.  [default: an authority's]")
@_reported
def checkpoint(options: Options, url: str | None, witness_key: str | None, fingerprint: str | None) -> None:
    """Sign the ledger as it is and print that; the ledger's key, which a witness needs, goes to standard error.

    With --witness, also have it cosigned by a witness, who sees its size and hashes. The cosignature is kept beside
    the ledger's checkpoint, for `noghost receipts verify --witness-key`.
    """
    if (url is None) != (witness_key is None):
        raise ConfigError("only one of --witness and --witness-key is given", "give both, or neither")
    with closing(options.open()) as ledger:
        found = witnessed.submit(ledger, url, _witness(witness_key), fingerprint) if url and witness_key else None
        signed, vkey = ledger.checkpoint(), ledger.vkey
    if options.as_json:
        told = {"ok": True, "checkpoint": signed, "vkey": vkey, **_witnessed_json(found)}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(_witnessed_text(found) if found else signed, nl=bool(found))
        click.echo(f"key {vkey}", err=True)


@receipts.command()
@click.argument("target", metavar="[ID|FILE]", required=False)
@click.option("--key", "vkey", metavar="VKEY", help="The verifier key that must have signed FILE.")
@click.option("--witness-key", metavar="VKEY", help="A witness that must have cosigned the ledger with it in it.")
@_reported
def verify(options: Options, target: str | None, vkey: str | None, witness_key: str | None) -> None:
    """Verify a receipt by its ID or from a FILE; without either, the whole ledger.

    FILE may hold several receipts, of one log or of many, as `noghost map` collects them: each is verified, and that
    those of one log show one history. The checkpoint is kept, and the next one is compared with it. Exit status 1 means
    that something does not hold.
    """
    if target is None:
        _verify_all(options, witness_key)
        return
    is_file = Path(target).is_file()
    if is_file and len(receipts := read_bundle(Path(target))) > 1:
        _verify_bundle(options, receipts, vkey, witness_key)
        return
    verified = _verify_file(options, Path(target), vkey) if is_file else _verify_id(options, target)
    found = _check_witnessed(options, witness_key, verified) if witness_key else None
    if options.as_json:
        click.echo(json.dumps(_verified_json(verified) | _witnessed_json(found), indent=2))
    else:
        click.echo("\n  ".join([in_words(verified), *([_witnessed_text(found)] if found else [])]))


def _witness(vkey: str) -> Verifier:
    return Verifier.parse(vkey, COSIGNATURE)


def _check_witnessed(options: Options, witness_key: str, verified: Verified) -> witnessed.Cosigned:
    with closing(options.open()) as ledger:
        found = witnessed.check(ledger, _witness(witness_key))
        witnessed.check_covers(ledger, found, verified.checkpoint, verified.index)
        return found


def _witnessed_text(found: witnessed.Cosigned) -> str:
    when = datetime.fromtimestamp(found.time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"witness  {found.witness} cosigned {found.checkpoint.size} entries at {when}"


def _witnessed_json(found: witnessed.Cosigned | None) -> dict[str, object]:
    if found is None:
        return {}
    return {"witness": {"name": found.witness, "size": found.checkpoint.size, "time_s": found.time_s}}


def _verify_all(options: Options, witness_key: str | None) -> None:
    with closing(options.open()) as ledger:
        client.check_ledger(ledger, client.default_seen_dir())
        result = ledger.verify_all()
        client.remember(client.default_seen_dir(), ledger.vkey, ledger.checkpoint())
        found = witnessed.check(ledger, _witness(witness_key)) if witness_key else None
    facts = {"ok": True, "entries": result.size, "signed": result.signed, "root": result.root.hex()}
    text = f"ok: {result.size} entries, {result.signed} of them signed; every tile and the root match"
    lines = [text, *([_witnessed_text(found)] if found else [])]
    click.echo(json.dumps(facts | _witnessed_json(found), indent=2) if options.as_json else "\n  ".join(lines))


def _verify_id(options: Options, prefix: str) -> Verified:
    with closing(options.open()) as ledger:
        return client.verify_id(ledger, ledger.find(prefix), client.default_seen_dir())


def _verify_file(options: Options, path: Path, vkey: str | None) -> Verified:
    with client.ledger_if_any(options.ledger_dir) as ledger:
        return client.verify_file(path, client.default_seen_dir(), ledger, vkey)


def _verify_bundle(options: Options, receipts: list[Receipt], vkey: str | None, witness_key: str | None) -> None:
    if witness_key:
        hint = "`noghost receipts verify --witness-key VKEY` where the ledger is"
        raise ConfigError("a witness is asked about a ledger, and this is a file of receipts", hint)
    with client.ledger_if_any(options.ledger_dir) as ledger:
        verified = verify_all(receipts, Trust(client.default_seen_dir(), ledger, vkey))
    logs = logs_of(verified)
    if options.as_json:
        told = {"ok": True, "receipts": len(verified), "logs": [asdict(log) for log in logs]}
        click.echo(json.dumps(told, indent=2))
        return
    ends = Counter(f"{one.ended.outcome}, wipe {one.ended.wipe}" if one.ended else "no end" for one in verified)
    click.echo(f"ok: {len(verified)} receipts, of {len(logs)} logs")
    click.echo("\n".join(f"  end      {count} {end}" for end, count in ends.items()))
    click.echo("\n".join(line for log in logs for line in log_lines(log)))


def _row_cells(row: client.Row) -> tuple[str, ...]:
    start = (row.opened.id[:12], row.opened.minute)
    return (*start, "open", "-", "-", "-", "-", "-") if row.ended is None else (*start, *_end_cells(row.ended))


def _end_cells(ended: Ended) -> tuple[str, ...]:
    if ended.kind == "lost":
        return (ended.outcome, ended.wipe, "-", "-", "-", "-")
    buckets = (ended.wiped_pages, ended.verified_pages, ended.prompt_tokens, ended.answer_tokens)
    return (ended.outcome, ended.wipe, *map(bucket_range, buckets))


def _row_json(row: client.Row) -> dict[str, object]:
    return {"opened": asdict(row.opened), "ended": asdict(row.ended) if row.ended else None}


def _verified_json(verified: Verified) -> dict[str, object]:
    signed = verified.checkpoint
    return {
        "ok": True,
        **_row_json(client.Row(verified.opened, verified.ended)),
        "checkpoint": {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()},
        "vkey": verified.vkey,
        "key_pinned_before": verified.pinned,
        "since": verified.since,
    }
