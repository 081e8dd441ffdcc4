"""`noghost map --ray`: a real cluster of three nodes on this machine, one killed; what Ray carries is searched."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli.test_map import BUNDLE, DONE_S, MAP, answers, chat, logs, mapped, verify, write
from noghost.weights.digest import digest
from noghost.weights.find import find
from running import private_environment, title, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray here: pip install 'noghost[ray]'"),
]

MARKER = "Velorimat-41937-Dusategob"
CONTROL = "Kimanuzep-90745-Tarolibek"
MINE = "NOGHOST_TEST_CLUSTER"
LINES = 36
STORE_BYTES = 80_000_000
NAMES = ("a", "b", "c")
PLAIN = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); kept = ray.put([sys.argv[2]] * 100_000)"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that computes nothing; nodes are added by the test."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv(MINE, str(tmp_path))
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()


def add(cluster: Any, home: Path, sha256: str) -> Any:
    """A node with a home of its own, that says which weights it has."""
    own = {"XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    return cluster.add_node(
        num_cpus=1, object_store_memory=STORE_BYTES, resources={f"noghost-{sha256[:16]}": 4}, env_vars=own
    )


def processes(folder: Path) -> list[int]:
    """Of the cluster, what Ray started and what the agents did; not the caller, and not instances, which read."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            mine = entry.name.isdigit() and f"{MINE}={folder}".encode() in (entry / "environ").read_bytes()
            if mine and title(int(entry.name)) != "noghost: instance":
                found.append(int(entry.name))
    return found


def holds(pid: int, text: str) -> bool:
    """Whether its memory has it, shared memory with the object store included."""
    for encoded in (text.encode(), text.encode("utf-16-le")):
        with suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                start, end = (int(one, 16) for one in line.split()[0].split("-"))
                with suppress(OSError, ValueError, OverflowError):
                    for at in range(start, end, 1 << 24) if "r" in line.split()[1] else ():
                        memory.seek(at)
                        if encoded in memory.read(min(end - at, (1 << 24) + 64)):
                            return True
    return False


def copies(folder: Path, session: Path, text: str) -> list[str]:
    """Where Ray has it: processes, logs and spill files of the session, shared memory."""
    found = [title(pid) for pid in processes(folder) if holds(pid, text)]
    for place in (session, Path("/dev/shm")):
        for path in place.rglob("*"):
            with suppress(OSError):
                if path.is_file() and text.encode() in path.read_bytes():
                    found.append(str(path))
    return found


def test_three_nodes_one_killed_each_line_once_and_nothing_of_it_in_ray(cluster: Any, tmp_path: Path) -> None:
    sha256 = digest(find().path)
    nodes = [add(cluster, tmp_path / name, sha256) for name in NAMES]
    write(tmp_path, *(marked(number) for number in range(LINES)))
    caller = {name: value for name, value in private_environment(tmp_path / "home").items() if name != MINE}
    process = subprocess.Popen(
        [*MAP, "in", "--out", "out", "--ray", cluster.address, "--at-once", "2", "--json"],
        cwd=tmp_path, env=caller, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: logs(tmp_path / BUNDLE) == 3 or process.poll() is not None, DONE_S, "a receipt of each")
    cluster.remove_node(nodes[1], allow_graceful=False)
    session = Path(cluster.head_node.get_session_dir_path())
    midway = copies(tmp_path, session, MARKER)
    said, _ = process.communicate(timeout=DONE_S)
    assert process.returncode in (0, 1), process.returncode
    told = json.loads(said)
    assert told["statuses"] == {"200": LINES}, told
    assert len(answers(tmp_path)) == LINES
    assert told["receipts"] + told["missing"] == LINES
    assert len(told["logs"]) == 3
    assert verify(tmp_path).returncode == 0
    assert midway + copies(tmp_path, session, MARKER) == []
    wardens = [pid for pid in processes(tmp_path) if title(pid).startswith("noghost:")]
    wait_for(lambda: not any(map(title, wardens)), DONE_S, "the services to end with their agents")

    plain = subprocess.Popen(
        [sys.executable, "-c", f"{PLAIN}; input()", cluster.address, CONTROL], stdin=subprocess.PIPE, env=caller
    )
    try:
        wait_for(lambda: copies(tmp_path, session, CONTROL), DONE_S, "control: what is put in plain is found")
    finally:
        plain.communicate(b"\n", timeout=DONE_S)


def marked(number: int) -> dict[str, Any]:
    question = {"role": "user", "content": f"{MARKER} {number}: what is that?"}
    return chat(number, messages=[question], max_tokens=6)


def test_what_does_not_fit_is_told_before_anything_is_asked(cluster: Any, tmp_path: Path) -> None:
    """No node with weights; other weights than a node says."""
    write(tmp_path, chat(0))
    nobody = mapped(tmp_path, "--ray", cluster.address)
    assert f"no node of Ray at {cluster.address} says that it has weights" in nobody.stderr, nobody
    add(cluster, tmp_path / "a", "ab" * 32)
    other = mapped(tmp_path, "--ray", cluster.address)
    assert re.search(r"ray:\S+ has other weights than its resource noghost-abababababababab says", other.stderr), other
    assert not (tmp_path / "out").exists()
