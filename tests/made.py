"""Datasets for tests of the stages after prepare, written straight to disk in the layout of a Dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from tunesmith.core.artifacts import Artifact, Plan, Workspace

Pair = tuple[str, str]
Triple = tuple[str, str, str]
"""A question, the chosen and the rejected answer."""

CARDS = [(f"my card {n} is lost", "card") for n in range(8)] + [(f"money back {n}", "refund") for n in range(8)]
"""Questions of two labels."""


def split_frame(pairs: Sequence[Pair], split: str, classify: bool) -> pl.DataFrame:
    """Return a split's rows of one user turn and one answer each."""
    rows = [
        {
            "row_id": f"{split}-{number}",
            "source": f"{split}.csv",
            "line": number + 2,
            "messages": json.dumps([{"role": "user", "content": text}, {"role": "assistant", "content": answer}]),
            "tools": None,
            "rejected": None,
            "label": answer if classify else None,
            "group": None,
            "weight": 1.0,
        }
        for number, (text, answer) in enumerate(pairs)
    ]
    return pl.DataFrame(
        rows, schema_overrides={"tools": pl.String, "rejected": pl.String, "label": pl.String, "group": pl.String}
    )


def make_dataset(
    workspace: Workspace,
    train: Sequence[Pair],
    valid: Sequence[Pair],
    test: Sequence[Pair] = (),
    *,
    classify: bool = True,
) -> Artifact:
    """Write a Dataset artifact of the given pairs."""
    plan = Plan("made", "dataset", {"pairs": [list(train), list(valid), list(test)], "classify": classify})
    if (found := workspace.find(plan.id)) is not None:
        return found
    with workspace.draft(plan) as draft:
        for split, pairs in (("train", train), ("valid", valid), ("test", test)):
            split_frame(pairs or train[:1], split, classify).write_parquet(draft.path / f"{split}.parquet")
        if classify:
            labels = sorted({answer for _, answer in [*train, *valid, *test]})
            (draft.path / "labels.json").write_text(json.dumps(labels))
    return workspace.get(plan.id)


def make_preferences(
    workspace: Workspace, train: Sequence[Triple], valid: Sequence[Triple], test: Sequence[Triple] = ()
) -> Artifact:
    """Write a Dataset artifact of preferences."""
    plan = Plan("made", "dataset", {"preferences": [list(train), list(valid), list(test)]})
    if (found := workspace.find(plan.id)) is not None:
        return found
    with workspace.draft(plan) as draft:
        for split, triples in (("train", train), ("valid", valid), ("test", test)):
            some = triples or train[:1]
            rejected = [json.dumps([{"role": "assistant", "content": answer}]) for *_, answer in some]
            frame = split_frame([(question, chosen) for question, chosen, _ in some], split, classify=False)
            frame.with_columns(pl.Series("rejected", rejected)).write_parquet(draft.path / f"{split}.parquet")
    return workspace.get(plan.id)
