"""`noghost models pull` against a hub on loopback, by real processes: good answers, bad ones, and none."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.certificates import new_key, write_certificate, write_key
from fuzz.tiny_gguf import STRING, Tiny
from noghost.errors import WeightsError
from noghost.weights import download
from noghost.weights.download import Remote
from noghost.weights.unfinished import unfinished
from running import private_environment, wait_for
from weights.hub_double import SIGNATURE, File, Hub, serving
from weights.splitting import split_files, whole_file

TOKEN = "hf_not-to-be-seen-anywhere"
# Long enough for a download to be in its middle.
MODEL = Tiny().with_pair(b"general.description", STRING, b"x" * 2_000_000).render()
DIGEST = hashlib.sha256(MODEL).hexdigest()
HALF = 1_048_576
OTHER = Tiny().with_pair(b"general.description", STRING, b"y" * 2_000_000).render()
PATIENCE_S = 30

pytestmark = pytest.mark.slow  # each starts processes; about 25 s in all
Pull = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub({"m-Q8_0.gguf": File(MODEL), "README.md": File(b"# m")})) as found:
        yield found


def environment(home: Path, hub: Hub) -> dict[str, str]:
    """With a home of its own, so that what is left in it can be seen."""
    mine = {"HOME": str(home), "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    hidden = ("HF_HOME", "HF_TOKEN_PATH", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    return {key: value for key, value in private_environment(home).items() if key not in hidden} | mine


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "noghost.cli.main", "models", *arguments]


@pytest.fixture
def models(tmp_path: Path, hub: Hub) -> Pull:
    """Run a command of `noghost models`."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        env = environment(tmp_path, hub) | options.pop("env", {})  # type: ignore[operator]
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command(*arguments), env=env, capture_output=True, text=True, timeout=PATIENCE_S, **options
        )

    return run


def files(home: Path) -> dict[str, int]:
    """Name and size of everything that a command has left, but what says which files were hashed."""
    found = {str(path.relative_to(home)): path.stat().st_size for path in home.rglob("*") if path.is_file()}
    return {
        path: size for path, size in found.items() if not path.endswith(("models/lock", "cache/noghost/digests.json"))
    }


def kept(digest: str = DIGEST) -> str:
    return f"noghost/models/files/{digest}.gguf"


PART = f"noghost/models/files/{DIGEST}.part"


def test_a_model_is_pulled_named_pinned_and_shown(tmp_path: Path, hub: Hub, models: Pull) -> None:
    done = models("pull", "hf:owner/repo:Q8_0")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["noghost: licence: apache-2.0", "noghost: m-Q8_0.gguf"]
    assert f"m-q8_0: 2 MB, sha256 {DIGEST}, licence apache-2.0\n" in done.stdout
    assert files(tmp_path) == {kept(): len(MODEL), "noghost/models/names/m-q8_0.json": files_size(tmp_path, "m-q8_0")}
    shown = json.loads(models("show", "m-q8_0", "--json").stdout)
    assert (shown["architecture"], shown["sha256"], shown["has_template"]) == ("llama", DIGEST, True)
    listed = {one["name"]: one for one in json.loads(models("ls", "--json").stdout)}
    assert listed["m-q8_0"]["source"] == "hf:owner/repo:m-Q8_0.gguf"
    assert models("verify", "m-q8_0").stdout == f"m-q8_0: OK, sha256 {DIGEST}\n"


def files_size(home: Path, name: str) -> int:
    return (home / "noghost" / "models" / "names" / f"{name}.json").stat().st_size


