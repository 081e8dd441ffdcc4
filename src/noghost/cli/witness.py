"""`noghost witness`: cosign the checkpoints of other logs, as long as they only grow."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from noghost.config import DEFAULT_HOST, MOST_PORT, Address, Tls, check_range, data_dir
from noghost.errors import ConfigError
from noghost.ledger.keys import Verifier
from noghost.witness.book import Book
from noghost.witness.http import listen
from noghost.witness.http import serve as serve_witness
from noghost.witness.judge import Witness

DEFAULT_PORT = 8463
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--log", "vkeys", metavar="VKEY", multiple=True, required=True, help="The key of a log; again for more.")
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=DEFAULT_PORT, show_default=True, help="Port; 0 takes a free one.")
@click.option("--tls-cert", metavar="FILE", type=FILE, help="TLS with this certificate chain (PEM).")
@click.option("--tls-key", metavar="FILE", type=FILE, help="Its private key (PEM, no password).")
@click.option(
    "--directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The witness's key and what it has cosigned.  [default: the data directory's noghost/witness]",
)
def witness(
    vkeys: tuple[str, ...], host: str, port: int, tls_cert: Path | None, tls_key: Path | None, directory: Path | None
) -> None:
    """Cosign checkpoints of other noghosts by the C2SP witness protocol.

    A log that was rewritten, cut or forked since it was cosigned last is refused. The witness sees a log's size and
    hashes and never an entry. Run it where who runs the log cannot reach its directory, and give its key, which it
    prints, to those who verify.
    """
    check_range("port", port, 0, MOST_PORT)
    address = Address(host, port)
    tls = Tls(tls_cert, tls_key) if tls_cert or tls_key else None
    if address.reachable and tls is None:
        raise ConfigError(f"no TLS on {host}, which others can reach", "add --tls-cert and --tls-key", key="host")
    with closing(Book(directory or data_dir() / "witness")) as book, closing(listen(address)) as listener:
        click.echo(f"listening on http{'s' if tls else ''}://{host}:{listener.getsockname()[1]}")
        click.echo(f"witness key {book.signer.verifier.render()}")
        serve_witness(Witness(book, tuple(map(Verifier.parse, vkeys))), listener, tls)
