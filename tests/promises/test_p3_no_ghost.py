"""P3 no ghost: no copy of prompt or answer in any surviving process, file, shared memory or log.

Positive control: the same hunter, the same words, against a stock llama-server, which keeps some. The mutant of
the wipe is in test_p2_gone.py: there the hunter's search finds the canary in the instance itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from noghost.client.hunt import hunt
from noghost.weights.find import find
from running import Service, running
from stock import stock_server


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_hunter_finds_nothing_in_ours(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        result = hunt(service.url, [service.pid], [tmp_path], tokenizer=find().path)
        assert result.processes == 2
        assert not result.not_searched
        assert result.copies == 0
        assert told(service) > 0, "the hunter must have been answered"


def told(service: Service) -> int:
    """Invocations in the ledger."""
    return service.noghost("receipts").stdout.count("answered")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_hunter_finds_copies_in_a_stock_server() -> None:
    weights = find().path
    with stock_server(weights, n_threads=1) as stock:
        assert hunt(stock.url, [stock.pid], tokenizer=weights).copies > 0
