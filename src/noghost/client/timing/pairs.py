"""The measurement: pairs of a seen and an unseen probe, each right after a victim's request."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from noghost.client.hunt.talk import first_model
from noghost.client.reach import open_client
from noghost.client.timing.probe import ttft_s
from noghost.client.timing.words import fresh_prompt

WARM_UPS = 3  # a cold server maps its weights, fills its page tables and wakes its threads first


@dataclass(frozen=True, slots=True)
class Pair:
    """TTFT in seconds of a probe that repeats what a victim has just sent, and of one that does not."""

    seen_s: float
    unseen_s: float


@dataclass(frozen=True, slots=True)
class _Scene:
    """Who talks, to which model, in prompts of how many words."""

    victim: httpx.Client
    attacker: httpx.Client
    model: str
    words: int


def measure(
    url: str,
    *,
    pairs: int,
    words: int,
    seed: int,
    model: str | None = None,
    api_key: str | None = None,
    victim_key: str | None = None,
    fingerprint: str | None = None,
) -> Iterator[Pair]:
    """Warm the server up, then measure pair by pair; raises HuntError when it cannot, ConfigError as `open_client`.

    `seed` draws the order within the pairs. Prompts have no seed, or a second run would find its own in a cache.
    `victim_key` is the victim's API key, the attacker's if it is not given: a cache kept for each key then shows.
    """
    keys = api_key, victim_key or api_key
    attacker, victim = (open_client(url, key, fingerprint) for key in keys)
    with attacker, victim:
        scene = _Scene(victim, attacker, model or first_model(attacker), words)
        for _ in range(WARM_UPS):
            ttft_s(attacker, scene.model, fresh_prompt(words))
        coin = random.Random(seed)  # noqa: S311  the order of a measurement, no secret
        for _ in range(pairs):
            yield _pair(scene, seen_first=coin.random() < 0.5)


def _pair(scene: _Scene, *, seen_first: bool) -> Pair:
    """Both trials, in the order that was drawn."""
    times = {seen: _trial(scene, seen=seen) for seen in (seen_first, not seen_first)}
    return Pair(times[True], times[False])


def _trial(scene: _Scene, *, seen: bool) -> float:
    """A victim speaks; then the attacker's probe, in seconds to its first text."""
    private = fresh_prompt(scene.words)
    probe = private if seen else fresh_prompt(scene.words)
    ttft_s(scene.victim, scene.model, private)
    return ttft_s(scene.attacker, scene.model, probe)
