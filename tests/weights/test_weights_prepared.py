"""Prepared models by name: kept, found by name and by path, pinned, removed; a name is no path."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from noghost.client.replay.replay import default_of
from noghost.config import Config, TemplateSource
from noghost.errors import ConfigError, WeightsError
from noghost.models import Found, templates_for
from noghost.preparing import prepare
from noghost.weights import prepared
from noghost.weights.digest import verify
from noghost.weights.file import WeightsFile
from noghost.weights.find import DEFAULT_NAME, DEFAULT_PREPARED, DEFAULT_SHA256, find
from noghost.weights.prepared import LOCK, Prepared

BYTES = b"GGUF and so on"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def keep(name: str = "m.q4_0", data: bytes = BYTES) -> Prepared:
    prepared.unfinished(name).write_bytes(data)
    made = Prepared(name, "m", "ab" * 32, hashlib.sha256(data).hexdigest(), "Q4_0", "cd" * 32, {"threads": 1})
    prepared.add(made)
    return made


def test_what_was_kept_is_found_by_name_and_by_path_and_is_pinned(home: Path) -> None:
    made = keep()
    assert prepared.names() == ["m.q4_0"]
    assert prepared.get("m.q4_0") == made
    assert made.size_bytes == len(BYTES)
    expected = WeightsFile(
        home / "noghost" / "models" / "m.q4_0.gguf",
        "m.q4_0",
        made.sha256,
        prepared=True,
        source="m",
        source_sha256="ab" * 32,
        vouched=True,
    )
    assert find("m.q4_0") == find("M.Q4_0") == find(str(made.path)) == expected
    assert verify(expected) == made.sha256
    assert (home / "noghost" / "models").stat().st_mode & 0o777 == 0o700
    assert made.path.with_suffix(".json").stat().st_mode & 0o777 == 0o600
    assert not prepared.unfinished("m.q4_0").exists()


def test_one_that_was_changed_is_refused() -> None:
    made = keep()
    made.path.write_bytes(b"GGUF and so oN")
    with pytest.raises(WeightsError, match="not the one pinned"):
        verify(find("m.q4_0"), use_cache=False)


def test_a_new_one_takes_the_place_of_the_old() -> None:
    keep()
    made = keep(data=b"GGUF anew")
    assert prepared.get("m.q4_0") == made
    assert made.path.read_bytes() == b"GGUF anew"


def test_a_copy_elsewhere_is_a_path_like_any_other(home: Path) -> None:
    copy = home / "m.q4_0.gguf"
    copy.write_bytes(keep().path.read_bytes())
    assert find(str(copy)) == WeightsFile(copy, "m.q4_0", None)


def test_weights_without_what_is_known_of_them_are_a_path_like_any_other() -> None:
    """What a crash between the two leaves."""
    path = keep().path
    path.with_suffix(".json").unlink()
    assert find(str(path)) == WeightsFile(path, "m.q4_0", None)
    with pytest.raises(WeightsError, match=r"could not find the model m\.q4_0"):
        find("m.q4_0")
    assert prepared.names() == []
    prepared.remove("m.q4_0")
    assert not path.exists()


def test_removed_is_removed() -> None:
    path = keep().path
    prepared.unfinished("m.q4_0").write_bytes(b"what a killed one leaves")
    prepared.remove("m.q4_0")
    assert [left.name for left in path.parent.iterdir() if left.name != LOCK] == []
    for work in (prepared.get, prepared.remove):
        with pytest.raises(WeightsError, match=r"no model named m\.q4_0"):
            work("m.q4_0")


def test_only_one_is_made_at_a_time(home: Path) -> None:
    """Another process that makes one is told of; once it is gone, killed even, it is in nobody's way."""
    program = (
        "import sys; from noghost.weights.prepared import one_at_a_time as one\nwith one(): print(flush=True); input()"
    )
    held = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ.copy(), **held) as other:  # type: ignore[call-overload]
        other.stdout.readline()
        prepared.unfinished("mine").touch()
        with pytest.raises(WeightsError, match="another model is being prepared"):
            prepared.remove("mine")
        with pytest.raises(WeightsError, match="another model is being prepared"):
            prepare(None, "Q4_0", None, 1, lambda _text: pytest.fail("it began"))
        other.kill()
    with prepared.one_at_a_time():
        assert sorted(path.name for path in (home / "noghost" / "models").iterdir()) == ["mine.gguf.part", LOCK]
    prepared.remove("mine")


