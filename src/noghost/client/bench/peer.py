"""One of the servers that are compared: how it counts, and what was measured of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from noghost.client.bench.stream import Server, Timing, server_at, stream, stream_together
from noghost.client.hunt.talk import first_model
from noghost.client.reach import open_client
from noghost.client.timing.words import fresh_prompt
from noghost.errors import HuntError

LEARNING_WORDS = (40, 240)  # two lengths give the template's tokens and the tokens of a word
LEARNING_TOKENS = 4
Samples = dict[str, dict[int, list[float]]]  # measure, size -> one value a round (of crowds: one a caller)


@dataclass
class Peer:
    """A server that is warm, and knows how its prompts are counted."""

    name: str
    server: Server
    model: str
    overhead_tokens: float = 0.0  # of the chat template
    word_tokens: float = 1.0
    exact: bool = True  # it ignores the end of text when it is asked to
    samples: Samples = field(default_factory=lambda: defaultdict(partial(defaultdict, list)))

    def ask(self, prompt_tokens: int, answer_tokens: int, **more: Any) -> Timing:
        """One answer to a prompt of that length."""
        return self._said(answer_tokens, **more)(self.prompt(prompt_tokens))

    def crowd(self, callers: int, prompt_tokens: int, answer_tokens: int) -> list[Timing]:
        """As many answers at once, each to a prompt of its own."""
        return stream_together(self._said(answer_tokens), [self.prompt(prompt_tokens) for _ in range(callers)])

    def prompt(self, tokens: int) -> str:
        """Random words that this server counts, its template included, as so many tokens, or as few as it can."""
        return said(max(1, round((tokens - self.overhead_tokens) / self.word_tokens)))

    def learn(self) -> None:
        """Warm it up, and learn from that; HuntError where it does not answer."""
        few, many = LEARNING_WORDS
        try:
            first = self._said(LEARNING_TOKENS)(said(few))
        except HuntError:  # it may know no `ignore_eos`; whatever else is wrong shows again
            self.exact = False
            first = self._said(LEARNING_TOKENS)(said(few))
        second = self._said(LEARNING_TOKENS)(said(many))
        if second.prompt_tokens <= first.prompt_tokens:
            raise HuntError(f"{self.server.url} counts {many} words as few as {few}", "is its context that small?")
        self.word_tokens = (second.prompt_tokens - first.prompt_tokens) / (many - few)
        self.overhead_tokens = first.prompt_tokens - few * self.word_tokens

    def _said(self, answer_tokens: int, **more: Any) -> Callable[[str], Timing]:
        return lambda prompt: stream(self.server, self.model, prompt, answer_tokens, exact=self.exact, **more)


def said(words: int) -> str:
    """With a space before each word, the first as well: without it a word can be more tokens."""
    return f" {fresh_prompt(words)}"


def listed(url: str, api_key: str | None, fingerprint: str | None) -> str:
    """The first model that a server lists; raises HuntError."""
    with open_client(url, api_key, fingerprint) as client:
        try:
            return first_model(client)
        except HuntError as error:
            hint = "does it run there? Or name a model; a key: --key-env for theirs, NOGHOST_API_KEY for ours"
            raise HuntError(f"could not list the models of {url}: {error.message}", hint) from None


def peer_at(
    name: str, url: str, *, model: str | None = None, api_key: str | None = None, fingerprint: str | None = None
) -> Peer:
    """The server at `url`, warm; `model` None: the first that it lists. Raises HuntError, ConfigError."""
    if model is None:
        model = listed(url, api_key, fingerprint)
    peer = Peer(name, server_at(url, api_key, fingerprint), model)
    peer.learn()
    return peer
