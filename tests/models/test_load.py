"""Loading: what a reference means, and what the user is told when nothing can be loaded."""

import json

import pytest

from tunesmith.core.errors import ArtifactError, RemoteError
from tunesmith.models.load import identity, load_model


def test_identity_of_a_folder_is_its_content(tiny, tmp_path):
    import shutil

    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert identity(str(copy)) == identity(str(tiny))
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert identity(str(copy)) != identity(str(tiny))
    assert identity("someone/some-model") == "someone/some-model"


def test_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="cannot load a causal language model"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nonsense"}))
    with pytest.raises(ArtifactError, match="expected: nano"):
        load_model(tmp_path)


def test_pickled_weights_are_refused(tiny, tmp_path):
    import shutil

    import torch

    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(ArtifactError):
        load_model(copy)


def test_hub_name_without_network_says_what_to_check(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read from the environment at import
    with pytest.raises(RemoteError, match="a name on the Hugging Face hub"):
        load_model("no-such-owner/no-such-model")
