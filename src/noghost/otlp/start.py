"""Start the exporter as a program of its own, before the warden leaves the host's network. In the warden.

A program and not a fork: nothing of the warden is in it, and nothing of it is in the warden, the reaper or an instance.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec

from noghost.errors import ConfigError

PROGRAM = "noghost.otlp.exporter"
LIBRARY = "opentelemetry.exporter.otlp.proto.http"
INSTALL = "run: pip install 'opentelemetry-sdk>=1.30,<2' 'opentelemetry-exporter-otlp-proto-http>=1.30,<2'"


def start(url: str, interval_s: float, metrics: socket.socket) -> socket.socket:
    """Push what is told at `metrics` to a collector, until what is returned is closed. Raises ConfigError."""
    check_installed()
    here, there = socket.socketpair()
    with there:
        arguments = [sys.executable, "-m", PROGRAM, url, str(interval_s), *place_of(metrics)]
        held = [(os.POSIX_SPAWN_DUP2, there.fileno(), 0)]
        os.posix_spawn(sys.executable, arguments, os.environ, file_actions=held)
    return here


def check_installed() -> None:
    """Raise ConfigError without the extra `otel`."""
    try:
        is_there = find_spec(LIBRARY) is not None and find_spec("opentelemetry.sdk") is not None
    except ImportError:
        is_there = False
    if not is_there:
        raise ConfigError("--otlp needs packages of OpenTelemetry, which are not installed", INSTALL, key="otlp")


def place_of(metrics: socket.socket) -> list[str]:
    """Where the exporter scrapes: a path, or host and port."""
    name = metrics.getsockname()
    return [name] if metrics.family == socket.AF_UNIX else [name[0], str(name[1])]
