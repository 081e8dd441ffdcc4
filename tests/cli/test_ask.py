"""`noghost ask`: an answer from a process that exists only for it, without a service."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from running import children, private_environment, state, wait_for

ASK = (sys.executable, "-m", "noghost.cli.main", "ask")
END_S = 20.0


def ask(home: Path, *arguments: str, material: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run it; standard input is the material, or nothing."""
    source: dict[str, object] = {"stdin": subprocess.DEVNULL} if material is None else {"input": material}
    command = [*ASK, *arguments]
    return subprocess.run(command, env=private_environment(home), capture_output=True, timeout=60, **source)  # type: ignore[call-overload,no-any-return]


def test_the_answer_goes_to_standard_output_and_nothing_else_does(tmp_path: Path) -> None:
    done = ask(tmp_path, "What is the capital of France?", "--temperature", "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"The capital of France is Paris.\n", b"")


def test_json_has_the_answer_and_the_life(tmp_path: Path) -> None:
    done = ask(tmp_path, "What is the capital of France?", "--temperature", "0", "--json", "--seed", "7")
    told = json.loads(done.stdout)
    assert told["answer"] == "The capital of France is Paris."
    assert (told["outcome"], told["finish_reason"], told["wipe"], told["seed"]) == ("answered", "stop", "verified", 7)
    assert told["zeroed_bytes"] == told["verified_bytes"] > 1_000_000
    assert told["answer_tokens"] == 8
    assert 0 < told["birth_ms"] < told["first_token_ms"]


def test_standard_input_is_the_material(tmp_path: Path) -> None:
    done = ask(tmp_path, "Repeat this word:", "--temperature", "0", "--max-tokens", "20", material=b"Zanzibar")
    assert b"Zanzibar" in done.stdout


def test_standard_input_alone_is_the_question(tmp_path: Path) -> None:
    done = ask(tmp_path, "--temperature", "0", material=b"What is the capital of France?")
    assert done.stdout == b"The capital of France is Paris.\n"


def test_stop_and_max_tokens_and_system(tmp_path: Path) -> None:
    stopped = ask(tmp_path, "What is the capital of France?", "--temperature", "0", "--stop", " Paris")
    assert stopped.stdout == b"The capital of France is\n"
    cut = ask(tmp_path, "What is the capital of France?", "--temperature", "0", "--max-tokens", "3", "--json")
    assert json.loads(cut.stdout)["finish_reason"] == "length"
    other = ask(tmp_path, "What is the capital of France?", "--temperature", "0", "--system", "", "--max-tokens", "8")
    assert other.stdout != b"The capital of France is Paris.\n", "the system message reached the model"


def test_the_same_seed_gives_the_same_answer(tmp_path: Path) -> None:
    answers = {ask(tmp_path, "Tell me a joke.", "--seed", "5", "--max-tokens", "20").stdout for _ in range(2)}
    assert len(answers) == 1


def test_the_receipt_is_in_the_ledger_and_verifies(tmp_path: Path) -> None:
    told = json.loads(ask(tmp_path, "Say yes.", "--json", "--max-tokens", "3").stdout)
    command = [sys.executable, "-m", "noghost.cli.main", "receipts", "verify", told["instance"]]
    done = subprocess.run(command, env=private_environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "wipe verified" in done.stdout


def test_errors_are_one_message_with_a_hint_and_no_traceback(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    for arguments, material, words in (
        (["Hello", "--model", str(tmp_path / "none.gguf")], None, b"none.gguf"),
        (["Hello", "--model", str(broken)], None, b"broken.gguf"),
        (["Hello", "--stop", ""], None, b"--stop"),
        ([], None, b"nothing to ask"),
        (["Translate:"], b"\xff\xfe", b"not valid UTF-8 at byte 0"),
        (["word " * 400, "--context", "128"], None, b"tokens"),
    ):
        done = ask(tmp_path, *arguments, material=material)
        assert done.returncode == 1, arguments
        assert words in done.stderr
        assert b"Traceback" not in done.stderr
        assert done.stdout == b""


def test_the_question_is_not_in_the_process_list_while_it_answers(tmp_path: Path) -> None:
    marker = "marker-5512-in-the-command-line"
    running = subprocess.Popen(
        [*ASK, f"Tell me of {marker}.", "--max-tokens", "1000"],
        env=private_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        assert running.stdout.read(1)
        family = [running.pid, *children(running.pid)]
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family]
        assert len(lines) >= 3
        assert all(line.startswith(b"noghost: ") and marker.encode() not in line for line in lines)
    finally:
        running.terminate()
        running.communicate(timeout=END_S)


def test_ctrl_c_ends_all_of_it_at_once(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [*ASK, "Tell me a long story.", "--max-tokens", "1000"],
        env=private_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.read(1)
    family = children(running.pid)
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=END_S)
    assert running.returncode == 130
    for pid in family:
        wait_for(lambda pid=pid: state(pid) in ("", "Z"), END_S, "the family to be gone")


def test_a_terminal_gets_one_line_about_the_life(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*ASK, "What is the capital of France?", "--temperature", "0"],
        env=private_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
    )
    os.close(theirs)
    line = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.stdout == b"The capital of France is Paris.\n"
    for words in ("born in", "first token after", "tokens/s", "MB zeroed", "MB verified", "gone in"):
        assert words in line
    assert line.count("\n") == 1