@pytest.mark.parametrize("name", ["", "../m", "a/b", "A", ".m", "-m", "m\n", "m" * 129])
def test_a_name_is_no_path(name: str) -> None:
    for work in (prepared.get, prepared.remove, prepared.unfinished):
        with pytest.raises(WeightsError, match="no name"):
            work(name)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "name": "m.q4_0"}', "\xff", '{"sha256": "x"}', "sha256"]
)
def test_what_cannot_be_read_is_refused_and_can_be_removed(text: str) -> None:
    path = keep().path
    about = path.with_suffix(".json")
    damaged = {**json.loads(about.read_bytes()), "sha256": "x"}
    about.write_text(json.dumps(damaged) if text == "sha256" else text, "latin-1")
    with pytest.raises(WeightsError, match="could not read what is known"):
        find("m.q4_0")
    prepared.remove("m.q4_0")
    assert not path.exists()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("smollm2-135m-instruct", "smollm2-135m-instruct.q4_0"),
        ("My-Model.Q8_0", "my-model.q4_0"),
        ("model-f16", "model.q4_0"),
        ("a.q4_k_m", "a.q4_0"),
        ("a.iq4_nl", "a.q4_0"),
        ("ein modell (2)", "ein-modell--2-.q4_0"),
        ("...", "model.q4_0"),
        ("x" * 300, "x" * 100 + ".q4_0"),
    ],
)
def test_the_name_says_of_what_and_as_what(source: str, name: str) -> None:
    assert prepared.name_for(source, "Q4_0") == name
    assert prepared.is_name(name)


SPEEDS = {"prefill_tok_s": 100.0, "decode_tok_s": 50.0}
# As it was measured of the default model.
GOOD = {
    "source": SPEEDS,
    "prepared": {"prefill_tok_s": 178.0, "decode_tok_s": 47.0},
    "perplexity_ratio": 1.005,
    "perplexity_ratio_error": 0.004,
    "divergence": 0.0044,
    "divergence_again": 0.0030,
}


def keep_default(source_sha256: str = DEFAULT_SHA256, **measured: object) -> Prepared:
    prepared.unfinished(DEFAULT_PREPARED).write_bytes(BYTES)
    digest = hashlib.sha256(BYTES).hexdigest()
    made = Prepared(DEFAULT_PREPARED, DEFAULT_NAME, source_sha256, digest, "Q8_0", "cd" * 32, {**GOOD, **measured})
    prepared.add(made)
    return made


def test_what_loses_nothing_and_is_faster_becomes_the_default() -> None:
    published = find()
    assert (published.name, published.sha256) == (DEFAULT_NAME, DEFAULT_SHA256)
    made = keep_default()
    assert find() == find("default") == find("Default") == made.file
    assert (made.file.name, made.file.prepared, made.file.source) == (DEFAULT_PREPARED, True, DEFAULT_NAME)
    assert find(DEFAULT_NAME) == find(as_published=True) == find("default", as_published=True) == published
    assert default_of(DEFAULT_SHA256) == published, "a receipt from before is repeated with what it names"
    assert default_of(made.sha256) == default_of("00" * 32) == made.file
    prepared.remove(DEFAULT_PREPARED)
    assert find() == published


