"""`noghost serve`: what it says at start, what it refuses to start with, several models."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from noghost.weights.find import find
from promises.talking import say
from running import SERVE, Service, children, private_environment, running, title, wait_for


def fail_to_start(home: Path, *arguments: str) -> str:
    """What it says on standard error when it does not start; nothing of it may be left running."""
    command = [*SERVE, "--port", "0", *arguments]
    done = subprocess.run(command, env=private_environment(home), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "hint: " in done.stderr
    return done.stderr


@pytest.mark.parametrize("content", [None, b"", b"not a model", b"GGUF" + bytes(200)], ids=str)
def test_a_missing_or_broken_model_is_named_at_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in fail_to_start(tmp_path, "--model", str(path))


def test_a_truncated_model_is_named_at_start(tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(find().path.read_bytes()[: 8 << 20])
    assert str(path) in fail_to_start(tmp_path, "--model", str(path))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in fail_to_start(tmp_path, "--port", str(port))


def test_a_setting_out_of_range_is_named(tmp_path: Path) -> None:
    assert "seats" in fail_to_start(tmp_path, "--seats", "1000")


def test_an_address_that_others_reach_wants_tls(tmp_path: Path) -> None:
    assert "no TLS on 0.0.0.0" in fail_to_start(tmp_path, "--host", "0.0.0.0")


def test_a_certificate_without_its_key_is_named(tmp_path: Path) -> None:
    assert "only one of certificate and key" in fail_to_start(tmp_path, "--tls-cert", str(tmp_path / "none"))


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert str(missing) in fail_to_start(tmp_path, "--tls-cert", str(missing), "--tls-key", str(missing))


def test_a_socket_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert str(tmp_path / "mine") in fail_to_start(tmp_path, "--unix", str(tmp_path / "mine"))
    assert (tmp_path / "mine").read_text() == "mine"


def test_process_titles_say_the_roles(service: Service) -> None:
    assert title(service.pid) == "noghost: warden"
    assert [title(pid) for pid in children(service.pid)] == ["noghost: reaper"]
    with socket.create_connection(("127.0.0.1", service.port)) as caller:
        caller.sendall(b"G")  # a connection that has said nothing has no process
        wait_for(lambda: [title(pid) for pid in service.instances()] == ["noghost: instance"], 10, "its title")


def test_several_models_the_first_is_the_default(tmp_path: Path) -> None:
    other = tmp_path / "Other-Model.gguf"
    shutil.copy(find().path, other)
    with running(tmp_path, "--model", str(other), "--model", "default", "--context", "512") as service:
        with urllib.request.urlopen(service.url + "/v1/models", timeout=30) as answer:
            listed = [one["id"] for one in json.load(answer)["data"]]
        assert listed == ["other-model", find().name]
        for asked, answered in (("default", listed[0]), (listed[1], listed[1])):
            with say(service, "Say yes.", model=asked, max_tokens=2) as call:
                assert f'"model":"{answered}"'.encode() in call.read_all().replace(b'": "', b'":"')
