"""Fixtures shared by all tests: real data, the bundled base, a workspace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from browser import chromium  # noqa: F401
from tunesmith.core.artifacts import Workspace

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line sets it, before torch is loaded

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"

settings.register_profile("tunesmith", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("tunesmith")  # how long a busy machine takes says nothing; in CI the same examples each time


LONGEST = ("test_ranks.py", "test_kill.py", "test_demo.py", "test_killed.py", "test_interrupted.py")
"""Files that take minutes: begun first, so that no process is left with one of them when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; the tests in each stay as they are."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Return the folder of a real data set; skips where it is absent (a user's machine), fails so in CI."""

    def folder(name: str) -> Path:
        path = SHARED_DATA / name
        if path.is_dir():
            return path
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have {name} in ../shared/data")
        pytest.skip(f"../shared/data/{name} is not on this machine")

    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random base of a few thousand weights."""
    from tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("tiny"))