def test_only_the_hub_gets_the_token_and_nobody_is_told_anything_else(tmp_path: Path, hub: Hub, models: Pull) -> None:
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 0, done.stderr
    assert [request.path.split("?")[0] for request in hub.requests] == [
        "/api/models/owner/repo",
        f"/owner/repo/resolve/{hub.requests[1].path.split('/')[4]}/m-Q8_0.gguf",
        "/m-Q8_0.gguf",
    ], "no telemetry, no look for an update"
    sent = [request.headers.get("authorization", request.headers.get("Authorization")) for request in hub.requests]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", None]
    assert TOKEN not in done.stdout + done.stderr
    assert all(TOKEN.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert all(not path.name.startswith(".") for path in tmp_path.iterdir()), "nothing in ~/.cache, no ~/.huggingface"


def test_a_pull_that_is_killed_goes_on_where_it_ended(tmp_path: Path, hub: Hub, models: Pull) -> None:
    file = hub.files["m-Q8_0.gguf"]
    file.waits_after = HALF
    with subprocess.Popen(
        command("pull", "hf:owner/repo"), env=environment(tmp_path, hub), stderr=subprocess.PIPE
    ) as one:
        part = tmp_path / PART
        wait_for(lambda: part.is_file() and part.stat().st_size == HALF, PATIENCE_S, "the first half")
        other = models("pull", "hf:owner/repo")
        assert "another process is getting this model" in other.stderr
        one.send_signal(signal.SIGKILL)
        one.wait()
    file.go_on.set()
    assert files(tmp_path) == {PART: HALF}
    assert "there is no model" in models("rm", "m-q8_0", "--yes").stderr, "a part is no model"
    assert "could not find the model m-q8_0" in models("show", "m-q8_0").stderr
    assert "1 MB of downloads that are not complete" in models("ls").stderr
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 0, done.stderr
    assert [request.headers.get("Range") for request in hub.asked("other")] == [None, f"bytes={HALF}-"]
    assert (tmp_path / kept()).read_bytes() == MODEL


def test_a_cut_connection_is_taken_up_again_in_the_same_run(tmp_path: Path, hub: Hub, models: Pull) -> None:
    hub.files["m-Q8_0.gguf"].cut_after = HALF
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 0, done.stderr
    assert len(hub.asked("other")) == 2
    assert (tmp_path / kept()).read_bytes() == MODEL


def test_a_server_that_sends_all_anew_is_believed(tmp_path: Path, hub: Hub, models: Pull) -> None:
    (tmp_path / PART).parent.mkdir(parents=True)
    (tmp_path / PART).write_bytes(MODEL[:HALF])
    hub.files["m-Q8_0.gguf"].ranges = False
    assert models("pull", "hf:owner/repo").returncode == 0
    assert (tmp_path / kept()).read_bytes() == MODEL


@pytest.mark.parametrize("left", ["too much", "something else"])
def test_what_an_earlier_run_left_and_is_wrong_is_not_kept(tmp_path: Path, hub: Hub, models: Pull, left: str) -> None:
    (tmp_path / PART).parent.mkdir(parents=True)
    (tmp_path / PART).write_bytes(MODEL + b"x" if left == "too much" else b"x" * HALF)
    assert models("pull", "hf:owner/repo").returncode == 1
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / kept()).read_bytes() == MODEL


def test_what_cannot_go_on_stays_for_the_next_time(tmp_path: Path, hub: Hub, models: Pull) -> None:
    hub.files["m-Q8_0.gguf"].sent = MODEL[:HALF]  # the host says that this is all
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 1
    assert f"the server sent {HALF} bytes of {len(MODEL)}\nhint: run the same command again" in done.stderr
    assert files(tmp_path) == {PART: HALF}


def test_another_file_than_was_promised_is_refused_and_removed(tmp_path: Path, hub: Hub, models: Pull) -> None:
    hub.files["m-Q8_0.gguf"].sent = OTHER
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 1
    assert f"its sha256 is {hashlib.sha256(OTHER).hexdigest()}, not {DIGEST}" in done.stderr
    assert files(tmp_path) == {}


def test_more_than_was_promised_is_refused_and_removed(tmp_path: Path, hub: Hub, models: Pull) -> None:
    hub.files["m-Q8_0.gguf"].sent = MODEL[:-1] + b"x" * HALF
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 1
    assert f"sent more of m-Q8_0.gguf than the {len(MODEL)} bytes" in done.stderr
    assert files(tmp_path) == {}


