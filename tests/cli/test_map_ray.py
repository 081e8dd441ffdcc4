"""`noghost map --ray`: a real cluster of three nodes on this machine, one killed; what Ray carries is searched."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from cli.ray_cluster import MINE, Nodes
from cli.test_map import BUNDLE, DONE_S, MAP, answers, chat, completion, logs, mapped, verify, write
from fuzz.tiny_kinds import filling
from noghost.client.receipts import open_existing
from noghost.ledger.entry import Opened
from noghost.weights.digest import digest
from noghost.weights.find import find
from running import private_environment, title, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="no Ray here: `make ray` runs it in its own environment"
    ),
]

MARKER = "Velorimat-41937-Dusategob"
CONTROL = "Kimanuzep-90745-Tarolibek"
LINES = 24
AT_ONCE = 2
SEATS = 1
SHARED = 14
SEALED_BYTES = 4000  # of a few questions with their heads
# Put in plain: as an object, in the job's own settings (the GCS has them), and said where a log is written.
PLAIN = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False, runtime_env={"env_vars": {"TOLD": sys.argv[2]}})
kept = [ray.put([sys.argv[2]] * 1000) for _ in range(9)]
ray.get(ray.remote(num_cpus=0)(lambda: print(sys.argv[2], flush=True)).remote())
print("put", flush=True)
input()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv(MINE, str(folder))
        made = Nodes.begin(folder)
        yield made
        made.cluster.shutdown()


@pytest.fixture
def nodes(cluster: Nodes) -> Iterator[Nodes]:
    yield cluster
    cluster.clear()


@pytest.fixture
def caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a process that is no part of the cluster."""
    monkeypatch.delenv(MINE)
    return private_environment(tmp_path / "home")


