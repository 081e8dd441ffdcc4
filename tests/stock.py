"""A stock llama-server in a process of its own: what noghost is measured against and hunted beside.

`xllamacpp.Server` is llama.cpp's own server in a wheel. It runs in a child that dies with us, and is stopped
by its pid.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Stock:
    """A running stock server."""

    url: str
    pid: int


@contextlib.contextmanager
def stock_server(
    gguf: Path,
    *,
    n_ctx: int = 1024,
    n_parallel: int = 1,
    n_threads: int = 2,
    cache_prompt: bool = True,
    cache_ram_mib: int | None = None,
    sleep_idle_s: int | None = None,
    pooling: str | None = None,
    log: Path | None = None,
) -> Iterator[Stock]:
    """Run a stock server on a free loopback port and yield it once it answers; stop it afterwards.

    `n_ctx` is in tokens for each of the `n_parallel` slots. With a `pooling` (NONE, MEAN, CLS, LAST; empty for what
    the GGUF says) it gives embeddings. What is not named stays as the server has it:
    flash attention auto, warm-up run, no sleep, weights repacked for the processor, continuous batching. Its log goes
    to `log`, else nowhere. Raises RuntimeError if it does not start.
    """
    settings = [
        *("--gguf", str(gguf), "--n-ctx", str(n_ctx), "--n-parallel", str(n_parallel)),
        *("--n-threads", str(n_threads), "--cache-prompt", str(int(cache_prompt))),
        *(("--pooling", pooling) if pooling is not None else ()),
        *(("--sleep-idle-s", str(sleep_idle_s)) if sleep_idle_s is not None else ()),
        *(("--cache-ram-mib", str(cache_ram_mib)) if cache_ram_mib is not None else ()),
    ]
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        command = [sys.executable, str(Path(__file__)), *settings]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        stack.callback(_stop, server)
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip()
        if not url.startswith("http"):
            raise RuntimeError("the stock server did not start")
        yield Stock(url, server.pid)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for pipe in (server.stdin, server.stdout):
        if pipe:
            pipe.close()


def _serve(options: argparse.Namespace) -> None:
    """In the child: start the server, say where it listens, wait until our standard input ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.gguf
    parameters.n_ctx = options.n_ctx * options.n_parallel
    parameters.n_parallel = options.n_parallel
    parameters.cpuparams.n_threads = options.n_threads
    parameters.cpuparams_batch.n_threads = options.n_threads
    parameters.cache_prompt = bool(options.cache_prompt)
    if options.cache_ram_mib is not None:
        parameters.cache_ram_mib = options.cache_ram_mib
    if options.sleep_idle_s is not None:
        parameters.sleep_idle_seconds = options.sleep_idle_s  # llama-server --sleep-idle-seconds: unloads the model
    if options.pooling is not None:
        parameters.embedding = True
        kind = f"LLAMA_POOLING_TYPE_{options.pooling or 'UNSPECIFIED'}"
        parameters.pooling_type = getattr(xllamacpp.llama_pooling_type, kind)
    parameters.port = 0
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdin.read()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gguf", required=True)
    for name in ("--cache-ram-mib", "--sleep-idle-s"):
        parser.add_argument(name, type=int)
    parser.add_argument("--pooling")
    for name in ("--n-ctx", "--n-parallel", "--n-threads", "--cache-prompt"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    _serve(_options())
