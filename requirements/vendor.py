"""Fetch files from npm, as a lock pins them, and put those that it names in their place.

    python requirements/vendor.py [--write] [LOCK FOLDER]

Without a lock it is `web.lock`, to run after a change of it: the libraries of the page, whose files are committed, each
beside its licence. `make kokoro` fetches the voices of Kokoro into an environment. The digest of a package
(`integrity`, npm's own) and that of each file (`sha256`) must be the lock's; with `--write` the lock takes the digests
of the versions that it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Every package of the lock."""
    write = "--write" in sys.argv
    given = [Path(argument) for argument in sys.argv[1:] if argument != "--write"]
    lock, folder = given or (ROOT / "requirements" / "web.lock", ROOT)
    packages = json.loads(lock.read_text())
    for package in packages:
        vendor(package, folder, write)
    if write:
        lock.write_text(json.dumps(packages, indent=2) + "\n")


def vendor(package: dict, root: Path, write: bool) -> None:
    """One package: fetched, compared with the lock, its files put in place."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"{package['name']}@{package['version']}"
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder, name], check=True)  # noqa: S603, S607
        archive = next(Path(folder).iterdir())
        digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        pinned(package, "integrity", digest, write)
        with tarfile.open(archive) as files:
            for file in package["files"]:
                content = files.extractfile(f"package/{file['from']}").read()
                pinned(file, "sha256", hashlib.sha256(content).hexdigest(), write)
                target = root / file["to"]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)


def pinned(entry: dict, key: str, digest: str, write: bool) -> None:
    """Compare with the lock, or write it there."""
    if write:
        entry[key] = digest
    elif entry[key] != digest:
        sys.exit(f"{entry.get('name') or entry['from']}: {key} is not the one in the lock")


if __name__ == "__main__":
    main()
