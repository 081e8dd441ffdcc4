"""`noghost gap`: of a file, of a ledger, drawn, and told where it cannot be told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from client.gap.test_gap import START, minute, talk
from ledger.samples import birth, end
from noghost.cli.gap import gap
from noghost.client.transcript import TranscriptFile
from noghost.errors import ConfigError, LedgerError, NoghostError, TranscriptError
from noghost.ledger.store import Ledger

BAR = "█▁▂▃▄▅▆▇·░"


def told(*arguments: str | Path) -> Result:
    return CliRunner().invoke(gap, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.md"
    TranscriptFile(path).create(talk((0, 2), (3602, 3603), (3663.5, 3665)))
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "ledger") as opened:
        for number, at_s in enumerate((0, 3600, 3660)):
            opened.append(replace(birth(number), minute=minute(at_s)))
            opened.append(replace(end(number), minute=minute(at_s)))
        opened.append(replace(birth(9), minute=minute(3700)))
    return tmp_path / "ledger"


def test_a_file(file: Path) -> None:
    bar, ends, *words = told(file).output.splitlines()
    assert set(bar) <= set(BAR)
    assert (bar[0], bar[1], bar[-1]) == ("▁", "·", "▁")
    assert ends.split("  ")[0] == f"{START:%Y-%m-%d %H:%M:%S}Z"
    assert [line.split(None, 1)[1] for line in words] == [
        "2, of 3 instances",
        "1 h",
        "all     1 h 1 min, of 1 h 1 min 5 s",
        "in 99.87 % of that time",
        "to   the millisecond, by the clock of who wrote it",
    ]


def test_a_ledger_has_bounds_and_shows_what_is_unmatched(ledger: Path) -> None:
    found = json.loads(told("--ledger", ledger, "--json").output)
    assert (found["instances"], found["untold"], found["exact_to_s"]) == (4, 1, 60)
    assert (found["gaps"], found["longest_s"]) == ({"least": 3, "most": 3}, {"least": 3540, "most": 3660})
    text = told("--ledger", ledger).output
    assert "longest    59 min to 1 h 1 min\n" in text
    assert "exact to   the minute" in text
    assert "untold     1 with no end in the ledger" in text


@pytest.mark.parametrize("where", ["environment", "file", "default"])
def test_a_ledger_without_a_name_is_found_where_serve_would(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(LedgerError):
        told("--ledger", "", "--json")
    if where == "environment":
        monkeypatch.setenv("NOGHOST_LEDGER", str(ledger))
    elif where == "file":
        (tmp_path / "noghost.toml").write_text('ledger = "ledger"\n')
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NOGHOST_CONFIG", "noghost.toml")
    else:
        (tmp_path / "data" / "noghost").mkdir(parents=True)
        ledger.rename(tmp_path / "data" / "noghost" / "ledger")
    assert json.loads(told("--ledger", "", "--json").output)["instances"] == 4
    with pytest.raises(LedgerError):
        told("--ledger", tmp_path / "none")


def test_pictures(file: Path, tmp_path: Path) -> None:
    for name, begin in (("bar.svg", b"<svg "), ("bar.PNG", b"\x89PNG")):
        assert told(file, "--out", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(begin)
        assert b"talk.md" in (tmp_path / name).read_bytes()


def test_a_file_without_times_says_so(tmp_path: Path) -> None:
    TranscriptFile(tmp_path / "bare.md").create(talk(None, None))
    assert told(tmp_path / "bare.md").output == "nothing can be told: none of 2 answers has its times\n"
    found = json.loads(told(tmp_path / "bare.md", "--json", "--out", tmp_path / "bare.svg").output)
    assert (found["share"], found["ends"]) == (None, None)


def test_wrong_ways_to_ask(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Shopping\n")
    cases: list[tuple[tuple[str | Path, ...], type[NoghostError]]] = [
        ((), ConfigError),
        ((file, "--ledger", ""), ConfigError),
        ((file, "--out", "bar.jpg"), ConfigError),
        ((file, "--out", tmp_path / "none" / "bar.svg"), ConfigError),
        ((tmp_path / "other.md",), TranscriptError),
        (("--ledger", tmp_path / "none"), LedgerError),
    ]
    for arguments, error in cases:
        with pytest.raises(error) as caught:
            told(*arguments)
        assert caught.value.hint
