"""What tests of training train unless they say otherwise: four small layers, on sixteen questions with two labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from made import CARDS, make_dataset
from tiny import tiny_base
from tunesmith.core.artifacts import Artifact, Workspace


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the base."""
    return tiny_base(tmp_path_factory.mktemp("four layers"), num_hidden_layers=4)


@pytest.fixture
def dataset(workspace: Workspace) -> Artifact:
    """Half of the questions to learn, half to validate."""
    return make_dataset(workspace, CARDS[::2], CARDS[1::2])
