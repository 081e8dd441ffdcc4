"""P7 record: what a kill of reaper or warden leaves behind, and that the record stays whole."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from pathlib import Path

from promises.talking import connect, say, say_long
from running import Service, running, state, wait_for

END_S = 15.0


def rows(service: Service) -> list[dict[str, dict[str, str] | None]]:
    """`noghost receipts --json`."""
    found: list[dict[str, dict[str, str] | None]] = json.loads(service.noghost("receipts", "--json").stdout)
    return found


def ended(service: Service, invocation: str) -> dict[str, str] | None:
    """The end of one invocation as recorded."""
    return next(row["ended"] for row in rows(service) if row["opened"] and row["opened"]["id"] == invocation)


def test_a_killed_reaper_takes_its_instances_along_and_the_next_start_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        with say_long(first, "Tell me a story.") as call:
            invocation = call.invocation
            instance = first.instances()[0]
            os.kill(first.reaper_pid, signal.SIGKILL)
            wait_for(lambda: state(instance) in ("", "Z"), END_S, "the instance to die with its tracer")
            call.read_all()
        assert first.process.wait(END_S) == 1
        assert "reaper_gone" in first.log
    with running(tmp_path) as second:
        assert "lost: count=1" in second.log
        assert ended(second, invocation) == {
            "minute": ended(second, invocation)["minute"],  # type: ignore[index]
            "id": invocation,
            "outcome": "lost",
            "wipe": "unseen",
            "wiped_pages": 0,
            "verified_pages": 0,
            "prompt_tokens": 0,
            "answer_tokens": 0,
            "refused_calls": 0,
            "commitment": "-",
        }
        assert second.noghost("receipts", "verify").returncode == 0


def test_a_killed_warden_leaves_no_orphan_and_the_port_is_free(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        reaper = service.reaper_pid
        with say_long(service, "Tell me a story.") as call:
            invocation = call.invocation
            instance = service.instances()[0]
            service.process.kill()
            service.process.wait()
            wait_for(lambda: state(instance) == "", END_S, "the instance to die with the warden")
            wait_for(lambda: state(reaper) in ("", "Z"), END_S, "the reaper to finish and go")
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", service.port))
        assert ended(service, invocation)["wipe"] == "verified"  # type: ignore[index]
        assert ended(service, invocation)["outcome"] == "killed"  # type: ignore[index]


def test_an_invocation_that_computes_is_opened_and_closed_and_its_receipt_verifies(service: Service) -> None:
    with say(service, "Say yes.", max_tokens=3) as call:
        call.read_all()
        invocation = call.invocation
    wait_for(lambda: ended(service, invocation), END_S, "the closed entry")
    assert service.noghost("receipts", "verify", invocation).returncode == 0


def test_a_receipt_fetched_from_the_service_verifies_as_a_file_and_a_changed_one_does_not(
    service: Service, tmp_path: Path
) -> None:
    with say(service, "Say yes.", max_tokens=3) as call:
        call.read_all()
    wait_for(lambda: ended(service, call.invocation), END_S, "the closed entry")
    with urllib.request.urlopen(f"{service.url}/v1/receipts/{call.invocation}", timeout=30) as answer:
        text = answer.read().decode()
    fetched, changed = tmp_path / "fetched", tmp_path / "changed"
    fetched.write_text(text)
    changed.write_text(text.replace("outcome answered", "outcome crashed"))
    assert service.noghost("receipts", "verify", str(fetched)).returncode == 0
    assert service.noghost("receipts", "verify", str(changed)).returncode == 1


def test_what_needs_no_model_is_not_in_the_ledger(service: Service) -> None:
    before = len(rows(service))
    with say(service, "Hello", model="none such") as call:
        assert b" 404 " in call.read_all()
    wait_for(lambda: not service.instances(), END_S, "the instance to end")
    assert len(rows(service)) == before


def test_stopping_waits_for_a_running_answer(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        with say(service, "Count.", stream=True, ignore_eos=True, max_tokens=40) as call:
            call.read_until(b'"content":"')
            service.process.send_signal(signal.SIGTERM)
            assert b"[DONE]" in call.read_all()
        assert service.process.wait(END_S) == 0
        assert all(row["ended"] for row in rows(service))


def test_a_storm_of_knocks_that_leave_at_once_harms_nothing(service: Service) -> None:
    """A caller that leaves before its instance is traced, while it is, and while others end."""
    for _ in range(300):
        connect(service).connection.close()
    wait_for(lambda: not service.instances(), END_S, "every instance to end")
    with say(service, "Say yes.", max_tokens=2) as call:
        assert b" 200 " in call.read_all()


def test_a_warden_that_dies_with_ends_unread_leaves_every_instance_wiped(tmp_path: Path) -> None:
    """The reaper's socket is then reset, not closed: it must still see every instance to its end."""
    with running(tmp_path) as service:
        with say_long(service, "Tell me a story.") as call:
            invocation, reaper = call.invocation, service.reaper_pid
            os.kill(service.pid, signal.SIGSTOP)
            gone = service.instances()
            for pid in gone:
                os.kill(pid, signal.SIGKILL)
            call.read_all()
            wait_for(lambda: ended(service, invocation), END_S, "the closed entry, told to a warden that sleeps")
            service.process.kill()
            wait_for(lambda: state(reaper) in ("", "Z"), END_S, "the reaper to finish and go")
        assert ended(service, invocation)["wipe"] == "verified"  # type: ignore[index]
        assert "Traceback" not in service.log
