"""Whether the most frequent answer to nearly the same question is the right one: what settling near-conflicts would cost.

Run: ``python benchmarks/near_conflicts.py``. Needs ../shared/data (label_noise_banking77, restaurant8k_slots,
onestop_english). Writes benchmarks/results/near_conflicts.json. Rows that `tunesmith prepare` finds alike (removed as
copies, or flagged as ``near_conflict``) are joined to groups; of groups with several answers of which one is given most
often, the rows with another one would go. Counted is how many of those are wrong (8 % of the answers are spoilt) and how
many right. In OneStopEnglish, where a sentence is written for three levels of reading, no answer is wrong.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tunesmith.core.artifacts import Workspace
from tunesmith.core.estimates import wilson
from tunesmith.data.components import lowest_of_each
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

DATA = Path(__file__).parents[2] / "shared" / "data"
RESULT = Path(__file__).parent / "results" / "near_conflicts.json"
SPOILT_FRAC = 0.08
THRESHOLDS = (0.7, 0.5)
Rows = list[dict[str, Any]]
"""Each with ``text``, ``answer`` and whether that is ``wrong``."""


def banking() -> Rows:
    """Return BANKING77 with 8 % of its labels spoilt, half of them to the one most easily confused."""
    lines = map(json.loads, (DATA / "label_noise_banking77" / "train_noisy.jsonl").open(encoding="utf-8"))
    return [{"text": one["text"], "answer": one["given_label"], "wrong": one["is_error"]} for one in lines]


def bookings() -> Rows:
    """Return the restaurant bookings, 8 % of them with the slots of another."""
    files = sorted((DATA / "restaurant8k_slots").glob("train*.jsonl"))
    found = [json.loads(line) for file in files for line in file.open(encoding="utf-8")]
    rows = [{"text": one["text"], "answer": json.dumps(one["slots"]), "wrong": False} for one in found]
    draw, right = random.Random(1), [row["answer"] for row in rows]
    for row in draw.sample(rows, int(SPOILT_FRAC * len(rows))):
        row |= {"answer": draw.choice([one for one in right if one != row["answer"]]), "wrong": True}
    return rows


def levels() -> Rows:
    """Return sentences with the level they are written for, all right."""
    pairs = map(json.loads, (DATA / "onestop_english" / "sentence_pairs.jsonl").open(encoding="utf-8"))
    found = {(text, level) for pair in pairs for level, text in pair.items() if level != "kind"}
    return [{"text": text, "answer": level, "wrong": False} for text, level in sorted(found)]


CASES = {
    "banking77": (banking, "classify"),
    "restaurant8k": (bookings, "extract"),
    "onestop_english": (levels, "classify"),
}


def groups_of(rows: Rows, task: str, near: float, folder: Path) -> list[list[int]]:
    """Return the rows that prepare finds alike, in groups of at least two."""
    with (folder / "a.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": one["text"], "answer": one["answer"]}) + "\n" for one in rows)
    data = {
        "train": "a.jsonl", "columns": {"input": "text", "target": "answer"}, "dedup": {"near": near},
        "split": {"valid": 0, "test": 0}, "labels": {"fix": "off"},
    }  # fmt: skip
    if task == "extract":
        data["labels"] = {}
    dataset = prepare(Recipe(name="t", task=task, data=data), Workspace(folder / "home"), recipe_dir=folder)
    train, removed, flagged = (
        pl.read_parquet(dataset.path / f"{name}.parquet") for name in ("train", "removed", "repairs")
    )
    line = dict(pl.concat([one.select("row_id", "line") for one in (train, removed)]).iter_rows())
    said = pl.concat([one.select("row_id", "rule", "evidence") for one in (removed, flagged)])
    said = said.filter(pl.col("rule").is_in(["duplicate", "near_duplicate", "near_conflict"]))
    told = [(row, json.loads(evidence)) for row, _, evidence in said.iter_rows()]
    ties = [(line[row] - 1, line[twin] - 1) for row, one in told for twin in [one["twin"], *one.get("also", [])]]
    one, other = np.array(ties, np.int64).reshape(-1, 2).T
    joined = defaultdict(list)
    for row, first in enumerate(lowest_of_each(len(rows), one, other).tolist()):
        joined[first].append(row)
    return [own for own in joined.values() if len(own) > 1]


def counted(rows: Rows, groups: list[list[int]]) -> dict[str, Any]:
    """Return what settling the groups by their most frequent answer would remove, and what it could not settle."""
    mixed, settled, lost = 0, 0, list[bool]()
    for own in groups:
        ranked = Counter(rows[row]["answer"] for row in own).most_common(2)
        mixed += len(ranked) > 1
        if len(ranked) > 1 and ranked[0][1] > ranked[1][1]:
            settled += 1
            lost += [rows[row]["wrong"] for row in own if rows[row]["answer"] != ranked[0][0]]
    precision = wilson(sum(lost), len(lost)).as_dict() if lost else None
    return {
        "groups": len(groups), "of_several_answers": mixed, "settled": settled, "wrong_removed": sum(lost),
        "right_removed": len(lost) - sum(lost), "rightly": precision,
    }  # fmt: skip


def main() -> None:
    """Measure every case at the default threshold and at the lowest, and write the result."""
    result: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat()}
    for name, (made, task) in CASES.items():
        rows = made()
        result[name] = {"rows": len(rows), "wrong": sum(one["wrong"] for one in rows)}
        for near in THRESHOLDS:
            with tempfile.TemporaryDirectory() as folder:
                result[name][f"near {near}"] = counted(rows, groups_of(rows, task, near, Path(folder)))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
