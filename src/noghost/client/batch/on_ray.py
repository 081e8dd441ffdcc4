"""Nodes of a Ray cluster: one agent on each that has the weights, and a way of sealed invocations through Ray to it.

A node takes part if it was started with a custom resource named after the digest of the weights that it has, as many
of it as it has seats: `ray start --resources '{"noghost-b179c9523d0e6a0f": 8}'`. An agent takes of it what is used at
once, so that two batches share a node's seats and wait for them. Ray starts the agents, and carries bytes to them; it
never has an actor, a task or a replica for a request.

Covered: what goes through Ray (its object store, its log, its spill files) is the upgrade of a WebSocket, openings, and
ciphertext; the caller seals and opens.
Not covered: who controls the cluster runs code on its nodes: with another service in the place of ours the first look
at its key is deceived. Compare the keys of the receipts with those that you know.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import h11
import httpx

from noghost.client.batch.agent import Agent
from noghost.client.batch.node import ANSWER_S, Node, Service
from noghost.client.sealed import SealedTransport, Trust
from noghost.errors import BatchError, ConfigError, NoghostError

RESOURCE = "noghost-"  # and the first 16 digits of the weights' SHA-256, or more of them
START_S = 180.0
HINT = "`ray start --resources '{\"noghost-DIGEST\": SEATS}'` on each node; `noghost models show` tells the digest"


@contextmanager
def nodes_on_ray(address: str, models: Sequence[str], at_once: int, seen_dir: Path) -> Iterator[list[Node]]:
    """A node for each agent; they end with it. Raises ConfigError where Ray is not there, or does not fit."""
    with redirect_stdout(sys.stderr), ExitStack() as held:  # where Ray tells of nodes that are gone
        ray = joined(address)
        held.callback(ray.shutdown)
        agents = {name: started(ray, place, models, at_once) for name, place in places(ray).items()}
        if not agents:
            raise ConfigError(f"no node of Ray at {address} says that it has weights", HINT)
        found: list[Node] = []
        for name, (agent, resource) in agents.items():
            held.callback(ray.kill, agent)
            found.append(held.enter_context(closing(node_of(ray, name, agent, resource, seen_dir))))
        yield found


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


def places(ray: Any) -> dict[str, tuple[str, str, float]]:
    """(Ray's id, the resource, how much of it) of each node that has weights, by a name for people."""
    found = {}
    for node in ray.nodes():
        if not node["Alive"]:
            continue
        for resource, amount in node["Resources"].items():
            if resource.startswith(RESOURCE):
                found[f"ray:{node['NodeManagerAddress']}/{node['NodeID'][:8]}"] = (node["NodeID"], resource, amount)
    return found


def started(ray: Any, place: tuple[str, str, float], models: Sequence[str], at_once: int) -> tuple[Any, str]:
    """(the agent there, its resource). It is not waited for: all start side by side."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node_id, resource, amount = place
    options = ray.remote(Agent).options(
        num_cpus=0,
        resources={resource: min(at_once, amount)},
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        max_concurrency=2 * at_once + 2,  # receipts are asked for beside the lines
        max_restarts=0,
    )
    return options.remote(tuple(models)), resource


def node_of(ray: Any, name: str, agent: Any, resource: str, seen_dir: Path) -> Service:
    """Raises BatchError where it has other weights than its resource says."""
    transport = SealedTransport(Trust(name, seen_dir=seen_dir), RayTransport(ray, agent))
    node = Service(name, httpx.Client(base_url="http://localhost", transport=transport, timeout=ANSWER_S))
    digest = resource.removeprefix(RESOURCE)
    if len(digest) < 16 or not any(found.startswith(digest) for found in node.models().values()):
        raise BatchError(f"{name} has other weights than its resource {resource} says", HINT)
    return node


class RayTransport(httpx.BaseTransport):
    """Opens connections through an agent. Raises httpx's own errors."""

    def __init__(self, ray: Any, agent: Any) -> None:
        self._ray, self._agent = ray, agent

    def call(self, method: str, *arguments: object) -> Any:
        """One of the agent's methods."""
        try:
            return self._ray.get(getattr(self._agent, method).remote(*arguments), timeout=ANSWER_S + START_S)
        except (self._ray.exceptions.RayError, NoghostError) as error:
            raise httpx.ConnectError(type(error).__name__) from None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The upgrade of a sealed invocation, and nothing else."""
        http = h11.Connection(h11.CLIENT)
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        upgrade = b"".join(http.send(event) or b"" for event in (head, h11.EndOfMessage()))
        number, said = self.call("begin", upgrade)
        http.receive_data(said)
        answer = http.next_event()
        if not isinstance(answer, (h11.Response, h11.InformationalResponse)):
            raise httpx.RemoteProtocolError("no answer to the upgrade")
        carried = Carried(self, number, http.trailing_data[0])
        return httpx.Response(
            answer.status_code,
            headers=list(answer.headers),
            stream=carried,
            extensions={"network_stream": carried},
        )


class Carried(httpx.SyncByteStream):
    """A connection, as far as one sealed invocation needs it: one thing comes, one is said, the rest comes."""

    def __init__(self, transport: RayTransport, number: int, first: bytes) -> None:
        self._transport, self._number = transport, number
        self._come, self._done = first, False

    def read(self, _most_bytes: int, timeout: float | None = None) -> bytes:
        """All that has come; nothing: it has ended."""
        come, self._come = self._come, b""
        return come

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """The sealed request; the whole answer has come when it returns."""
        if not self._done:  # what is said after it (the end, a pong) nobody waits for
            self._done = True
            self._come += self._transport.call("finish", self._number, data)

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        """The instance ends, if it has not."""
        if not self._done:
            self._done = True
            self._transport.call("leave", self._number)
