"""A service of ours against another OpenAI-compatible server, as one caller's machine sees both.

Method. Both servers run during the whole comparison and are asked in turns: A then B in one round, B then A in the
next, so that a machine whose load drifts drifts for both. Every request is a connection of its own, and the clock
starts before it. Prompts are random words, new each time, sized in tokens by each server's own count (`usage`); what
they have in common, the chat template and one word, is all that a prefix cache can know. Answers are greedy and of a
fixed length where the server can ignore the end of text. The first requests to each are not counted.

Covered: time to first token, decode speed, throughput at several callers; ratios of medians with the spread that the
rounds show.
Not covered: whether both serve the same model. A server's tokens are counted by its own tokeniser, and two counts are
the same work only of one model. The quality of answers. A server far away is measured with the way to it.
"""

from noghost.client.bench.peer import Peer, peer_at
from noghost.client.bench.rounds import Plan, measure

__all__ = ["Peer", "Plan", "measure", "peer_at"]
