"""`noghost status` against a running service, and without one."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from promises.talking import connect, say
from running import Service, private_environment, running, wait_for


def seen(service: Service) -> dict[str, object]:
    """`noghost status --json`, only this service's processes."""
    found = json.loads(service.noghost("status", "--json").stdout)
    own = {service.pid, service.reaper_pid, *service.instances()}
    return found | {"processes": [one for one in found["processes"] if one["pid"] in own]}


def test_an_idle_service_does_nothing_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        found = json.loads(service.noghost("status", "--json", "--watch", "2").stdout)
        idle = {one["role"]: one for one in found["processes"] if one["pid"] in (service.pid, service.reaper_pid)}
        assert set(idle) == {"warden", "reaper"}
        assert [(one["wakeups"], one["cpu_ms"]) for one in idle.values()] == [(0, 0), (0, 0)]
        assert all(one["private_bytes"] > 1_000_000 for one in idle.values())
        assert found["last_end"] is None


def test_wakeups_are_really_counted(service: Service) -> None:
    """Positive control of the test above: a warden that is knocked at does wake up."""
    stop = threading.Event()

    def knock() -> None:
        while not stop.wait(0.01):
            connect(service).connection.close()

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        processes = seen(service)["processes"]
    finally:
        stop.set()
        thread.join()
    assert isinstance(processes, list)
    assert next(one for one in processes if one["role"] == "warden")["wakeups"] > 0


def test_a_living_instance_is_counted_and_there_is_no_gap(service: Service) -> None:
    with connect(service) as call:
        call.connection.sendall(b"G")
        wait_for(service.instances, 10, "an instance")
        assert sum(one["role"] == "instance" for one in seen(service)["processes"]) == 1  # type: ignore[attr-defined]


def test_the_gap_begins_with_the_end_of_an_invocation(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        with say(service, "Hello", max_tokens=2) as call:
            call.read_all()
        wait_for(lambda: not service.instances(), 10, "the end")
        text = service.noghost("status").stdout
        assert "last invocation ended 20" in text
        assert "warden" in text
    assert private_environment(tmp_path)["XDG_DATA_HOME"] == str(tmp_path)
