"""The audit of cache timing: does one caller's private prompt make another's answer come sooner?

A server that keeps the computed state of prompts in a cache which callers share answers a prompt faster when somebody
has sent it before. So the time to the first token (TTFT) tells one caller what another one said. Against a shared
prefix cache that works with an AUC of 0.99 from 8 tokens on.

Method. A pair is two trials in random order. In each a victim sends a fresh private prompt, then an attacker, on a
connection of its own, measures the TTFT of a probe. In the trial "seen" the probe repeats the victim's prompt; in the
trial "unseen" it is a fresh one of the same form and length. What comes before a probe is thus the same for both: a
server that remembers only its last prompt shows itself as well as one that remembers all. The whole prompt is repeated
since no guess can be better, and caches of prefixes and of whole answers both show. All prompts are random words that
are never sent again. Nothing that was measured is left out afterwards.

AUC is the probability that an unseen probe takes longer than a seen one, ties counted as half (Mann-Whitney): 0.5 when
timing tells nothing, 1 when it tells everything. The test is exact: had the cache no effect, either label could stand
on either measurement of a pair, because a coin was thrown; so all 2^pairs ways of labelling are counted (`ranks.py`).

Sources. Gu, Li, Kuditipudi, Liang, Hashimoto, "Auditing Prompt Caching in Language Model APIs", arXiv 2502.07776:
victim, attacker, hits against misses in random order with fresh random prompts; they compare with a two-sample
Kolmogorov-Smirnov test at a level of 1e-8. We use ranks and pairs instead: a cache only moves times one way, and pairs
stay exact while a machine's load drifts. Song, Pang, Wang et al., "The Early Bird Catches the Leak", arXiv 2409.20002:
the attack on the KV cache of several serving systems. "Leaking Secrets from Prefix Caches", arXiv 2411.18191: the AUC
of 0.99 at 8 tokens; vLLM's answer to it is CVE-2025-46570.

Covered: any cache that two callers of one server share and that the prompt's text selects: KV prefixes, slots, whole
answers, whatever its layer. Faster and slower both count.
Not covered: effects smaller than "smallest leak" in the report says; a cache that fills some time after the victim's
answer ended; a cache of fewer tokens than --words sends; public templates, which are shared by design; what the sizes
and the rhythm of a stream tell; any other side channel. No leak seen on one machine is no proof for another.

    pairs = list(measure("http://127.0.0.1:8080", pairs=50, words=300, seed=1))
    judge(pairs).verdict
"""

from noghost.client.timing.pairs import Pair, measure
from noghost.client.timing.verdict import Audit, judge

__all__ = ["Audit", "Pair", "judge", "measure"]
