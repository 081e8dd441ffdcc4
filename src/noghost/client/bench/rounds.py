"""The measurement: rounds in which each server is asked everything, in turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from noghost.client.bench.peer import Peer
from noghost.client.bench.stream import total_tok_s

TTFT_ANSWER_TOKENS = 4
ANSWER_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. Sizes in tokens; the prompts of several callers have the first of `lengths`."""

    rounds: int
    lengths: tuple[int, ...]
    callers: tuple[int, ...]
    answer_tokens: int = ANSWER_TOKENS


def measure(peers: Sequence[Peer], plan: Plan) -> Iterator[int]:
    """Fill the peers' samples; yields the number of each round once it is done. Raises HuntError."""
    for turn in range(plan.rounds):
        for peer in peers if turn % 2 == 0 else peers[::-1]:
            one_round(peer, plan)
        yield turn + 1


def one_round(peer: Peer, plan: Plan) -> None:
    """Everything once, of one server."""
    kept = peer.samples
    for length in plan.lengths:
        timing = peer.ask(length, TTFT_ANSWER_TOKENS)
        kept["ttft_s"][length].append(timing.ttft_s)
        kept["prompt_tokens"][length].append(timing.prompt_tokens)
    for callers in plan.callers:
        timings = peer.crowd(callers, plan.lengths[0], plan.answer_tokens)
        kept["total_tok_s"][callers].append(total_tok_s(timings))
        kept["crowd_ttft_s"][callers] += [timing.ttft_s for timing in timings]
        kept["answer_tokens"][callers] += [timing.tokens for timing in timings]
        if callers == 1:
            kept["decode_tok_s"][1].append(timings[0].decode_tok_s)
