"""In the guest, the mutant: `noghost serve` whose reaper wipes nothing. What its search finds, ours must find too."""

from __future__ import annotations

import sys

from noghost.config import Config, Tls
from noghost.reaper.trace import Windows
from noghost.reaper.wipe import Steps, Wiped
from noghost.service import serve


def leave(_windows: Windows) -> Steps:
    """Let the instance go as it is."""
    yield from ()
    return Wiped(0, 0)


if __name__ == "__main__":
    model, host, port, transport = sys.argv[1:]
    tls = Tls() if transport == "tls" else None
    config = Config((model,), host, int(port), context_tokens=2048, tls=tls, insecure=True, keys=False)
    serve(config, lambda *address: print("listening on", *address, flush=True), wiper=leave)
