"""The error tree: codes and messages."""

import pytest

from tunesmith.core import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("RecipeError", 2),
        ("DataError", 2),
        ("ArtifactError", 2),
        ("SetupError", 2),
        ("GateError", 3),
        ("RemoteError", 4),
    ],
)
def test_exit_codes(kind, code):
    assert getattr(errors, kind).exit_code == code


def test_message_has_what_expected_and_next():
    error = errors.RecipeError("recipe.yaml:3: 'epoch' is unknown", expected="a known key", hint="epochs")
    assert str(error).splitlines() == ["recipe.yaml:3: 'epoch' is unknown", "  expected: a known key", "  try: epochs"]


def test_missing_extra_gives_the_install_line():
    assert "pip install 'tunesmith[serve]'" in str(errors.MissingExtraError("serve", "fastapi"))


def test_did_you_mean_names_the_nearest_or_all():
    assert errors.did_you_mean("epoch", ["epochs", "seed"]) == "did you mean 'epochs'?"
    assert errors.did_you_mean("zzz", ["b", "a"]) == "one of a, b"
