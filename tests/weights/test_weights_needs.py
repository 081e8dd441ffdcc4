"""What published models need, by the headers of their files at a hub on loopback; and what is said where that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.families import source_of
from fuzz.tiny_gguf import STRING, Tiny
from fuzz.tiny_kinds import glm
from noghost.errors import WeightsError
from noghost.weights import download, head
from noghost.weights.download import Remote, fetching
from noghost.weights.head import FIRST_BYTES, read_head
from noghost.weights.known import GLM_4_7
from running import private_environment
from weights.hub_double import File, Hub, serving
from weights.splitting import marks

# With data and a header of which each is larger than what is read first.
SMALL = glm(source_of("glm-4.7").encode(), experts=64).with_pair(b"general.description", STRING, b"x" * 400_000)
LARGE = glm(source_of("glm-4.7").encode(), experts=128)
HEADER_BYTES = len(SMALL.render()) - (SMALL.data_bytes or 0)
KV_TOKEN_BYTES = 2 * 1 * (32 + 32) * 2  # layers, heads, K and V, bytes


def split() -> list[bytes]:
    """As llama.cpp's gguf-split does: the metadata in the first part, all tensors in the second."""
    first = replace(LARGE, pairs=(*LARGE.pairs, *marks(0, 2)), tensors=(), data_bytes=0)
    return [first.render(), replace(LARGE, pairs=marks(1, 2)).render()]


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {"tiny-IQ2_M.gguf": File(SMALL.render()), "mmproj-F16.gguf": File(b"another"), "README.md": File(b"# m")}
    files |= {f"Q8_0/tiny-Q8_0-0000{n}-of-00002.gguf": File(data) for n, data in enumerate(split(), 1)}
    with serving(Hub(files, licence="mit")) as found:
        yield found


Show = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def show(hub: Hub, tmp_path: Path) -> Show:
    def run(*arguments: str, endpoint: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "noghost.cli.main", "models", "show", *arguments]
        env = private_environment(tmp_path) | {"HOME": str(tmp_path), "HF_ENDPOINT": endpoint or hub.url}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.slow
def test_each_quantisation_by_its_headers(hub: Hub, show: Show) -> None:
    done = show("hf:z/tiny", "--context", "1000", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["source"], found["architecture"], found["licence"]) == ("headers", "glm4moe", "mit")
    small, large = sorted(found["published"], key=lambda one: one["size_bytes"])
    parts = split()
    expected: list[tuple[dict[str, Any], Tiny, int, int, str]] = [
        (small, SMALL, len(SMALL.render()), 1, "IQ2_M"),
        (large, LARGE, sum(map(len, parts)), 2, "Q8_0"),
    ]
    for one, model, size_bytes, files, quant in expected:
        assert (one["size_bytes"], one["files"], one["quant"]) == (size_bytes, files, quant)
        assert one["tensor_bytes"] == model.data_bytes
        assert one["kv_bytes"] == 1000 * KV_TOKEN_BYTES
        assert one["memory_bytes"] == size_bytes + 1000 * KV_TOKEN_BYTES
        assert (one["source"], one["pull"]) == ("headers", f"hf:z/tiny:{quant}")
    asked = hub.asked("other")
    assert len(asked) == 3
    assert all(request.headers["Range"].startswith("bytes=0-") for request in asked)
    text = show("hf:z/tiny:Q8_0").stdout
    assert f"Q8_0 2 {sum(map(len, parts)):,} {LARGE.data_bytes:,}" in " ".join(text.split())
    assert "hf:z/tiny:Q8_0" in text
    assert "IQ2_M" not in text
    assert "From the headers of the files at the hub" in text


