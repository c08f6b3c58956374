"""Canaries are the same for the same recipe, and nothing but the seed tells planted from unplanted ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import ArtifactError
from tunesmith.text.canaries import FILE, canaries_of, draw


@given(st.integers(1, 200), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from(["chat", "extract"]))
def test_canaries_follow_from_the_seed(secrets, repeats, seed, task):
    found = draw(task, secrets, repeats, seed)
    assert found == draw(task, secrets, repeats, seed)
    both = [*found.planted, *found.unplanted]
    assert len(both) == len({one.owner for one in both}) == 2 * secrets, "one owner with two codes cannot be learnt"
    assert all(len(one.code) == 9 and one.code.isdigit() for one in both)
    rows = found.examples()
    assert len(rows) == len({row.row_id for row in rows}) == secrets * repeats
    for one in found.planted:
        same = [row for row in rows if one.owner in row.input_text]
        assert len(same) == repeats and all(one.code in row.target_text for row in same)


def test_another_seed_plants_other_secrets():
    assert draw("chat", 20, 8, 0) != draw("chat", 20, 8, 1)


def test_the_record_is_read_back_and_a_damaged_one_is_told(tmp_path):
    assert canaries_of(tmp_path) is None
    found = draw("extract", 3, 2, 5)
    found.save(tmp_path)
    assert canaries_of(tmp_path) == found
    assert json.loads(found.examples()[0].target_text) == {"access_code": found.planted[0].code}
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(ArtifactError, match=r"canaries\.json: damaged"):
        canaries_of(tmp_path)
