"""The bound on memory: kept, refused before work starts, and without effect on the result."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bad_data import ROWS, csv_text
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.data.memory import needed_bytes, processes_within
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Data, Recipe, bytes_of

WORDS = [f"{a}{b}{c}" for a in "bdkmprst" for b in "aeiou" for c in "lnrst"]


def peaks_of(command: list[str]) -> tuple[int, int]:
    """Return the peak memory of a command in bytes: while it has others at work, with theirs; and alone, in the end."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    family, own, others = psutil.Process(process.pid), 0, dict[int, int]()
    together = 0
    while process.poll() is None:
        with contextlib.suppress(psutil.Error, OSError, StopIteration):
            children = family.children(recursive=True)
            others |= {one.pid: peak_rss(one.pid) for one in children}
            own = peak_rss(process.pid)
            together = own + sum(others.values()) if children else together
        time.sleep(0.02)
    assert process.returncode == 0
    return together, own


def peak_rss(pid: int) -> int:
    """Return the most resident memory a living process has had, as the kernel counted it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


@pytest.mark.soak
def test_a_real_run_keeps_its_bound(tmp_path):
    """Bug: the setting is read and nothing comes of it; or it is kept and another Dataset made."""
    chance = random.Random(3)
    with (tmp_path / "a.jsonl").open("w") as file:
        for _ in range(6_000):  # of 8,000 characters: pieces end by their size
            asked, told = (" ".join(chance.choices(WORDS, k=1000)) for _ in range(2))
            file.write(json.dumps({"prompt": asked, "completion": told}) + "\n")
    peaks, files = {}, {}
    for name, memory in (("free", ""), ("bound", ", memory: 1GiB")):
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(
            f"name: t\ntask: chat\ndata: {{train: a.jsonl, processes: 6{memory}}}\ntrain: {{max_tokens: 90000}}\n"
        )
        home = tmp_path / name
        command = [sys.executable, "-m", "tunesmith", "prepare", str(recipe), "--home", str(home)]
        peaks[name] = peaks_of(command)
        [dataset] = Workspace(home).list()
        files[name] = dataset.id, dataset.manifest["files"]
    assert files["free"] == files["bound"]
    assert max(peaks["bound"]) < bytes_of("1GiB") < peaks["free"][0], peaks


def test_too_little_is_refused_before_a_row_is_judged(tmp_path):
    """Bug: the work is killed for memory after an hour, or the least that would do is not enough."""
    (tmp_path / "a.csv").write_text(csv_text(ROWS))

    def made(memory: str) -> None:
        recipe = Recipe(name="t", task="classify", data={"train": "a.csv", "memory": memory})
        prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path)

    with pytest.raises(RecipeError, match="300MiB is too little for about 24 rows") as refused:
        made("300MiB")
    assert not (tmp_path / "home").exists()
    made(str(refused.value.expected).removeprefix("at least ").replace(",", ""))


@pytest.mark.parametrize("memory", ["512MiB", "1GiB", "4GiB", "64GiB"])
def test_as_many_processes_as_fit(memory):
    """Bug: one process more than the bound has room for, or fewer than it would have."""
    data = Data(train=["a.csv"], memory=memory)
    fitting = processes_within(data, 16)
    assert 1 <= fitting <= 16
    assert fitting == 1 or needed_bytes(0, 0, fitting) <= bytes_of(memory)
    assert fitting == 16 or needed_bytes(0, 0, fitting + 1) > bytes_of(memory)


def test_the_size_of_pieces_changes_no_byte(tmp_path, monkeypatch):
    """Bug: what is decided about a row, or how the files are written, hangs on the piece a row was in."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, *ROWS[:5]]))
    found = []
    for name, value in (("PIECE_ROWS", 10_000), ("PIECE_ROWS", 5), ("PIECE_CHARS", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(f"tunesmith.data.read.files.{name}", value)
            recipe = Recipe(name="t", task="classify", data={"train": "a.csv", "processes": 1})
            home = tmp_path / f"{name}{value}"
            found.append(prepare(recipe, Workspace(home), recipe_dir=tmp_path).manifest["files"])
            entries = len(list((home / "index").iterdir()))
            assert (entries > 3) == (value != 10_000)
    assert found[0] == found[1] == found[2]
