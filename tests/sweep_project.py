"""A small project whose sweep takes seconds, and what the study of a sweep knows, read straight from its file."""

from __future__ import annotations

import sqlite3

from bad_data import csv_text

FIELDS = "train.schedule.peak: {low: 1e-4, high: 3e-2, log: true}, train.regularise.dropout: [0.0, 0.1]"


def write_project(folder, base, *, fields=FIELDS, others="", data="", epochs=2, trials=6, seeds=2):
    """Write rows of three intents and a recipe with a ``sweep``; return the recipe's file."""
    rows = [(f"{what} number {number}", label) for number in range(20) for what, label in
            (("where is parcel", "delivery"), ("refund for order", "refund"), ("broken cup in box", "damage"))]  # fmt: skip
    (folder / "a.csv").write_text(csv_text(rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: s\ntask: classify\nbase: {base}\ndata: {{train: a.csv{data}}}\n"
        f"train: {{method: full, epochs: {epochs}, batch_tokens: 64, eval_every: 2, threads: 1{others}}}\n"
        f"sweep: {{fields: {{{fields}}}, trials: {trials}, seeds: {seeds}}}\n"
    )
    return recipe


def ended_in(home):
    """Return all that the study has of trials that have ended: number, state, when, settings, scores."""
    files = list((home / "sweeps").glob("*/study.db"))
    if not files:
        return []
    study = sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True, timeout=30)
    try:
        trials = study.execute(
            "select trial_id, number, state, datetime_start, datetime_complete from trials "
            "where state not in ('RUNNING', 'WAITING') order by number"
        ).fetchall()
        return [
            (*trial, *(
                study.execute(f"select * from {table} where trial_id = ? order by 1", trial[:1]).fetchall()
                for table in ("trial_params", "trial_values", "trial_intermediate_values")
            ))
            for trial in trials
        ]  # fmt: skip
    except sqlite3.OperationalError:  # killed before the tables were there
        return []
    finally:
        study.close()