@pytest.mark.parametrize("data", [b"<html>no model</html>" * 1000, b"#!/bin/sh\n" * 1000, MODEL[:-100_000]])
def test_what_is_no_whole_gguf_file_is_refused_whatever_its_digest(
    tmp_path: Path, hub: Hub, models: Pull, data: bytes
) -> None:
    hub.files["m-Q8_0.gguf"] = File(data)
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 1
    assert "could not use the model hf:owner/repo:m-Q8_0.gguf: " in done.stderr
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "set HF_TOKEN"),
        (403, "accept the licence"),
        (404, "check the name"),
        (429, "wait 17 s; then run the same command again"),
        (503, "run the same command again"),
    ],
)
def test_a_refusal_says_what_to_do(hub: Hub, models: Pull, status: int, words: str) -> None:
    hub.headers = {"Retry-After": "17"}
    hub.status = status
    done = models("pull", "hf:owner/repo")
    assert done.returncode == 1
    assert f"could not get owner/repo: the server said {status}, " in done.stderr
    assert words in done.stderr
    hub.status, hub.file_status = 200, status
    done = models("pull", "hf:owner/repo")
    assert f"could not get m-Q8_0.gguf: the server said {status}, " in done.stderr
    assert words in done.stderr
    for secret in (TOKEN, SIGNATURE, "Traceback"):
        assert secret not in done.stderr


def test_no_hub_at_all(hub: Hub, models: Pull) -> None:
    done = models("pull", "hf:owner/repo", env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert done.stderr.startswith("noghost: could not ask the hub about owner/repo: ConnectError\nhint: ")


def test_a_disk_without_room_is_seen_before_and_one_that_fills_up_keeps_what_came(
    tmp_path: Path, hub: Hub, models: Pull
) -> None:
    hub.files["m-Q8_0.gguf"].size_bytes = 1 << 60
    done = models("pull", "hf:owner/repo")
    assert f"the disk has no room: {1 << 60} bytes are to come" in done.stderr
    assert hub.asked("other") == []
    hub.files["m-Q8_0.gguf"].size_bytes = None
    done = models("pull", "hf:owner/repo", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF)))
    assert done.returncode == 1
    assert "could not write the model: file too large\nhint: check free space" in done.stderr
    assert files(tmp_path) == {PART: HALF}
    assert models("pull", "hf:owner/repo").returncode == 0


@pytest.mark.parametrize("digest", ["../../../escaped", "A" * 64, "", None, 7])
def test_a_digest_that_is_none_is_refused(tmp_path: Path, hub: Hub, models: Pull, digest: object) -> None:
    hub.files["m-Q8_0.gguf"].sha256 = digest if digest is not None else []
    done = models("pull", "hf:owner/repo")
    assert "the hub gives no sha256 of m-Q8_0" in done.stderr
    assert files(tmp_path) == {}


@pytest.mark.parametrize(("path", "status"), [("..escaped\x1b[31m.gguf", 0), ("../../../../escaped.gguf", 1)])
def test_names_from_the_hub_are_no_paths(tmp_path: Path, hub: Hub, models: Pull, path: str, status: int) -> None:
    hub.files = {path: File(MODEL)}
    hub.licence = "mit\x1b]0;owned\x07"
    done = models("pull", "hf:owner/repo")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr
    assert done.returncode == status, done.stderr
    assert set(files(tmp_path)) == ({kept(), "noghost/models/names/escaped--31m.json"} if status == 0 else set())


def test_the_parts_of_a_split_model_are_joined(tmp_path: Path, hub: Hub, models: Pull) -> None:
    hub.files = {
        f"Q8_0/big-Q8_0-0000{number + 1}-of-00003.gguf": File(data) for number, data in enumerate(split_files(3))
    }
    done = models("pull", "hf:owner/repo:q8_0")
    assert done.returncode == 0, done.stderr
    whole = next((tmp_path / "noghost" / "models" / "files").glob("*.gguf"))
    assert hashlib.sha256(whole.read_bytes()).hexdigest() == whole.stem
    assert whole.read_bytes() == whole_file(), "and it is the file that was split"
    assert [path for path in files(tmp_path) if path.endswith(".part")] == []
    hub.requests.clear()
    assert models("pull", "hf:owner/repo:q8_0", "--name", "again").returncode == 0
    assert hub.asked("other") == [], "what is there is not fetched again"


