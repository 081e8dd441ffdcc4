"""The numbers of the closed list, as a scrape of the service's own metrics has them. In the exporter."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from itertools import pairwise

from noghost.metrics import FAMILIES, Family

PATIENCE_S = 10.0
MOST_BYTES = 1 << 20


def scrape(place: Sequence[str]) -> list[int]:
    """In the order of FAMILIES. Raises OSError, HTTPException, or ValueError for what is no such text."""
    connection = HTTPConnection("localhost")
    with reach(place) as connection.sock:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(response.status)
        return numbers_in(response.read(MOST_BYTES).decode())


def reach(place: Sequence[str]) -> socket.socket:
    """A path, or host and port."""
    if len(place) == 2:
        return socket.create_connection((place[0], int(place[1])), PATIENCE_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_S)
    connection.connect(place[0])
    return connection


def numbers_in(text: str) -> list[int]:
    """Of an exposition of metrics.py; whatever else it may hold is not looked at. Raises ValueError."""
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return [number for family in FAMILIES for number in numbers_of(family, samples)]


def numbers_of(family: Family, samples: Mapping[str, str]) -> Iterator[int]:
    """Of one metric: each of its values, or what is in each bucket alone."""
    names = [line.rsplit(" ", 1)[0] for line in family.lines([0] * family.size) if not line.startswith("#")]
    try:
        found = [int(samples[name]) for name in names]
    except KeyError:
        raise ValueError("a sample is missing") from None
    if not family.bounds:
        yield from found
    else:  # its last line is the count, which the last bucket has
        yield from (upto - before for before, upto in pairwise([0, *found[:-1]]))
