"""A Ray cluster of several nodes on this machine, and the search of all that Ray keeps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noghost.client.hunt.files import SHARED_MEMORY, count_in_file
from noghost.client.hunt.needle import Needle, needles_for
from noghost.client.hunt.regions import regions_of
from noghost.client.hunt.scan import Find, count_in_fd
from running import title

MINE = "NOGHOST_TEST_CLUSTER"
STORE_BYTES = 80_000_000  # near the least that Ray takes


@dataclass(frozen=True)
class Nodes:
    """A head that computes nothing, and the nodes that a test adds. All goes through the store and on to the disk:
    nothing is small enough to be passed by the way, and the store is taken for full at once."""

    cluster: Any
    folder: Path

    @classmethod
    def begin(cls, folder: Path) -> Nodes:
        from ray.cluster_utils import Cluster

        (folder / "kept").mkdir()
        spills = {"type": "filesystem", "params": {"directory_path": str(folder / "spilled")}}
        settings = {
            "object_spilling_config": json.dumps(spills),
            "object_spilling_threshold": 1e-6,
            "min_spilling_size": 1,
            "max_direct_call_object_size": 1,
            "health_check_period_ms": 1000,  # of a node that is killed: 5 that fail, each within
            "health_check_timeout_ms": 2000,
        }
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        return cls(Cluster(initialize_head=True, head_node_args=head | {"_system_config": settings}), folder)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, home: Path, sha256: str, seats: int = 4) -> Any:
        """A node with a home of its own, that says which weights it has."""
        own = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        resources = {f"noghost-{sha256[:16]}": seats}
        return self.cluster.add_node(
            num_cpus=1, object_store_memory=STORE_BYTES, resources=resources, env_vars=own | {MINE: str(self.folder)}
        )

    def kill(self, node: Any) -> None:
        """As a machine that is gone."""
        self.cluster.remove_node(node, allow_graceful=False)

    def clear(self) -> None:
        """End all that were added, so that the cluster knows that at once."""
        for node in list(self.cluster.worker_nodes):
            self.cluster.remove_node(node, allow_graceful=True)

    @contextmanager
    def says_release(self, release: str) -> Iterator[None]:
        """The cluster says that it is another release of Ray, where callers look."""
        from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY as KEY
        from ray._private.ray_constants import KV_NAMESPACE_CLUSTER as SPACE

        gcs = self.cluster.head_node.get_gcs_client()
        before = gcs.internal_kv_get(KEY, namespace=SPACE)
        gcs.internal_kv_put(KEY, json.dumps(json.loads(before) | {"ray_version": release}).encode(), True, SPACE)
        yield
        gcs.internal_kv_put(KEY, before, True, SPACE)

    def processes(self) -> list[int]:
        """What Ray started and what the agents did; not callers, and not instances, which read."""
        mine = f"{MINE}={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mine in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return [pid for pid in found if title(pid) != "noghost: instance"]

    def keep(self) -> list[Path]:
        """Every file of what was spilled, as far as this was called while it was there: Ray takes them away."""
        for path in (self.folder / "spilled").rglob("*"):
            with suppress(OSError):
                os.link(path, self.folder / "kept" / f"{path.stat().st_ino} {path.name}")
        return list((self.folder / "kept").iterdir())

    def copies(self, text: str) -> list[Find]:
        """Where Ray has it: processes, the object store, logs and the like of the session, what was spilled."""
        needles, seen = needles_for(text), set[int]()
        found = [find for pid in self.processes() for find in in_memory(pid, needles, seen)]
        session = Path(self.cluster.head_node.get_session_dir_path())
        for place in (session, self.folder / "spilled", self.folder / "kept", SHARED_MEMORY):
            for path in place.rglob("*"):
                found += count_in_file(path, needles)
        return found


def in_memory(pid: int, needles: list[Needle], seen: set[int]) -> list[Find]:
    """Of one process; what several share, the object store, is read once."""
    base = Path(f"/proc/{pid}")
    with suppress(OSError), (base / "mem").open("rb") as memory, (base / "pagemap").open("rb") as pages:
        regions = regions_of((base / "maps").read_text())
        new = [one for one in regions if not (one.shared and one.inode in seen)]
        seen.update(one.inode for one in regions if one.shared)
        return count_in_fd(memory.fileno(), new, needles, place=title(pid), pagemap_fd=pages.fileno())
    return []