def begun(folder: Path, nodes: Nodes, caller: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [*MAP, "in", "--out", "out", "--ray", nodes.address, *arguments, "--json"]
    return subprocess.Popen(command, cwd=folder, env=caller, stdout=subprocess.PIPE, text=True)


def marked(number: int) -> dict[str, Any]:
    question = {"role": "user", "content": f"{MARKER} {number}: what is that?"}
    return chat(number, messages=[question], max_tokens=6)


def test_three_nodes_one_killed_each_line_once_and_nothing_of_it_in_ray(
    nodes: Nodes, tmp_path: Path, caller: dict[str, str]
) -> None:
    three = [nodes.add(tmp_path / name, digest(find().path)) for name in ("a", "b", "c")]
    write(tmp_path, *map(marked, range(LINES)))
    process = begun(tmp_path, nodes, caller, "--at-once", str(AT_ONCE))
    wait_for(lambda: nodes.keep() and logs(tmp_path / BUNDLE) == 3, DONE_S, "a receipt of each, and spilled files")
    nodes.kill(three[1])
    wait_for(lambda: nodes.keep() and len(answers(tmp_path)) > LINES // 2, DONE_S, "half the answers")
    assert nodes.copies(MARKER) == []
    wait_for(lambda: nodes.keep() and process.poll() is not None, DONE_S, "the end")
    told = json.loads(process.communicate()[0])
    assert told["statuses"] == {"200": LINES}, json.dumps(told)
    assert len(answers(tmp_path)) == LINES
    assert told["receipts"] + told["missing"] == LINES
    assert len(told["logs"]) == 3
    assert verify(tmp_path).returncode == 0
    assert sum(map(sealed_bytes, nodes.keep())) > SEALED_BYTES, "what is sealed was spilled"
    assert nodes.copies(MARKER) == []
    wait_for(lambda: not services(nodes), DONE_S, "the services to end with the batch")


def test_what_is_put_in_plain_is_found(nodes: Nodes, caller: dict[str, str]) -> None:
    """The control of the search: the object store, the GCS, a log, and what was spilled."""
    command = [sys.executable, "-c", PLAIN, nodes.address, CONTROL]
    process = subprocess.Popen(command, env=caller, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"put\n"
        wait_for(nodes.keep, DONE_S, "Ray to spill")
        found = nodes.copies(CONTROL)
    finally:
        process.communicate(b"\n", timeout=DONE_S)
    assert [one for one in found if one.kind == "shared memory"]
    for place in ("gcs_server", "/logs/", "/kept/"):
        assert [one for one in found if place in one.place], place


def sealed_bytes(path: Path) -> int:
    """How much of a file cannot be made smaller, as nothing can that is sealed."""
    return len(zlib.compress(path.read_bytes()))


def services(nodes: Nodes) -> list[int]:
    return [pid for pid in nodes.processes() if title(pid).startswith("noghost:")]


def test_two_batches_at_once_share_the_seats_of_a_node(nodes: Nodes, tmp_path: Path, caller: dict[str, str]) -> None:
    """Neither waits for the other's end, and never do more lines compute than there are seats."""
    nodes.add(tmp_path / "a", digest(find().path), SEATS)
    batches = [tmp_path / "one", tmp_path / "two"]
    for folder in batches:
        folder.mkdir()
        write(folder, *(chat(number) for number in range(SHARED)))
    processes = [begun(folder, nodes, caller, "--at-once", "4") for folder in batches]
    wait_for(lambda: all((folder / "out").exists() and len(answers(folder)) > 1 for folder in batches), DONE_S, "both")
    assert all(len(answers(folder)) < SHARED for folder in batches), "neither has waited for the end of the other"
    write(tmp_path, completion(0))
    third = mapped(tmp_path, "--ray", nodes.address, "--model", "filling")
    assert re.search(r"another batch has ray:\S+ serve the default model", third.stderr), third
    for process in processes:
        told = json.loads(process.communicate(timeout=DONE_S)[0])
        assert (process.returncode, told["statuses"], told["receipts"]) == (0, {"200": SHARED}, SHARED)
        assert len(told["logs"]) == 1
    with closing(open_existing(tmp_path / "a" / "noghost" / "ledger")) as ledger:
        entries = list(ledger.entries())
    at_once = list(accumulate(1 if isinstance(entry, Opened) else -1 for entry in entries))
    # A seat is given on once all is computed: one that answers and one that is wiped have no end yet. Eight lines wait.
    assert SEATS <= max(at_once) <= SEATS + 2
    assert at_once[-1] == 0
    names = [{answer["request_id"] for answer in answers(folder).values()} for folder in batches]
    ended = [entry.id for entry in entries if not isinstance(entry, Opened)]
    turns = [entry in names[0] for entry in ended]
    first = max(turns.index(True), turns.index(False))  # from here on both are there
    last = len(turns) - max(turns[::-1].index(True), turns[::-1].index(False))
    assert 0.25 < sum(turns[first:last]) / (last - first) < 0.75, turns


def test_what_does_not_fit_is_told_before_anything_is_asked(
    nodes: Nodes, tmp_path: Path, caller: dict[str, str]
) -> None:
    """Two nodes with other weights under one name; other weights than a node says; none there; no node at all."""
    write(tmp_path, completion(0))
    weights = filling().render()
    homes = {tmp_path / "a": weights, tmp_path / "b": weights + bytes(32)}
    for home, data in homes.items():
        home.mkdir()
        (home / "filling.gguf").write_bytes(data)
    digests = [digest(home / "filling.gguf") for home in homes]
    for home, sha256 in zip(homes, digests, strict=True):
        nodes.add(home, sha256)
    own = ("--ray", nodes.address, "--model", "~/filling.gguf")  # of each node's own home
    told = mapped(tmp_path, *own)
    assert re.search(r"ray:\S+ and ray:\S+ have other weights under the name (default|filling): ", told.stderr), told
    assert all(sha256 in told.stderr for sha256 in digests)
    nodes.clear()
    nodes.add(tmp_path / "a", digests[0])
    other = mapped(tmp_path, "--ray", nodes.address)
    assert re.search(rf"ray:\S+ has other weights than its resource noghost-{digests[0][:16]} says", other.stderr), (
        other
    )
    (tmp_path / "a" / "filling.gguf").unlink()
    assert re.search(r"no service of noghost starts on ray:\S+", mapped(tmp_path, *own).stderr)
    nodes.clear()
    nobody = mapped(tmp_path, *own)
    assert f"no node of Ray at {nodes.address} says that it has weights" in nobody.stderr, nobody
    assert not (tmp_path / "out").exists()


def test_another_release_of_ray_is_told_with_both(nodes: Nodes, tmp_path: Path, caller: dict[str, str]) -> None:
    """Ray's own check of itself against what the cluster says that it is."""
    write(tmp_path, completion(0))
    with nodes.says_release("2.39.0"):
        done = mapped(tmp_path, "--ray", nodes.address)
    assert (done.returncode, done.stdout) == (1, "")
    for words in (f"could not join Ray at {nodes.address}", "mismatch", "2.39.0", version("ray")):
        assert words in done.stderr, done
    assert not (tmp_path / "out").exists()
