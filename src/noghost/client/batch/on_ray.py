"""Nodes of a Ray cluster: one agent on each that has the weights, and a way of sealed invocations through Ray to it.

A node takes part if it was started with a custom resource named after the digest of the weights that it has, as many
of it as it has seats: `ray start --resources '{"noghost-b179c9523d0e6a0f": 8}'`. By that resource Ray places the one
agent of the node, which takes all of it, and whose service has so many seats. Batches share it: the first has it
started, it ends with the last. Ray carries bytes to it; it never has an actor, a task or a replica for a request.

Covered: what goes through Ray (its object store, its log, its spill files) is the upgrade of a WebSocket, openings, and
ciphertext; the caller seals and opens.
Not covered: who controls the cluster runs code on its nodes: with another service in the place of ours the first look
at its key is deceived. Compare the keys of the receipts with those that you know.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from noghost.client.batch.agent import Agent
from noghost.client.batch.carried import RayTransport
from noghost.client.batch.node import ANSWER_S, Node, Service
from noghost.client.sealed import SealedTransport, Trust
from noghost.errors import BatchError, ConfigError

RESOURCE = "noghost-"  # and the first 16 digits of the weights' SHA-256, or more of them
NAMESPACE = "noghost"  # of the agents' names
START_S = 180.0
STAY_S = 15.0  # how often a batch tells the agents that it is there
LEAVE_S = 5.0
MEETINGS, ENDING_S = 3, 1.0  # the agent of the batch before may just be ending
HINT = "`ray start --resources '{\"noghost-DIGEST\": SEATS}'` on each node; `noghost models show` tells the digest"


@dataclass(frozen=True, slots=True)
class Place:
    """A node that has weights."""

    name: str  # for people
    node_id: str
    resource: str
    seats: int


@contextmanager
def nodes_on_ray(address: str, models: Sequence[str], seen_dir: Path) -> Iterator[list[Node]]:
    """A node for each agent. Raises ConfigError where Ray is not there, or does not fit."""
    with redirect_stdout(sys.stderr), ExitStack() as held:  # where Ray tells of nodes that are gone
        ray = joined(address)
        held.callback(ray.shutdown)
        found = places(ray)
        if not found:
            raise ConfigError(f"no node of Ray at {address} says that it has weights", HINT)
        for place in found:  # all begin to start side by side
            agent_on(ray, place, models)
        batch, agents, nodes = secrets.token_hex(8), list[Any](), list[Node]()
        held.enter_context(staying(ray, agents, batch))
        for place in found:
            agents.append(met(ray, place, models, batch))
            nodes.append(held.enter_context(closing(node_of(ray, place, agents[-1], seen_dir))))
        yield nodes


def joined(address: str) -> Any:
    """The module, connected."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    try:
        import ray  # an extra of its own, and half a second
    except ImportError:
        raise ConfigError("there is no Ray here", "pip install 'noghost[ray]'") from None
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=None)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        hint = f"it is a cluster of Ray {ray.__version__} and of this Python, or it does not fit"
        raise ConfigError(f"could not join Ray at {address}: {reason}", hint) from None
    return ray


def places(ray: Any) -> list[Place]:
    """The nodes that say that they have weights."""
    return [
        Place(f"ray:{node['NodeManagerAddress']}/{node['NodeID'][:8]}", node["NodeID"], resource, int(amount))
        for node in ray.nodes()
        if node["Alive"]
        for resource, amount in node["Resources"].items()
        if resource.startswith(RESOURCE) and amount >= 1
    ]


def agent_on(ray: Any, place: Place, models: Sequence[str]) -> Any:
    """The one that is there, or else one that begins to start."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    options = ray.remote(Agent).options(
        name=f"{place.resource} {place.node_id}",
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",  # it is not its first caller's alone
        num_cpus=0,
        resources={place.resource: place.seats},
        scheduling_strategy=NodeAffinitySchedulingStrategy(place.node_id, soft=False),
        max_restarts=0,
    )
    return options.remote(tuple(models), place.seats)


def met(ray: Any, place: Place, models: Sequence[str], batch: str) -> Any:
    """The agent, which knows of this batch. Raises BatchError where it does not start, or serves other models."""
    wrong = BatchError(f"no service of noghost starts on {place.name}", "see why, on that node: noghost serve")
    for _ in range(MEETINGS):
        agent = agent_on(ray, place, models)
        try:
            served = ray.get(agent.here.remote(batch), timeout=START_S)
            if served == tuple(models):
                return agent
            ray.get(agent.left.remote(batch))
            asked = ", ".join(served) or "the default model"
            wrong = BatchError(f"another batch has {place.name} serve {asked}", "say the same --model, or wait for it")
        except ray.exceptions.RayActorError:  # it ended, or could not begin
            pass
        except ray.exceptions.RayError:
            break
        time.sleep(ENDING_S)
    raise wrong


@contextmanager
def staying(ray: Any, agents: Sequence[Any], batch: str) -> Iterator[None]:
    """Tell the agents now and then that this batch is there, and that it is over."""
    over = threading.Event()

    def stay() -> None:
        while not over.wait(STAY_S):
            for agent in agents:
                agent.here.remote(batch)

    thread = threading.Thread(target=stay, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if leaving := [agent.left.remote(batch) for agent in agents]:
            ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE_S)


def node_of(ray: Any, place: Place, agent: Any, seen_dir: Path) -> Service:
    """Raises BatchError where it has other weights than its resource says."""
    transport = SealedTransport(Trust(place.name, seen_dir=seen_dir), RayTransport(ray, agent))
    client = httpx.Client(base_url="http://localhost", transport=transport, timeout=ANSWER_S)
    node = Service(place.name, client, place.seats)
    digest = place.resource.removeprefix(RESOURCE)
    if len(digest) < 16 or not any(found.startswith(digest) for found in node.models().values()):
        raise BatchError(f"{place.name} has other weights than its resource {place.resource} says", HINT)
    return node
