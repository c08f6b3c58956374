"""What holds of prepare whatever the rows: nothing lost, nothing left to do, no matter in which order or processes."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.data.rows import SPLITS
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

WORDS = [
    "parcel", "lamp", "money", "Berlin", "street", "window", "green", "broken", "order", "phone", "blue", "never", "seven",
    "garden", "wants", "lost", "card", "Anna", "river", "small", "open", "closed", "12", "90", "letter", "cup", "shop", "late",
]  # fmt: skip
LABELS = ["refund", "delivery", "other"]
ANSWERS = [
    "It is on its way to you and will be there soon.",
    "Yes.",
    "We have sent the money back.",
    "Please call the shop.",
]
SOIL = [
    "", "  ", "\u200b", "<p>{}</p>", "{} &amp; {}", "CafÃ© {}", "{}\\n{}", "write to jane@mailbox.org {}", "{} N/A", "{}\x07", "&amp;lt;b&amp;gt; {}",
    "{}  {}", "the the the the the the the the the the", "{} 4111 1111 1111 1111", "{} <noinput>", "[b]{}[/b]", "“{}” — ‘{}’", "ﬁne {}",
    "as an AI language model {}", "<image> {}", "{}\n\n\n\n{}", "call +49 30 1234567 {}", "&lt;p&gt;{}&lt;/p&gt;", "{} {}\t", "password: hunter2secret {}",
]  # fmt: skip
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking prepares hundreds of times
PLENTY = settings(max_examples=14, deadline=None, phases=PHASES)

Pair = tuple[str, str]
UNREADABLE: Pair = ("", "")
"""Written as a row that cannot be read."""


@st.composite
def texts(draw: Any) -> str:
    """A text of its own: two words to thirty."""
    return " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=2, max_size=30)))


@st.composite
def copies(draw: Any, text: str) -> str:
    """A text again: as it is, written another way, with other words, around it or in it, or soiled."""
    words = text.split()
    at = draw(st.integers(0, len(words) - 1))
    other = draw(st.sampled_from(WORDS))
    return draw(
        st.sampled_from([
            text, text.upper(), text.lower(), text + "?", "  " + text, f"Hello! {text}", f"please {text} thanks",
            " ".join([*words[:at], other, *words[at + 1 :]]), " ".join([*words[:at], other, *words[at:]]), " ".join(words[:at] + words[at + 1 :]) or text,
            draw(st.sampled_from(SOIL)).replace("{}", text),
        ])
    )  # fmt: skip


@st.composite
def answered(draw: Any, task: str) -> str:
    if task == "classify":
        return draw(st.sampled_from([*LABELS, ""]))
    return draw(copies(draw(st.sampled_from(ANSWERS))))


@st.composite
def pairs(draw: Any, task: str) -> list[Pair]:
    """Thirty plain rows, enough to hold some out, and up to eight copies of a text or two among them.

    No more: of more than nine rows with like answers not each is compared with each, and a second run may find another.
    """
    answers = LABELS if task == "classify" else [f"Case {n} is with our people now." for n in range(30)]
    plain = [(f"{WORDS[n % 28]} about {WORDS[3 * n % 28]} number {n}", answers[n % len(answers)]) for n in range(30)]
    families = draw(st.lists(texts(), min_size=1, max_size=2))
    sizes = st.integers(1, 4)
    return draw(st.permutations([
        *plain, *((draw(copies(text)), draw(answered(task))) for text in families for _ in range(draw(sizes))),
        *[UNREADABLE] * draw(st.integers(0, 2)),
    ]))  # fmt: skip


BOTH = st.sampled_from(["chat", "classify"]).flatmap(lambda task: st.tuples(st.just(task), pairs(task)))


def written(folder: Path, name: str, task: str, rows: list[Pair]) -> str:
    if task == "classify":
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *(row if any(row) else ("one cell",) for row in rows)])
        return f"{name}.csv"
    lines = [json.dumps({"prompt": row[0], "completion": row[1]}) + "\n" if any(row) else "{\n" for row in rows]
    (folder / f"{name}.jsonl").write_text("".join(lines))
    return f"{name}.jsonl"


def prepared(folder: Path, task: str, files: dict[str, str], **data: Any) -> Artifact:
    labels = {"labels": {"names": LABELS, "fix": "remove"}} if task == "classify" else {}
    recipe = Recipe(name="t", task=task, data={"processes": 1, **files, **labels, **data})
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


def parts(dataset: Artifact) -> dict[str, list[Pair]]:
    """Question and answer of every row of every split."""
    frames = {name: pl.read_parquet(dataset.path / f"{name}.parquet") for name in SPLITS}
    return {name: [pair(messages) for messages in frame["messages"]] for name, frame in frames.items()}


def pair(messages: str) -> Pair:
    asked, told = json.loads(messages)
    return asked["content"], told["content"]


@PLENTY
@given(BOTH, st.integers(1, 12))
def test_every_row_read_is_in_one_place(task_rows, piece):
    """Bug: a row vanishes, is in two splits, is both kept and removed, or has the id of another."""
    task, rows = task_rows
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        patched.setattr("tunesmith.data.read.files.PIECE_ROWS", piece)
        folder = Path(name)
        half = len(rows) // 2
        files = [written(folder, f"{n}", task, part) for n, part in enumerate((rows[:half], rows[half:]))]
        dataset = prepared(folder, task, {"train": files})
        frames = [pl.read_parquet(dataset.path / f"{one}.parquet") for one in (*SPLITS, "removed")]
        where = pl.concat([frame.select("row_id", "source", "line") for frame in frames])
        result = dataset.result
    assert result["rows"] == {"read": len(rows), "kept": sum(result["splits"].values()), "removed": frames[-1].height}
    assert where.height == len(rows) == where["row_id"].n_unique() == where.select("source", "line").n_unique()
    assert sum(result["removed_by"].values()) == frames[-1].height
    assert sum(result["states"].values()) == len(rows)


@PLENTY
@given(BOTH, st.booleans())
def test_what_was_prepared_needs_no_more(task_rows, together):
    """Bug: a repair leaves something to repair, or a rule removes from its own output: two runs are better than one."""
    task, rows = task_rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = prepared(folder, task, {"train": written(folder, "a", task, rows)})
        found = parts(first)
        files = {part: written(folder, part, task, own) for part, own in found.items()}
        again = prepared(folder, task, {"train": [*files.values()]} if together else files)
        removed, changed = pl.read_parquet(again.path / "removed.parquet"), again.result["repaired_by"]
        second = parts(again)
    assert removed.select("rule", "evidence", "text").to_dicts() == []
    assert changed == {}
    if not together:
        assert second == found


@PLENTY
@given(
    BOTH, st.randoms(use_true_random=False), st.sampled_from(["flag", "majority", "remove"]), st.sampled_from([None, 2])
)
def test_the_order_of_the_rows_does_not_matter(task_rows, chance, conflicts, templates):
    """Bug: which rows stay, or on which side of the split they are, hangs on where they stand in the file."""
    task, rows = task_rows
    other = list(rows)
    chance.shuffle(other)
    dedup = {"conflicts": conflicts, "max_template_rows": templates}
    with tempfile.TemporaryDirectory() as name:
        found = []
        for place, order in (("one", rows), ("two", other)):
            folder = Path(name, place)
            folder.mkdir()
            dataset = prepared(folder, task, {"train": written(folder, "a", task, order)}, dedup=dedup)
            removed = pl.read_parquet(dataset.path / "removed.parquet")
            gone = sorted(zip(removed["rule"], removed["text"], strict=True))
            found.append(({part: sorted(own) for part, own in parts(dataset).items()}, gone))
    assert found[0] == found[1]


@settings(PLENTY, max_examples=3)
@given(BOTH)
def test_processes_and_pieces_change_no_byte(task_rows):
    """Bug: rows come in the order in which processes finish, or a rule sees no farther than its piece."""
    task, rows = task_rows
    files = []
    for processes, piece in ((1, 10_000), (2, 9)):
        with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
            patched.setattr("tunesmith.data.read.files.PIECE_ROWS", piece)
            folder = Path(name)
            dataset = prepared(folder, task, {"train": written(folder, "a", task, rows)}, processes=processes)
            files.append({"id": dataset.id, **dataset.manifest["files"]})
    assert files[0] == files[1]
