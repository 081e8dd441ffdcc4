"""`noghost templates`: public prefixes whose KV state a service holds ready."""

from __future__ import annotations

import json
from pathlib import Path

import click

from noghost.config import DEFAULT_CONTEXT_TOKENS, Config
from noghost.config_file import template_from
from noghost.models import compute_template
from noghost.templates import store

NEWLINE = "note: the system message ends with a newline; only requests whose system message ends with it, too, match"


@click.group()
def templates() -> None:
    """Add, list and remove templates: system messages and tools that a service computes once.

    A template is public: that a prompt begins with one shows in the time of its answer's first token.
    """


@templates.command()
@click.argument("name")
@click.option("--model", metavar="PATH_OR_NAME", help="A GGUF file or a known name (default: the default model).")
@click.option(
    "--system",
    type=click.Path(path_type=Path),
    help="A file with the system message, byte for byte. Without it: what the model's own chat template begins with.",
)
@click.option("--tools", type=click.Path(path_type=Path), help="A file with the tools, a JSON array.")
@click.option("--threads", type=int, default=0, help="Threads that compute it (default: the cores).")
@click.option(
    "--context",
    "context_tokens",
    type=int,
    default=DEFAULT_CONTEXT_TOKENS,
    show_default=True,
    help="As in `noghost serve`.",
)
def add(
    name: str, model: str | None, system: Path | None, tools: Path | None, threads: int, context_tokens: int
) -> None:
    """Keep a template as NAME and compute its state. Then: noghost serve --template NAME.

    A service with another --context, another model file or another build computes the state again at its start.
    """
    source = template_from(name, system, tools, model)
    config = Config(models=(model,) if model else (), threads=threads, context_tokens=context_tokens)
    tokens, digest = compute_template(config, source)
    store.add(store.Stored(source, tokens, digest))
    if source.system and source.system.endswith("\n"):
        click.echo(f"noghost: {NEWLINE}", err=True)
    click.echo(f"{name}: {tokens} tokens, {digest[:16]}")


@templates.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List them: name, tokens, size of the state at rest, digest, model."""
    found = [store.get(name) for name in store.names()]
    rows = [
        {
            "name": one.source.name,
            "tokens": one.tokens,
            "state_bytes": one.state_bytes,
            "digest": one.digest,
            "model": one.source.model or "default",
        }
        for one in found
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        megabytes = one_decimal(int(str(row["state_bytes"])))
        click.echo(f"{row['name']}  {row['tokens']} tokens  {megabytes} MB  {str(row['digest'])[:16]}  {row['model']}")


@templates.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the template NAME and its state."""
    store.remove(name)
    click.echo(f"removed {name}")


def one_decimal(size_bytes: int) -> str:
    """Megabytes."""
    return f"{size_bytes / 1e6:.1f}"
