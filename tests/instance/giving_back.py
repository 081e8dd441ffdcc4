"""One served answer in a forked process that the kernel kills when it gives memory back or opens a file.

    python giving_back.py keep|give|open|tls|key|wrong give: without the measures of instance/memory.py
                                                       open: with a file to open, as an import would
                                                       tls: over TLS, padded
                                                       key: to a service that asks for API keys, with one
                                                       wrong: to such a service, with a key that it does not have

Prints how the process ended. The answer goes over a real socket through the real API and engine; the record is
somebody else's affair here.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import bpf
from noghost.api.certificate import secure
from noghost.board import Board
from noghost.config import Config, Tls
from noghost.instance.identity import reseed
from noghost.instance.life import Instance
from noghost.instance.memory import keep_malloc_pages, keep_python_arenas
from noghost.instance.newborn import Newborn
from noghost.keys.key import mint
from noghost.keys.ring import Ring
from noghost.models import find_models
from noghost.service import prepare_serving
from running import private_environment

PROMPT = "Tell me of " + "many words, " * 120


class NoRecord:
    """In the place of the line to the reaper."""

    def open(self, *_: object, **__: object) -> None: ...
    def sync(self) -> None: ...
    def last_word(self, *_: object) -> None: ...


def ring_and_key() -> tuple[Ring | None, str]:
    """What the service asks for, and what the caller sends. The key is made by another process, as it always is: so
    that nothing is loaded here for it but by the service itself."""
    if sys.argv[1] not in ("key", "wrong"):
        return None, "none"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "noghost.cli.main", "keys", "add", "somebody"]
        key = subprocess.check_output(command, env=private_environment(Path(folder)), text=True).strip()
        return Ring(Path(folder, "noghost", "keys", "hashes")), key if sys.argv[1] == "key" else mint()


def request(key: str) -> bytes:
    body = json.dumps({"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 24, "stream": True}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {key}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    keep = sys.argv[1] != "give"
    config = Config(context_tokens=2048, threads=1, tls=Tls() if sys.argv[1] == "tls" else None)
    ring, key = ring_and_key()
    tls = None if (secured := secure(config)) is None else secured.context
    prepared = prepare_serving(config, find_models(config), Board(), ring, tls)
    if keep:
        keep_malloc_pages()
    gc.collect()
    gc.freeze()
    listener = socket.create_server(("127.0.0.1", 0))
    caller = socket.create_connection(listener.getsockname())
    connection, _ = listener.accept()
    pid = os.fork()
    if pid == 0:
        if keep:
            keep_python_arenas()
        newborn = Newborn(connection, NoRecord(), 0, 0)  # type: ignore[arg-type]
        equipped = prepared.equip(newborn)
        bpf.install(bpf.KILL_PROCESS, "munmap", "mremap", "madvise", "openat")
        equipped.serve(Instance(newborn, NoRecord(), reseed()))  # type: ignore[arg-type]
        if sys.argv[1] == "open":
            os.open("/dev/null", os.O_RDONLY)
        large = [bytes(9 << 20) for _ in range(3)]  # what a large request would leave
        del large
        os._exit(0)
    connection.close()
    if config.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        caller = context.wrap_socket(caller)
    caller.sendall(request(key))
    received = b"".join(iter(lambda: caller.recv(65536), b""))
    _, status = os.waitpid(pid, 0)
    print(json.dumps({"answered": received.endswith(b"[DONE]\n\n\r\n0\r\n\r\n"), "status": status}))


if __name__ == "__main__":
    main()
