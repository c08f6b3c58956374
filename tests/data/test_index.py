"""The kept index: what was prepared before is used again, and never changes a byte of the result."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bad_data import ROWS, csv_text
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import DataError
from tunesmith.data import index as kept
from tunesmith.data.duplicates import decontaminate
from tunesmith.data.index import NOTE, Index
from tunesmith.data.prepare import prepare
from tunesmith.data.rowwise import RowWorker
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

MORE = [(f"my {thing} number {n} never came", "delivery") for n, thing in enumerate(["parcel", "card", "letter"] * 5)]


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr("tunesmith.data.read.files.PIECE_ROWS", 7)


def made(folder: Path, home: str = "home", **data: Any) -> Artifact:
    recipe = Recipe(name="t", task=data.pop("task", "classify"), data={"train": "a.csv", "processes": 1, **data})
    return prepare(recipe, Workspace(folder / home), recipe_dir=folder)


@pytest.fixture
def scanned(monkeypatch) -> list[str]:
    """The pieces that were looked through for items of evaluations."""
    done: list[str] = []
    scan = decontaminate._Scanner.__call__

    def noting(self: Any, job: Any) -> None:
        done.append(job.name)
        scan(self, job)

    monkeypatch.setattr(decontaminate._Scanner, "__call__", noting)
    return done


def entries(folder: Path) -> set[str]:
    return {path.name for path in (folder / "home" / "index").iterdir()}


@pytest.fixture
def worked(monkeypatch) -> list[int]:
    """The numbers of the pieces that were worked on."""
    numbers: list[int] = []
    work = RowWorker.__call__

    def counted(self, job, folder):
        numbers.append(job.number)
        return work(self, job, folder)

    monkeypatch.setattr(RowWorker, "__call__", counted)
    return numbers


def jsonl_text(rows: list[tuple[str, str]]) -> str:
    return "".join(json.dumps({"text": text, "intent": label}) + "\n" for text, label in rows)


def array_text(rows: list[tuple[str, str]]) -> str:
    return json.dumps([{"text": text, "intent": label} for text, label in rows])


def write_parquet(file: Path, rows: list[tuple[str, str]]) -> None:
    import polars as pl

    pl.DataFrame(rows, schema=["text", "intent"], orient="row").write_parquet(file)


WRITERS = {
    "a.csv": lambda file, rows: file.write_text(csv_text(rows)),
    "a.jsonl": lambda file, rows: file.write_text(jsonl_text(rows)),
    "a.json": lambda file, rows: file.write_text(array_text(rows)),
    "a.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_rows_added_at_the_end_are_all_that_is_worked_on(tmp_path, worked, capsys, name):
    """Bug: added rows shift the borders of older pieces, or the result is another than from scratch."""
    rows = [*ROWS, ROWS[0]][:25]
    WRITERS[name](tmp_path / name, rows)
    made(tmp_path, train=name)
    worked.clear()
    capsys.readouterr()
    WRITERS[name](tmp_path / name, [*rows, *MORE, ROWS[1]])
    grown = made(tmp_path, train=name)
    assert worked == [3, 4, 5]  # of 41 rows, 21 lie in pieces that were full
    assert f"{name}: 41 rows, of which 21 as prepared before" in " ".join(capsys.readouterr().err.split())
    assert grown.manifest["files"] == made(tmp_path, "elsewhere", train=name).manifest["files"]


def test_a_file_added_before_another_leaves_its_pieces(tmp_path, worked):
    """Bug: an entry knows its place among all pieces, and rows of an added file end up in another's place."""
    (tmp_path / "b.csv").write_text(csv_text(ROWS))
    made(tmp_path, train="b.csv")
    worked.clear()
    (tmp_path / "a.csv").write_text(csv_text(MORE))
    both = made(tmp_path, train=["a.csv", "b.csv"])
    assert worked == [0, 1, 2]
    assert both.manifest["files"] == made(tmp_path, "elsewhere", train=["a.csv", "b.csv"]).manifest["files"]


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"dedup": {"near": 0.9}, "split": {"valid": 0.2}, "labels": {"fix": "off"}}, False),
        ({"clean": {"html": "off"}}, True),
        ({"privacy": {"pii": "flag"}}, True),
        ({"labels": {"names": ["refund", "delivery"]}}, True),
        ({"task": "chat", "columns": {"input": "text", "target": "intent"}}, True),
    ],
)
def test_only_settings_that_judge_single_rows_make_pieces_anew(tmp_path, worked, change, anew):
    """Bug: a changed rule is not applied to old rows; or a changed split works on every row again."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("<p>mail jane.roe@mailbox.org &amp; wait</p>", "refund")]))
    made(tmp_path)
    worked.clear()
    changed = made(tmp_path, **change)
    assert bool(worked) == anew
    assert changed.manifest["files"] == made(tmp_path, "elsewhere", **change).manifest["files"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["cut", "put", "change"])), max_size=4))
def test_whatever_was_prepared_before_the_result_is_that_from_scratch(tmp_path, edits):
    """Bug: a key misses something, and a row that was changed, moved or deleted lives on."""
    rows = [*ROWS, *MORE[:6]]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    made(tmp_path)
    for at, edit in edits:
        if edit == "cut" and len(rows) > 20:
            del rows[at % len(rows)]
        elif edit == "put":
            rows.insert(at % len(rows), (f"row {at} says <b>hello</b> again", "refund"))
        else:
            rows[at % len(rows)] = (rows[at % len(rows)][0] + " please", "delivery")
    (tmp_path / "a.csv").write_text(csv_text(rows))
    files = made(tmp_path).manifest["files"]
    shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
    assert files == made(tmp_path, "elsewhere").manifest["files"]


def spoil(entry: Path, how: str) -> None:
    if how == "cut":
        os.truncate(entry / "rows.parquet", 200)
    elif how == "lost":
        (entry / "prompt-bands.npy").unlink()
    elif how == "flipped":
        content = bytearray((entry / "prompt-shingles.npy").read_bytes())
        content[-1] ^= 1
        (entry / "prompt-shingles.npy").write_bytes(content)
    elif how == "note":
        text = (entry / NOTE).read_text()
        (entry / NOTE).write_text(text.replace('"kept": 7', '"kept": 6'))
    else:
        (entry / NOTE).write_text("")


@pytest.mark.parametrize("how", ["cut", "lost", "flipped", "note", "empty note"])
def test_a_damaged_entry_is_made_again(tmp_path, worked, how):
    """Bug: a full disk or a bad block gets into the next Dataset."""
    (tmp_path / "a.csv").write_text(csv_text(ROWS))
    files = made(tmp_path).manifest["files"]
    before = entries(tmp_path)
    shutil.rmtree(tmp_path / "home" / "artifacts")
    spoil(
        next(
            path for path in sorted((tmp_path / "home" / "index").iterdir()) if '"kept": 7' in (path / NOTE).read_text()
        ),
        how,
    )
    worked.clear()
    assert made(tmp_path).manifest["files"] == files
    assert len(worked) == 1 and entries(tmp_path) == before


def test_nothing_unredacted_is_kept(tmp_path):
    """Bug: addresses and secrets of the rows lie in the index in the clear."""
    rows = [
        *ROWS,
        ("write to jane.roe@example.org", "refund"),
        ("jane.roe@example.org", ""),
    ]
    (tmp_path / "a.csv").write_text(csv_text(rows) + '"jane.roe@example.org","too","many cells"\n')
    made(tmp_path)
    (tmp_path / "a.csv").write_text("text,intent\n" + '"jane.roe@example.org",\n' * 7)
    with pytest.raises(DataError):
        made(tmp_path)
    files = [file for file in (tmp_path / "home" / "index").rglob("*") if file.is_file()]
    assert len(files) > 20
    for file in files:
        content = kept_text(file)
        assert "jane" not in content and "example.org" not in content, (file.name, content)


def test_originals_are_of_one_dataset_and_never_kept_here(tmp_path, worked, monkeypatch):
    """Bug: pieces without originals are taken from the index and none are sealed; or sealed ones stay behind in it."""
    pytest.importorskip("cryptography")
    monkeypatch.setenv("TUNESMITH_ORIGINALS_KEY", "correct-horse-battery-staple")
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("write to jane.roe@example.net today", "refund")]))
    plain = made(tmp_path)
    before = entries(tmp_path)
    worked.clear()
    sealed = made(tmp_path, privacy={"originals": {"key_env": "TUNESMITH_ORIGINALS_KEY"}})
    assert worked and sealed.result["facts"]["originals"] == 1
    assert entries(tmp_path) == before and not Workspace(tmp_path / "home").leftovers()
    rows = "train.parquet"
    assert sealed.manifest["files"][rows] == plain.manifest["files"][rows]


def kept_text(file: Path) -> str:
    import polars as pl

    return pl.read_parquet(file).write_json() if file.suffix == ".parquet" else file.read_bytes().decode("latin-1")


def test_beyond_the_limit_the_longest_unused_goes(tmp_path, monkeypatch):
    """Bug: the index grows for ever, or what was just used goes first."""
    index = Index(tmp_path / "index", "x")
    for number, key in enumerate("abcd"):
        index.add(key, lambda folder: (folder / "rows").write_bytes(bytes(1000)) and {})
        os.utime(index.path(key) / NOTE, (number, number))
    assert index.find("a") == {}
    monkeypatch.setattr(kept, "LIMIT_BYTES", 2500)
    (tmp_path / "index" / ".e.1").mkdir()
    with index.in_use():
        assert len(list((tmp_path / "index").iterdir())) == 5
    assert {path.name for path in (tmp_path / "index").iterdir()} == {"a", "d"}


def test_entries_in_use_are_not_dropped(tmp_path):
    """Bug: clean takes away what a preparation that goes on beside it is reading."""
    index = Index(tmp_path / "index", "x")
    with index.in_use():
        index.add("a", lambda folder: {})
        with pytest.raises(BlockingIOError):
            index.clear()
        with index.in_use():
            pass
        assert index.find("a") == {}
    assert index.clear() > 0 and not (tmp_path / "index").exists()


def test_an_entry_half_made_is_none(tmp_path):
    """Bug: a process killed while it writes leaves an entry that is taken for whole."""
    script = (
        "import os, signal, sys; from pathlib import Path; from tunesmith.data.index import Index\n"
        "def write(folder):\n"
        "    (folder / 'rows').write_bytes(bytes(1000))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Index(Path(sys.argv[1])).add('a', write)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "index")], check=False)
    assert killed.returncode == -signal.SIGKILL
    index = Index(tmp_path / "index")
    assert index.find("a") is None and list((tmp_path / "index").iterdir())
    with index.in_use():
        index.add("a", lambda folder: {})
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["a"]


def test_clean_tells_and_frees_it(tmp_path, monkeypatch, capsys):
    """Bug: nobody knows that rows are still there, or how to be rid of them."""
    from tunesmith.cli.main import main

    (tmp_path / "a.csv").write_text(csv_text(ROWS))
    dataset = made(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tunesmith", "clean", "--json", "--home", str(tmp_path / "home")])
    main()
    told = json.loads(capsys.readouterr().out)
    assert told["index_freed_bytes"] == told["freed_bytes"] > 10_000
    assert not (tmp_path / "home" / "index").exists()
    dataset.verify()


@pytest.mark.parametrize("name", [*WRITERS, "a.csv.gz", "a.jsonl.xz"])
def test_progress_goes_from_nothing_to_all_with_the_rows(tmp_path, monkeypatch, capsys, name):
    """Bug: the bar stands at 100 % from the first piece on, or never gets there; a pipe sees no rows."""
    monkeypatch.setattr("tunesmith.core.progress.LINE_EVERY_S", 0)
    rows = [(f"{text} {'and so on ' * 40}", label) for text, label in [*ROWS, *MORE]]
    plain = name.removesuffix(".gz").removesuffix(".xz")
    WRITERS[plain](tmp_path / plain, rows)
    if name != plain:
        noise = random.Random(1)
        text = csv_text(rows) if "csv" in name else jsonl_text(rows)
        text = re.sub("so on", lambda _: str(noise.random()), text)
        (tmp_path / name).write_bytes((gzip if name.endswith("gz") else lzma).compress(text.encode()))
    made(tmp_path, train=name, dedup={"near": None})
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  reading:")]
    shares = [int(re.search(r"(\d+)%  rows", line)[1]) for line in lines]
    assert len(lines) == 6 and shares == sorted(shares) and shares[0] < 80 and shares[-1] == 100, lines
    assert "rows 7 " in lines[0] and "rows 39 " in lines[-1] and "rows/s" in lines[-1]
    assert "left" in lines[0] and "left" not in lines[-1]


def test_pieces_are_looked_through_for_the_items_of_an_evaluation_once(tmp_path, scanned):
    """Bug: every preparation reads all texts again; or what was found for other items is taken for what is there now."""
    question = "How many of the nine blue lanterns are left when the tide has taken seven of them out of the harbour?"
    around = " ".join(
        f"and the {thing} stood by" for thing in ("lamp", "keel", "rope", "tar", "oar", "net", "sail", "bell")
    )
    rows = [*ROWS, *MORE, (f"well then: {question}", "delivery")]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    (tmp_path / "evals.jsonl").write_text(json.dumps({"question": question}) + "\n")
    assert made(tmp_path, decontaminate=["evals.jsonl"]).result["removed_by"]["contaminated"] == 1
    pieces = -(-len(rows) // 7)
    assert len(scanned) == len(set(scanned)) == pieces
    (tmp_path / "a.csv").write_text(csv_text([*rows, (f"{question.upper()} {around}", "delivery")]))
    again = made(tmp_path, decontaminate=["evals.jsonl"])
    assert again.result["removed_by"]["contaminated"] == 2
    assert len(scanned) == pieces + 1  # the last piece has another row
    assert again.result["removed_by"] == made(tmp_path, "new home", decontaminate=["evals.jsonl"]).result["removed_by"]
    del scanned[:]
    (tmp_path / "evals.jsonl").write_text(json.dumps({"question": f"{MORE[0][0]} and {MORE[1][0]}"}) + "\n")
    assert "contaminated" not in made(tmp_path, decontaminate=["evals.jsonl"]).result["removed_by"]
    assert len(scanned) == -(-(len(rows) + 1) // 7)