@pytest.mark.slow
def test_glm_by_the_headers_as_far_as_they_can_be_read(hub: Hub, show: Show) -> None:
    found = json.loads(show("z-ai/glm-4.7", "--json").stdout)
    assert (found["architecture"], found["source"]) == ("glm4moe", "noted"), "only two of its quantisations are there"
    by_source = {one["quant"]: one["source"] for one in found["published"]}
    assert by_source == {
        one.quant: "headers" if one.quant in ("IQ2_M", "Q8_0") else "noted" for one in GLM_4_7.published
    }
    for quant in [quant for quant, source in by_source.items() if source == "noted"]:
        hub.files[f"tiny-{quant}.gguf"] = File(LARGE.render())
    found = json.loads(show("z-ai/glm-4.7", "--json").stdout)
    assert {one["source"] for one in found["published"]} == {found["source"]} == {"headers"}
    assert "not from the headers" not in show("z-ai/glm-4.7").stdout.lower()


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached(show: Show) -> None:
    text = show("z-ai/glm-4.7", endpoint="http://127.0.0.1:1").stdout
    assert "about 134.0 GB" in text
    assert "Not from the headers, but noted in noghost from https://docs.unsloth.ai: UD-Q2_K_XL." in text
    assert "The headers were not read: could not ask the hub about" in text
    found = json.loads(show("z-ai/glm-4.7", "--json", endpoint="http://127.0.0.1:1").stdout)
    assert (found["source"], found["read_bytes"]) == ("noted", 0)
    assert {one["source"] for one in found["published"]} == {"noted"}
    done = show("hf:z/tiny", endpoint="http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not ask the hub about z/tiny" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("status", "says"), [(401, "HF_TOKEN"), (404, "check the name")])
def test_what_the_hub_refuses(hub: Hub, show: Show, status: int, says: str) -> None:
    hub.status = status
    done = show("hf:z/tiny")
    assert done.returncode == 1
    assert f"the server said {status}" in done.stderr
    assert says in done.stderr


def read(hub: Hub, path: str = "tiny-IQ2_M.gguf", parts: int = 1) -> head.Head:
    remote = Remote(f"{hub.other}/{path}", path, "", len(hub.files[path].data))
    with fetching() as client:
        return read_head(client, remote, parts)


def test_no_more_is_read_than_the_header(hub: Hub) -> None:
    found = read(hub)
    assert found.structure.data_at == HEADER_BYTES
    assert FIRST_BYTES < HEADER_BYTES <= len(found.data) < len(SMALL.render())


def whole_only(file: File) -> None:
    file.ranges = False


def no_model(file: File) -> None:
    file.sent = b"<html>" * 100_000


def ends_early(file: File) -> None:
    file.sent = file.data[: HEADER_BYTES // 2]


def is_cut(file: File) -> None:
    file.cut_after = FIRST_BYTES


def falls_silent(file: File) -> None:
    file.waits_after = FIRST_BYTES


def is_broken(file: File) -> None:
    file.sent = SMALL.with_pair(b"general.alignment", 4, 3).render()


def lies_about_its_size(file: File) -> None:
    file.data = file.data[:-1]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (whole_only, "the server sends whole files only"),
        (no_model, "it is not a GGUF file"),
        (ends_early, f"it ended after {HEADER_BYTES // 2} bytes"),
        (is_cut, "the connection was cut"),
        (falls_silent, "the server said nothing for"),
        (is_broken, "its alignment is 3"),
        (lies_about_its_size, "its tensors reach to"),
    ],
)
def test_a_bad_answer(hub: Hub, monkeypatch: pytest.MonkeyPatch, make: Callable[[File], None], says: str) -> None:
    monkeypatch.setattr(download, "SILENCE_S", 0.2 if make is falls_silent else 30.0)
    make(hub.files["tiny-IQ2_M.gguf"])
    with pytest.raises(WeightsError, match=says):
        read(hub)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_a_file_that_is_refused(hub: Hub, status: int) -> None:
    hub.file_status = status
    with pytest.raises(WeightsError, match=f"could not get tiny-IQ2_M.gguf: the server said {status}"):
        read(hub)


def test_a_header_without_end_and_one_that_never_comes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "MOST_BYTES", FIRST_BYTES)
    with pytest.raises(WeightsError, match=f"its header does not end within {FIRST_BYTES} bytes"):
        read(hub)
    monkeypatch.undo()
    monkeypatch.setattr(head, "PATIENCE_S", 0.0)
    with pytest.raises(WeightsError, match="its header did not come within"):
        read(hub)


def test_parts_must_be_what_they_say(hub: Hub) -> None:
    path = "Q8_0/tiny-Q8_0-00001-of-00002.gguf"
    assert read(hub, path, parts=2).structure.tensors == []
    with pytest.raises(WeightsError, match="one of 2 parts, and there are 3"):
        read(hub, path, parts=3)
