"""What `noghost ask` does on its way to the first token, and what it leaves out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.instance.question import Question
from noghost.weights.find import find
from running import private_environment

DOCS = Path(__file__).parents[2] / "docs"
ASK = [sys.executable, "-m", "noghost.cli.main", "ask", "--temperature", "0", "--threads", "1", "--max-tokens", "12"]
HEAVY = {"uvicorn", "pydantic", "httpx", "starlette", "numpy", "matplotlib", "noghost.api", "asyncio"}
HEAVY |= {"noghost.engine.capsule", "logging"}
NOT_THE_REAPERS = HEAVY | {"click", "jinja2", "llama_cpp", "noghost.engine", "noghost.service"}


def imported(statement: str) -> set[str]:
    """Every module that a fresh interpreter has after it."""
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_the_command_imports_nothing_of_a_service() -> None:
    way = "import noghost.cli.main, noghost.cli.ask, noghost.service, noghost.instance.terminal, noghost.engine.loaded"
    assert imported(way) & HEAVY == set()
    assert {"starlette", "asyncio"} <= imported("import noghost.api.app"), "control: they are found where they are"


def test_a_service_imports_no_framework_for_its_document() -> None:
    assert "fastapi" not in imported("import noghost.api.app, noghost.api.connection, noghost.api.rehearse")
    generated = f"import sys; sys.path.insert(0, {str(DOCS)!r}); import _generate_api"
    assert "fastapi" in imported(generated), "control"


def test_its_reaper_imports_nothing_that_answers() -> None:
    assert imported("import noghost.reaper.role") & NOT_THE_REAPERS == set()


def test_a_warden_imports_nothing_that_is_the_reapers_alone() -> None:
    theirs = {"noghost.reaper.role", "noghost.reaper.watch", "noghost.reaper.wipe", "noghost.ledger.store"}
    way = "import noghost.cli.serve, noghost.reaper.start, noghost.warden.listen, noghost.api.app, noghost.api.spoken"
    assert imported(way) & theirs == set()
    assert theirs <= imported("import noghost.reaper.role"), "control"


def test_a_context_sized_to_the_question_changes_no_answer(tmp_path: Path) -> None:
    """By argument and by file the context is small; through a pipe nobody knows what comes, and it is whole."""
    text = "Name three rivers of Europe."
    (tmp_path / "question").write_text(text)
    environment = private_environment(tmp_path)
    with (tmp_path / "question").open("rb") as file:
        answers = [
            subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True, **said).stdout
            for command, said in (
                ([*ASK, text], {"stdin": subprocess.DEVNULL}),
                (ASK, {"stdin": file}),
                (ASK, {"input": text.encode()}),
            )
        ]
    assert len(set(answers)) == 1
    assert len(answers[0]) > 10


def test_the_context_is_as_large_as_needed_and_no_larger() -> None:
    code = (
        "import sys; from noghost.engine.ahead import begin; from noghost.engine.context import Room;"
        "print(begin(sys.argv[1], Room(int(sys.argv[2]), int(sys.argv[3])))()[1].n_ctx)"
    )

    def tokens(*arguments: object) -> int:
        """In a process with one thread, as a command is."""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return int(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)

    assert 100 < tokens(find().path, 8192, 100) <= 1024
    assert tokens(find().path, 512, 100_000) == 512


@pytest.mark.parametrize(("kind", "known"), [("none", True), ("file", True), ("pipe", False)])
def test_how_much_can_come_is_known_of_a_file_and_not_of_a_pipe(tmp_path: Path, kind: str, known: bool) -> None:
    question = Question("ä" * 10, "s", kind != "none", 0, 1, 1, 7, (), False)
    (tmp_path / "file").write_bytes(b"m" * 50)
    reading, writing = os.pipe()
    keep = os.dup(0)
    with (tmp_path / "file").open("rb") as file:
        os.dup2(file.fileno() if kind == "file" else reading, 0)
        try:
            assert question.most_tokens() == (20 + 1 + 7 + 50 * (kind == "file") if known else None)
        finally:
            os.dup2(keep, 0)
            for descriptor in (keep, reading, writing):
                os.close(descriptor)


def test_a_reaper_without_a_duty_ends_without_a_word(tmp_path: Path) -> None:
    """The command refuses its settings after the reaper was started."""
    done = subprocess.run(
        [*ASK, "--stop", "", "Hello"], env=private_environment(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "noghost: --stop is empty\nhint: give the text to stop at\n"
    assert not (tmp_path / "noghost").exists(), "no ledger was opened"
