"""`noghost commit`: the value of the header `noghost-commitment` for a request in a file."""

from __future__ import annotations

from pathlib import Path

import click

from noghost.client.commitment import commitment, make_key, read_key
from noghost.client.replay.kept import read


@click.command()
@click.argument("request_file", metavar="REQUEST", type=click.Path(path_type=Path))
@click.option("--key", "key_file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="Your key.")
@click.option("--new-key", is_flag=True, help="Make the key first: 32 random bytes, in a new file.")
def commit(request_file: Path, key_file: Path, *, new_key: bool) -> None:
    """Print the commitment to a request, to be sent with it as the header noghost-commitment.

    It is the HMAC-SHA-256 over the bytes of REQUEST under your key, in hexadecimal. Send the file as it is, and keep
    it, the key and the answer: noghost replay shows with them that a receipt is of this request. Without the key it
    tells nobody anything.
    """
    key = make_key(key_file) if new_key else read_key(key_file)
    click.echo(commitment(key, read(request_file, "request")))