def test_an_address_needs_its_digest_and_goes_on_too(tmp_path: Path) -> None:
    key = new_key()
    certificate, key_file = write_certificate(tmp_path / "c.pem", key), write_key(tmp_path / "k.pem", key)
    home = tmp_path / "home"
    with serving(Hub({"m.gguf": File(MODEL, cut_after=HALF)}), (certificate, key_file)) as hub:
        env = environment(home, hub) | {"SSL_CERT_FILE": str(certificate)}
        address = f"{hub.other}/m.gguf?key=secret"

        def pull(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command("pull", *arguments), env=env, capture_output=True, text=True, timeout=PATIENCE_S
            )

        assert "an address needs --sha256" in pull(address).stderr
        assert hub.requests == []
        assert "no SHA-256" in pull(address, "--sha256", "abc").stderr
        assert "give hf:" in pull(address.replace("https", "http"), "--sha256", DIGEST).stderr
        done = pull(address, "--sha256", DIGEST.upper())
        assert done.returncode == 0, done.stderr
        assert [request.headers.get("Range") for request in hub.requests] == [None, f"bytes={HALF}-"]
        assert "secret" not in done.stdout + done.stderr + store_text(home)
        assert all("uthorization" not in "".join(request.headers) for request in hub.requests)
        refused = pull(address, "--sha256", hashlib.sha256(OTHER).hexdigest(), "--name", "other")
        assert f"its sha256 is {DIGEST}, not {hashlib.sha256(OTHER).hexdigest()}" in refused.stderr
        env.pop("SSL_CERT_FILE")
        refused = pull(address, "--sha256", hashlib.sha256(OTHER).hexdigest(), "--name", "other")
        assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr


def store_text(home: Path) -> str:
    return "".join(path.read_text() for path in home.rglob("*.json"))


def test_a_server_that_falls_silent_is_left(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(download, "SILENCE_S", 0.2)
    hub.files["m-Q8_0.gguf"].waits_after = 0
    remote = Remote(f"{hub.other}/m-Q8_0.gguf", "m-Q8_0.gguf", DIGEST, len(MODEL))
    with unfinished(DIGEST) as file, pytest.raises(WeightsError, match="said nothing for"):
        download.download(remote, file, lambda _bytes: None)


def test_a_terminal_sees_a_bar(tmp_path: Path, hub: Hub) -> None:
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            command("pull", "hf:owner/repo"), env=environment(tmp_path, hub), stdout=subprocess.PIPE, stderr=slave
        )
        assert done.returncode == 0
        assert re.search(rb"m-Q8_0\.gguf +\[#+\] +100%", os.read(master, 1 << 16))
    finally:
        os.close(master)
        os.close(slave)


def test_without_the_library_the_error_says_what_to_install(tmp_path: Path, hub: Hub) -> None:
    script = "import sys; sys.modules['huggingface_hub'] = None; from noghost.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "models", "pull", "hf:owner/repo"],
        env=environment(tmp_path, hub),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "hint: run: pip install 'huggingface_hub" in done.stderr


@pytest.mark.parametrize("arguments", [("ask", "--max-tokens", "1", "Hello"), ("models", "ls"), ("serve", "--help")])
def test_no_other_command_imports_the_library(tmp_path: Path, hub: Hub, arguments: tuple[str, ...]) -> None:
    """The control is a pull, which does."""
    imported = [
        subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "noghost.cli.main", *words],
            env=environment(tmp_path, hub) | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        ).stderr
        for words in (arguments, ("models", "pull", "hf:owner/repo"))
    ]
    assert "noghost.cli.main" in imported[0] or "click" in imported[0]
    assert ["huggingface_hub" in text for text in imported] == [False, True]


def test_the_environment_names_no_hub_by_accident() -> None:
    """The tests above never leave this machine: what they call has HF_ENDPOINT set, by `environment`."""
    assert "HF_ENDPOINT" not in os.environ
