"""The journal of a hosted run: what a kill at any moment leaves is read right, and nothing is believed that is not."""

import pytest

from tunesmith.core.errors import ArtifactError
from tunesmith.providers.journal import FILE, Journal


def test_a_step_is_unclear_from_its_beginning_to_what_came_of_it(tmp_path):
    """Bug: after a kill between the request and its answer a second job is made, since nothing says there was a first."""
    journal = Journal(tmp_path)
    journal.begin("job:0", key="abc")
    assert Journal(tmp_path).unclear("job:0") == {"key": "abc"} and Journal(tmp_path).of("job:0") is None
    journal.done("job:0", id="ftjob-1")
    assert Journal(tmp_path).unclear("job:0") is None and Journal(tmp_path).of("job:0") == {"id": "ftjob-1"}


@pytest.mark.parametrize("cut", range(1, 31))
def test_killed_while_a_line_was_written_the_line_counts_for_nothing_and_the_next_is_whole(cut, tmp_path):
    """Bug: half a line stays, and what is written behind it is lost with it."""
    journal = Journal(tmp_path)
    journal.done("upload:train", id="file-1")
    journal.done("upload:valid", id="file-2")
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-cut])
    again = Journal(tmp_path)
    assert again.of("upload:valid") is None and again.of("upload:train") == {"id": "file-1"}
    again.done("upload:valid", id="file-3")
    assert Journal(tmp_path).of("upload:valid") == {"id": "file-3"}


def test_steps_come_in_order_and_what_is_forgotten_is_gone(tmp_path):
    journal = Journal(tmp_path)
    for number in range(3):
        journal.done(f"upload:{number}", id=str(number))
    journal.begin("delete:1")
    journal.forget("upload:1")
    again = Journal(tmp_path)
    assert list(again.steps("upload:")) == ["upload:0", "upload:2"] and again.unclear("delete:1") == {}


def test_a_damaged_journal_is_never_taken_for_an_empty_one(tmp_path):
    """Bug: a file that cannot be read counts as a run that has not begun, and everything is paid for again."""
    (tmp_path / FILE).write_text("{broken\n")
    with pytest.raises(ArtifactError, match="damaged"):
        Journal(tmp_path)
