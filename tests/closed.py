"""Marks tests that need a machine that can close a process in; elsewhere they are skipped, but never in CI."""

from __future__ import annotations

import os

import pytest

from tunesmith.core.errors import SetupError
from tunesmith.evaluate.sandbox.run import check_closed


def _can_close() -> bool:
    try:
        check_closed()
    except SetupError:
        return False
    return True


needs_closed_process = pytest.mark.skipif(
    os.environ.get("CI") != "true" and not _can_close(), reason="this machine cannot close a process in"
)
