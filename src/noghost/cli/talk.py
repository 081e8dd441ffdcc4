"""`noghost talk`: speak with a running service; the conversation is in this process alone, or in a file of yours."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from noghost.cli.chat import DEFAULT_URL
from noghost.client.chat.keeper import Keeper
from noghost.client.conversation import Conversation, RefusedError
from noghost.client.talk.devices import device_of, listed
from noghost.client.talk.settings import Settings
from noghost.errors import ConfigError

TITLE = "Voice Conversation"
NEEDED = ("sounddevice", "rich")


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE.md]")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The service, with or without /v1, or unix:PATH.")
@click.option("--fingerprint", metavar="SHA256", help="Of the certificate, as `noghost serve --tls` prints it.")
@click.option("--model", help="The model to ask for. Default: the one of FILE's title, else the service's first.")
@click.option("--system", default="", help="What the model is told first.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of each answer.")
@click.option("--hands-free", is_flag=True, help="No key: your voice begins and ends a turn. Wear headphones.")
@click.option("--voice", default="default", show_default=True, help="The service's voice.")
@click.option("--speed", type=click.FloatRange(0.25, 1.5), default=1.0, show_default=True, help="Of that voice.")
@click.option("--input", "microphone", metavar="DEVICE", help="A number of --devices, or a part of a name.")
@click.option("--output", "speaker", metavar="DEVICE", help="The same.")
@click.option("--devices", is_flag=True, help="List microphones and speakers, and end.")
@click.option("--no-gap", is_flag=True, help="Tell the model nothing of the time and of how long there was nothing.")
def talk(
    file: Path | None,
    url: str,
    fingerprint: str | None,
    model: str | None,
    system: str,
    max_tokens: int,
    hands_free: bool,
    voice: str,
    speed: float,
    microphone: str | None,
    speaker: str | None,
    devices: bool,
    no_gap: bool,
) -> None:
    """Speak with a service that was started with --voice. Space or Enter begins what you say, and ends it: a terminal
    tells no key's release. The end of a press keeps a quarter of a second more. ? says which keys there are.

    Each turn is heard, thought and spoken by processes that exist for it alone. Interrupted, an answer ends at once,
    and what of it was not heard is dropped. Without FILE.md nobody keeps the conversation; with it, each turn is
    appended to that transcript as text, and the next `noghost talk FILE.md`, or chat, goes on with it.

    The microphone is open as long as this runs; but for a press, or with --hands-free, its sound is dropped here. No
    sound is ever kept. The API key is read from NOGHOST_API_KEY.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ConfigError(f"noghost talk lacks {' and '.join(missing)}", "pip install 'noghost[voice]'")
    if devices:
        click.echo(listed())
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("noghost talk is for a person at a terminal", "docs/realtime.md says how a program speaks")
    from noghost.client.talk.terminal import Terminal  # with rich: only where it is there

    access: dict[str, Any] = {"api_key": os.environ.get("NOGHOST_API_KEY"), "fingerprint": fingerprint}
    keeper = Keeper(TITLE, file, system=system, tells_gap=not no_gap)
    settings = Settings(is_hands_free=hands_free, voice=voice, speed=speed, max_tokens=max_tokens)
    with Conversation(url, **access) as service:
        asked, told = (model, None) if model else chosen(keeper, service)
    Terminal(keeper, settings, (url, access), asked, (device_of(microphone), device_of(speaker))).converse(told)


def chosen(keeper: Keeper, service: Conversation) -> tuple[str, tuple[str, str] | None]:
    """The model, and what to tell about that. Raises HuntError without a service."""
    try:
        return keeper.chosen_of(service.models())
    except RefusedError:  # a service of another make, without a list
        return "default", None
