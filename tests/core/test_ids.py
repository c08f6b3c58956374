"""Digests are the same for equal content, anywhere."""

import pytest

from tunesmith.core.ids import canonical_json, digest, digest_bytes, digest_file, digest_folder


def test_golden_digests_never_change():
    # ids of everyone's artifacts hang on these
    assert digest({"b": [1, 2.5, "é"], "a": None}) == digest({"a": None, "b": [1, 2.5, "é"]})
    assert digest_bytes(b"tunesmith", hex_digits=12) == "6e139eb11a51"


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError):
        canonical_json({"loss": float("nan")})


def test_folder_digest_sees_names_and_content(tmp_path):
    (tmp_path / "a").write_bytes(b"1" * (1 << 20) + b"2")
    first = digest_folder(tmp_path)
    assert digest_file(tmp_path / "a") == digest_bytes((tmp_path / "a").read_bytes())
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_folder(tmp_path) != first
