"""P3 no ghost: no copy of prompt or answer in any surviving process, file, shared memory or log.

Positive control: the same hunter, the same words, against a stock llama-server, which keeps some. The mutant of
the wipe is in test_p2_gone.py: there the hunter's search finds the canary in the instance itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noghost.client.hunt import count_in_pid, hunt, needles_for, new_canary
from noghost.errors import HuntError
from noghost.weights.find import find
from running import Service, children, private_environment, running, title, wait_for
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


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nor_over_tls(tmp_path: Path) -> None:
    """The control is the same: a stock server, below."""
    with running(tmp_path, "--tls") as service:
        with pytest.raises(HuntError, match="another certificate"):
            hunt(service.url, [service.pid], fingerprint=":".join(["00"] * 32))
        wait_for(lambda: not service.instances(), 10, "the instance of the first look to end")
        result = hunt(service.url, [service.pid], [tmp_path], tokenizer=find().path, fingerprint=service.fingerprint)
        assert (result.processes, result.copies, result.not_searched) == (2, 0, ())
        assert told(service) > 0


def told(service: Service) -> int:
    """Invocations in the ledger."""
    return service.noghost("receipts").stdout.count("answered")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_hunter_finds_copies_in_a_stock_server() -> None:
    weights = find().path
    with stock_server(weights, n_threads=1) as stock:
        assert hunt(stock.url, [stock.pid], tokenizer=weights).copies > 0


def test_the_reaper_of_ask_never_held_the_question(tmp_path: Path) -> None:
    """Nobody wipes the reaper. Control: the command's own process, which the reaper wipes, does hold it."""
    canary = new_canary()
    command = [sys.executable, "-m", "noghost.cli.main", "ask", f"Tell me of {canary}.", "--max-tokens", "1000"]
    asking = subprocess.Popen(
        command, env=private_environment(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        assert asking.stdout is not None
        assert asking.stdout.read(1)
        needles = needles_for(canary, width_chars=16)
        reaper = next(pid for pid in children(asking.pid) if title(pid) == "noghost: reaper")
        assert count_in_pid(asking.pid, needles)
        assert count_in_pid(reaper, needles) == []
    finally:
        asking.terminate()
        asking.communicate(timeout=20)
