"""Fixtures that every folder uses. Nothing of noghost is imported: the clients' environments are without it."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from running import Service, running


def pytest_configure(config: pytest.Config) -> None:
    """A home of the tests' own: what somebody prepared in theirs would be served in the place of what they know."""
    home = tempfile.TemporaryDirectory(prefix="noghost-tests-")
    os.environ["XDG_DATA_HOME"] = home.name
    config.add_cleanup(home.cleanup)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that only talk to it."""
    with running(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture(scope="module")
def voiced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that hears and speaks, for the tests of a module."""
    from speech.voiced import speaking_service  # asks what is installed: only where somebody needs it

    with speaking_service(tmp_path_factory.mktemp("voiced")) as found:
        yield found


# The fault runner kills services for minutes: NOGHOST_FAULTS=1 has its tests run with the others.
collect_ignore_glob = [] if os.environ.get("NOGHOST_FAULTS") else ["faults/*"]
