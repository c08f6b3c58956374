"""Fixtures of the search for prompts."""

from __future__ import annotations

import pytest

from prompts_project import minding_base


@pytest.fixture(scope="session")
def minding(tiny, tmp_path_factory):
    """The folder of a base that answers rightly under one system message alone."""
    return minding_base(tmp_path_factory.mktemp("minding"), tiny)
