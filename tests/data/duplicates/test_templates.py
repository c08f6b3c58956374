"""Templates with a slot inside: found, capped, and nothing else taken for one."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import polars as pl

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

WORDS = [f"{a}{b}{c}{d}" for a in "bdkmprst" for b in "aeiou" for c in "lnrst" for d in "aeiou"]
OTHERS = [" ".join(random.Random(n).sample(WORDS, 9)) for n in range(60)]


def prepared(folder: Path, asks: list[str], most: int | None, system: str = "") -> Artifact:
    with (folder / "a.jsonl").open("w") as file:
        for n, ask in enumerate(asks):
            turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": f"It is {WORDS[-n - 1]}, {n}."}]
            file.write(json.dumps({"messages": ([{"role": "system", "content": system}] if system else []) + turns}))
            file.write("\n")
    data: dict[str, Any] = {"train": "a.jsonl", "dedup": {"max_template_rows": most}}
    return prepare(Recipe(name="t", task="chat", data=data), Workspace(folder / f"home{most}"), recipe_dir=folder)


def kept(dataset: Artifact) -> list[str]:
    frames = (pl.read_parquet(dataset.path / f"{part}.parquet") for part in ("train", "valid", "test"))
    return [json.loads(one)[-2]["content"] for frame in frames for one in frame["messages"]]


def test_a_template_with_its_slot_in_the_middle_is_capped(tmp_path):
    """Bug: of a short sentence a word in the middle is in every other run of words, so 80 rows of one stay."""
    filled = [f"What is the way from {word} to the sea by train?" for word in WORDS[:80]]
    two = [
        f"Tell me now how far it is from {one} to the {other}!"
        for one, other in zip(WORDS[80:160], WORDS[160:], strict=False)
    ]
    dataset = prepared(tmp_path, [*filled, *two, *OTHERS], 10)
    left = kept(dataset)
    assert len(set(left) & set(filled)) == 10 and set(OTHERS) <= set(left)
    assert dataset.result["removed_by"] == {"template_cap": 140}
    evidence = json.loads(pl.read_parquet(dataset.path / "removed.parquet")["evidence"][0])
    assert evidence["rows"] == 80 and evidence["max_template_rows"] == 10


def test_what_is_capped_once_needs_no_more(tmp_path):
    """Bug: a value that many rows share is a part of the template in one run and a slot in the next."""
    asks = [
        f"Please write down for me the {WORDS[n % 4]} price of our {word} by now"
        for n, word in enumerate(WORDS[10:130])
    ]
    first = kept(prepared(tmp_path, [*asks, *OTHERS], 15))
    again = tmp_path / "again"
    again.mkdir()
    assert "template_cap" not in prepared(again, first, 15).result["removed_by"]
    assert len(set(first) & set(asks)) == 15


def test_one_system_message_makes_no_template(tmp_path):
    """Bug: a long system message is most of each prompt, so all rows fill one template."""
    asks = [f"{' '.join(random.Random(n).sample(WORDS, 30))}?" for n in range(60)]
    system = "You are the kind assistant of a small shop and you answer all that people ask as well as you can."
    assert prepared(tmp_path, asks, 5, system).result["removed_by"] == {}