@pytest.mark.parametrize(
    "worse",
    [
        {"divergence": 0.0061},
        {"perplexity_ratio": 1.013},
        {"perplexity_ratio": 0.987},
        {"divergence": None},
        {"divergence_again": 0.0},
        {"perplexity_ratio_error": 0.0},
        {"prepared": {**SPEEDS, "prefill_tok_s": 99.0}},
        {"prepared": {"prefill_tok_s": 178.0, "decode_tok_s": 44.0}},
        {"prepared": {}},
        {"source_sha256": "ab" * 32},
    ],
    ids=str,
)
def test_what_loses_something_or_is_slower_does_not(worse: dict[str, object]) -> None:
    keep_default(**worse)  # type: ignore[arg-type]  # what is damaged has any type
    assert find().sha256 == DEFAULT_SHA256
    assert find(DEFAULT_PREPARED).name == DEFAULT_PREPARED


def test_a_default_that_cannot_be_read_is_told_and_not_passed_over() -> None:
    keep_default().path.with_suffix(".json").write_text("{")
    with pytest.raises(WeightsError, match="could not read what is known of the prepared model") as caught:
        find()
    assert caught.value.hint == f"prepare it again, or remove it: noghost models rm {DEFAULT_PREPARED}"
    assert find(DEFAULT_NAME).sha256 == DEFAULT_SHA256


def test_a_default_whose_weights_are_gone_or_changed_says_how_to_go_on() -> None:
    made = keep_default()
    made.path.write_bytes(b"GGUF and so oN")
    with pytest.raises(WeightsError, match="is not the one pinned") as changed:
        verify(find(), use_cache=False)
    made.path.unlink()
    with pytest.raises(WeightsError, match=f"the weights of the prepared model {DEFAULT_PREPARED} are gone") as gone:
        find()
    hint = f"prepare it again, or remove it: noghost models rm {DEFAULT_PREPARED}"
    assert changed.value.hint == gone.value.hint == hint
    prepared.remove(DEFAULT_PREPARED)
    assert find().sha256 == DEFAULT_SHA256


def test_where_nobody_can_look_the_default_is_the_file_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    keep_default()
    assert find().name == DEFAULT_PREPARED, "control"
    monkeypatch.setattr("noghost.weights.find.data_dir", no_home)
    assert find().sha256 == DEFAULT_SHA256


def test_a_template_for_the_source_is_held_by_what_was_prepared_of_it() -> None:
    made, other = Found(keep_default().file, "00" * 32), Found(keep("other.q4_0").file, "11" * 32)
    published = Found(find(DEFAULT_NAME), DEFAULT_SHA256)
    named = {"first": None, "default": "default", "published": DEFAULT_NAME, "prepared": DEFAULT_PREPARED}
    sources = {name: TemplateSource(name, "x", None, model) for name, model in named.items()}

    def held(models: tuple[Found, ...], by: Found, *names: str) -> list[str]:
        config = Config(templates=tuple(sources[name] for name in names or named))
        return [one.name for one in templates_for(config, models, by)]

    assert held((made,), made) == list(named)
    assert held((other, made), other) == ["first", "default"]
    assert held((other, made), made) == ["published", "prepared"]
    assert held((made, published), published) == ["published"]
    assert held((published,), published, "first", "default", "published") == ["first", "default", "published"]
    with pytest.raises(ConfigError, match="does not load at its start"):
        held((published,), published, "prepared")
    with pytest.raises(ConfigError, match="does not load at its start"):
        held((other,), other)


def test_a_file_of_the_sources_name_is_not_its_source(tmp_path: Path) -> None:
    """`m.q4_0` was made of a model called m, and not of this one."""
    made = Found(keep("m.q4_0").file, "11" * 32)
    (tmp_path / "m.gguf").write_bytes(b"GGUF, another")
    config = Config(templates=(TemplateSource("one", "x", None, str(tmp_path / "m.gguf")),))
    with pytest.raises(ConfigError, match="does not load at its start"):
        templates_for(config, (made,), made)
