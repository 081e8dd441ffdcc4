"""What a hub has: the files of a repository, their digests and licence, by huggingface_hub. On the command line.

That library is optional (the extra `hub`), imported here alone, and asked for what only the hub knows. The files are
fetched by download.py: `hf_hub_download` 2.4 gives each run a temporary file of its own, and so begins anew each time.

Covered: HF_TOKEN, HF_TOKEN_PATH and HF_ENDPOINT as the library knows them; the token is in no message and no repr.
The library is told to send no telemetry, which also keeps it from fetching a list of programs to report, kept
in ~/.cache. What the hub says is not trusted: digests must be digests, and what is shown is printable.
Not covered: the hub sees who asks for which model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from noghost import __version__
from noghost.errors import WeightsError
from noghost.weights.download import Remote, refusal
from noghost.weights.names import is_sha256, shown
from noghost.weights.offer import Offer
from noghost.weights.published import Candidate, File, choose

SPEC = re.compile(r"hf:([\w-][\w.-]*/[\w-][\w.-]*)(?::(.+))?")
SILENCE_S = 30.0
MISSING = "run: pip install 'huggingface_hub>=2.4,<3'; https://… with --sha256 does without"


@dataclass(frozen=True, slots=True)
class Repository:
    """One of the hub's, as it was listed. `remote`: where a file of it is, of that very revision."""

    name: str
    files: tuple[File, ...]
    licence: str | None
    remote: Callable[[File], Remote] = field(repr=False)

    def remotes(self, chosen: Candidate) -> tuple[Remote, ...]:
        """Where the files of a model are, in their order."""
        return tuple(self.remote(file) for file in chosen.files)


def offer(spec: str) -> Offer:
    """What `hf:OWNER/REPO[:FILE|:QUANT]` means at the hub. Raises WeightsError."""
    name, what = parsed(spec)
    repository = listed(name)
    chosen = choose(repository.files, what)
    check_digests(chosen)
    return Offer(
        source=shown(f"hf:{name}:{chosen.files[0].path}"),
        stem=chosen.stem,
        files=repository.remotes(chosen),
        licence=repository.licence,
    )


def parsed(spec: str) -> tuple[str, str | None]:
    """OWNER/REPO, and the FILE or QUANT that is meant there. Raises WeightsError."""
    found = SPEC.fullmatch(spec)
    if not found:
        raise WeightsError(f"could not understand {shown(spec)}", "write hf:OWNER/REPO, :FILE or :QUANT after it")
    return found[1], found[2]


def listed(name: str) -> Repository:
    """What there is at OWNER/REPO now. Raises WeightsError."""
    library = import_library()
    info, files = ask(library, name)
    headers = library.utils.build_hf_headers(library_name="noghost", library_version=__version__)
    return Repository(name, tuple(files), licence_of(info), partial(remote, library, name, info.sha, headers))


def import_library() -> Any:
    """huggingface_hub, quiet. Raises WeightsError where it is not installed."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # read when it is imported
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError:
        raise WeightsError("a hub is asked by the package huggingface_hub, which is not installed", MISSING) from None
    return huggingface_hub


def ask(library: Any, repository: str) -> tuple[Any, list[File]]:
    """The library's ModelInfo, and all files with sizes and digests. Raises WeightsError."""
    try:
        api = library.HfApi(library_name="noghost", library_version=__version__)
        info = api.model_info(repository, files_metadata=True, timeout=SILENCE_S)
        return info, [file_of(sibling) for sibling in info.siblings or ()]
    except library.errors.HfHubHTTPError as error:
        response = error.response
        raise refusal(response.status_code, repository, response.headers.get("retry-after")) from None
    except Exception as error:  # noqa: BLE001  whatever its HTTP client raises; its words may hold what is secret
        kind = type(error).__name__
        raise WeightsError(
            f"could not ask the hub about {repository}: {kind}", "check the network, HF_ENDPOINT"
        ) from None


def file_of(sibling: Any) -> File:
    """A file of the library's list as ours."""
    stored = sibling.lfs
    return File(str(sibling.rfilename), int((stored or sibling).size or 0), stored.sha256 if stored else None)


def check_digests(chosen: Candidate) -> None:
    """Raise WeightsError unless the hub gives a digest of each file."""
    if not all(is_sha256(file.sha256) for file in chosen.files):
        raise WeightsError(f"the hub gives no sha256 of {shown(chosen.stem)}", "pull its URL, with --sha256")


def remote(library: Any, repository: str, revision: str, headers: dict[str, str], file: File) -> Remote:
    """Where to get it: of the very revision that the digests are of."""
    url = library.hf_hub_url(repository, file.path, revision=revision)
    return Remote(url, shown(file.path), file.sha256 or "", file.size_bytes, headers)


def licence_of(info: Any) -> str | None:
    """As the model's card says it; `other` has a name of its own."""
    card = info.card_data or {}
    licence = card.get("license_name") if card.get("license") == "other" else card.get("license")
    return shown(str(licence)) if licence else None
