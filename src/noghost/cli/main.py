"""The command `noghost`: one file a command; each is imported only when it is called."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING

import click

from noghost import __version__
from noghost.cli.examples import EXAMPLES, ROOT, epilog, with_examples
from noghost.errors import NoghostError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "ask": "Answer one question, in a process that exists only for it.",
    "serve": "Serve the OpenAI-compatible API.",
    "wyoming": "Hear, answer and speak for Home Assistant.",
    "map": "Answer a file of requests, each line by an instance of its own.",
    "config": "Show and check the configuration of a service.",
    "chat": "Talk with a running service; the conversation stays with you.",
    "talk": "Speak with a running service, by microphone and speaker.",
    "transcript": "Convert, check, show and redact conversations that you keep as files.",
    "templates": "Add, list and remove public prefixes that a service computes once.",
    "models": "Pull, list, check and remove models; prepare one for this processor.",
    "keys": "Make, list and revoke the keys that callers of a service need.",
    "hunt": "Search a server's memory and files for what you said to it.",
    "audit": "Ask a server whether it gives away what others said to it.",
    "bench": "Compare a service with any other server, on your machine.",
    "receipts": "List, show and verify the signed records of invocations.",
    "verify": "Check every turn of a transcript against the receipts in it.",
    "witness": "Cosign the checkpoints of another noghost, as long as its ledger only grows.",
    "gap": "Tell and draw the time in which nothing existed.",
    "replay": "Repeat an invocation from what you kept, and compare the answers.",
    "commit": "Make the commitment that ties a request to its receipt.",
    "doctor": "Whether this host can keep each promise, why not, and what to do.",
    "status": "What lives between invocations, and since when there was none.",
}


class Lazy(click.Group):
    """A group whose commands are imported when they are called: `ask` should not wait for `serve`'s imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called `cmd_name`, from the module of the same name."""
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # it would look again and again at what stays
        command: click.Command = getattr(importlib.import_module(f"noghost.cli.{cmd_name}"), cmd_name)
        gc.enable()
        return with_examples(command, cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, without importing anything; and the options, as of any command."""
        from click.shell_completion import CompletionItem  # only a shell that asks needs it

        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]}, epilog=epilog(EXAMPLES[ROOT]))
@click.version_option(__version__, prog_name="noghost")
def cli() -> None:
    """Language models that exist only when invoked."""


def main() -> None:
    """Run the command line; an error of ours becomes one message with a hint, and exit status 1."""
    try:
        cli(prog_name="noghost")
    except NoghostError as error:
        print(f"noghost: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
