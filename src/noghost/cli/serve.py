"""`noghost serve`."""

from __future__ import annotations

from pathlib import Path

import click

from noghost.config import DEFAULT_CONTEXT_TOKENS, DEFAULT_HOST, DEFAULT_PORT, Config
from noghost.service import serve as run_service


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=DEFAULT_PORT, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="PATH_OR_NAME",
    help="A GGUF file or a known name; again for more. The first is the default.",
)
@click.option("--seats", type=int, default=0, help="Instances that compute at once (default: twice the cores).")
@click.option("--threads", type=int, default=0, help="Most threads of one instance (default: the cores).")
@click.option(
    "--context",
    "context_tokens",
    type=int,
    default=DEFAULT_CONTEXT_TOKENS,
    show_default=True,
    help="Most tokens of prompt and answer.",
)
@click.option("--ledger", type=click.Path(path_type=Path, file_okay=False), help="Where the ledger and its key lie.")
@click.option(
    "--unverified",
    is_flag=True,
    help="Serve although this host cannot trace instances; every receipt says so.",
)
def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    seats: int,
    threads: int,
    context_tokens: int,
    ledger: Path | None,
    unverified: bool,
) -> None:
    """Serve the OpenAI-compatible API; every request gets a process of its own.

    Prints one line when it is ready. SIGTERM or Ctrl-C ends it after the running answers, a second one at once.
    """
    config = Config(
        models=models,
        host=host,
        port=port,
        seats=seats,
        threads=threads,
        context_tokens=context_tokens,
        ledger=ledger,
        unverified=unverified,
    )
    run_service(config, announce)


def announce(host: str, port: int) -> None:
    """The one line that says it is ready."""
    place = f"[{host}]" if ":" in host else host
    click.echo(f"listening on http://{place}:{port}")
