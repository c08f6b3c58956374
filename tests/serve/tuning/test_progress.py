"""What a worker tells is on disk whole or not at all, and damage is never taken for a line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tunesmith.serve.tuning import progress
from tunesmith.serve.tuning.progress import AGAIN, DamagedProgress, Teller, read_on


def test_a_line_that_the_disk_takes_in_part_leaves_nothing_behind(tmp_path, monkeypatch):
    """Catches half a line with the next one behind it, which nobody can read ever after."""
    path = tmp_path / "progress.jsonl"
    teller = Teller(path)
    assert teller.tell("step", step=1)

    class Full(io.FileIO):
        def write(self, content):
            return super().write(content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode="r", buffering=-1: Full(self, "ab"))
        with pytest.raises(OSError, match="No space left"):
            teller.tell("step", step=2)
    assert teller.tell("step", step=2), "it was not told, so it is told again"
    assert [line["step"] for line in read_on(path, 0)[0]] == [1, 2]


def test_steps_are_told_once_and_going_on_each_time(tmp_path):
    """Catches a job that looks queued while its worker does again what it did before."""
    path = tmp_path / "progress.jsonl"
    assert Teller(path).tell("training", model_id="m", total_steps=2)
    other = Teller(path)
    assert not other.tell("training", model_id="m", total_steps=2)
    assert other.tell(AGAIN) and other.tell(AGAIN)
    assert [line["kind"] for line in read_on(path, 0)[0]] == ["training", AGAIN, AGAIN]


@pytest.mark.parametrize("damage", [b"\0\0\0\0\n", b'{"kind": "st\n', b"[1]\n", b'{"at": 1}\n'])
def test_damage_is_told_as_such(tmp_path, damage):
    """Catches zeros that a loss of power leaves, taken for an error of the server's own, for ever."""
    path = tmp_path / "progress.jsonl"
    Teller(path).tell("step", step=1)
    _, place = read_on(path, 0)
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(DamagedProgress):
        read_on(path, place)
    lines = path.read_bytes()[:place]
    for wrong in (place - 3, place + 5):
        path.write_bytes(lines)
        with pytest.raises(DamagedProgress, match="no line begins"):
            read_on(path, wrong)
    assert read_on(path, place) == ([], place) and progress.read_on(tmp_path / "none", 7) == ([], 7)
    assert json.loads(lines)["step"] == 1
