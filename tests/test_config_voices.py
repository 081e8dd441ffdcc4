"""Which ear and which mouth: what is taken, and what is said of the rest before anything starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noghost.cli.settings import effective
from noghost.config import Config
from noghost.config_file import read_settings
from noghost.errors import ConfigError
from noghost.voice.find import piper
from speech.voiced import needs_voice

BARE = """
import sys
sys.path[:] = [path for path in sys.path if not path.endswith("site-packages")]
from noghost.errors import ConfigError
from noghost.voice import find
try:
    find.{name}()
except ConfigError as error:
    print(error.hint)
"""


@pytest.mark.parametrize(
    ("fields", "key", "said"),
    [
        ({"voice": True, "ear": "wisper"}, "ear", "no such ear"),
        ({"voice": True, "mouth": "koko"}, "mouth", "no such mouth"),
        ({"ear": "whisper"}, "ear", "this one has none"),
        ({"mouth": "kokoro"}, "mouth", "this one has none"),
    ],
)
def test_what_cannot_be(fields: dict[str, object], key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        Config(**fields)
    assert raised.value.key == key
    assert raised.value.hint


def test_a_file_says_it_too(tmp_path: Path) -> None:
    path = tmp_path / "noghost.toml"
    (tmp_path / "own.onnx").touch()
    path.write_text('voice = true\near = "whisper"\nmouth = "own.onnx"\n')
    config = effective(path).config
    assert (config.ear, config.mouth) == ("whisper", str(tmp_path / "own.onnx")), "relative to the file"
    assert read_settings(path).values["ear"].source == f"{path}:2"
    assert effective(path, mouth="kokoro").config.mouth == "kokoro", "a flag goes first"


@pytest.mark.parametrize(("name", "extra"), [("whisper", "accurate"), ("moonshine", "voice"), ("joe", "voice")])
def test_what_is_not_installed_is_named(name: str, extra: str) -> None:
    """Without the packages of this environment."""
    done = subprocess.run([sys.executable, "-c", BARE.format(name=name)], capture_output=True, text=True, check=True)
    assert done.stdout == f"run: pip install 'noghost[{extra}]'\n"


@needs_voice
def test_a_piper_voice_of_many_speakers(tmp_path: Path) -> None:
    model = tmp_path / "en_GB-many.onnx"
    model.write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"no description .* in en_GB-many\.onnx\.json"):
        piper(model)
    about = tmp_path / "en_GB-many.onnx.json"
    about.write_text('{"speaker_id_map": {"zoe": 0, "abe": 1}}')
    assert piper(model).speakers == ("zoe", "abe"), "by number: the first is the default"
    about.write_text('{"speaker_id_map": {}}')
    assert piper(model).speakers == ("en_GB-many",)
