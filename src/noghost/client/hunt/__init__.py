"""The hunter: does a server still hold what was said to it?

It says a random canary to any OpenAI-compatible server, waits, and counts the copies of the canary and of the
answer that are left. A server is searched from outside, without its help and without stopping it.

Covered: the memory of every live process under the given pids (pages of its own, swapped ones too; shared
mappings that somebody may write); `/dev/shm`; files, names included, changed in the given folders; files,
memfds and deleted files that the processes hold open for writing. As UTF-8, Latin-1, UTF-16, UTF-32,
JSON-escaped, base64 at every alignment, and token ids where a tokeniser is at hand. A copy counts even if
only one window of it is left.

Not covered: copies in pieces smaller than a window (a stream kept token by token), compressed, encrypted or
hashed text, activations and KV caches, an answer's ids where the model chose another tokenisation than the
tokeniser; kernel buffers, GPU memory, registers, disks below the file system, other machines; processes
outside the given trees. And what was overwritten or moved between the answer and the look.

The hunter does not find itself: it searches neither its own process nor a parent of it, and refuses a pid
that would make it. It knows the canary and the answer until it ends; the server does not inherit from it.
What it reports holds neither. The command `noghost hunt` hunts from a process of its own, which is wiped when it ends
(`cli/apart.py`).

    result = hunt("http://127.0.0.1:8080", [pid], [Path("/var/lib/server")])
    result.copies, result.places
"""

from noghost.client.hunt.files import count_in_file
from noghost.client.hunt.needle import Needle, needles_for
from noghost.client.hunt.regions import Region, regions_of
from noghost.client.hunt.scan import Find, count_in_fd, count_in_pid
from noghost.client.hunt.search import HuntResult, hunt
from noghost.client.hunt.talk import new_canary

__all__ = [
    "Find",
    "HuntResult",
    "Needle",
    "Region",
    "count_in_fd",
    "count_in_file",
    "count_in_pid",
    "hunt",
    "needles_for",
    "new_canary",
    "regions_of",
]
