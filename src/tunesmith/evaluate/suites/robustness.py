"""Robustness: the same test questions with typos, in another case, and in a frame of polite words.

What the right answer is stays: words that occur in it are left alone. Does not own the changes (`changes`), nor the
metric, which is the recipe's main one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.progress import say
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.metric import take
from tunesmith.evaluate.suites.changes import CHANGES
from tunesmith.evaluate.suites.findings import Details, Findings
from tunesmith.evaluate.suites.system import TUNED
from tunesmith.recipe.use import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Metric
    from tunesmith.evaluate.suites.material import Material
    from tunesmith.evaluate.suites.system import Record, System
    from tunesmith.text.examples import Example, Message

NAME = "robustness"
SHOWN = 10

WORDS = {
    "robust_typos": ("typos", "where questions have typos"),
    "robust_case": ("case", "where questions are all in capitals or all in small letters"),
    "robust_framing": ("framing", "where other words stand around the question"),
}
"""Metric to the change it is about, and the words for it."""


def metrics_of(main: Metric) -> tuple[Metric, ...]:
    """Return the main metric on each kind of changed questions."""
    return tuple(
        replace(main, name=name, meaning=f"{main.name} {words}", suite=NAME, margin=None, columns=None, check=None)
        for name, (_, words) in WORDS.items()
    )


def ask(system: System, material: Material) -> Record:
    """Return the answers to the changed questions; of the tuned model, those to the unchanged ones too."""
    record: Record = {}
    for change in CHANGES:
        some = changed(material, change)
        say(f"  robustness: {len(some)} questions changed by {change}, read by {system.name}")
        record[change] = vars(system.answer([one for _, one in some])) if some else None
    if system.name == TUNED:
        record[UNCHANGED] = vars(material.answers_of(system))
    return record


def look(records: Mapping[str, Record], material: Material) -> Findings:
    """Return how much better or worse the answers are than those to the questions as they were."""
    found = Findings(NAME, 0, 0)
    plain = Answers(**records[TUNED][UNCHANGED])
    for metric, change in zip(metrics_of(material.main), CHANGES, strict=True):
        places = [place for place, _ in changed(material, change)]
        if not places:
            found.notes.append(f"No question has a word that {change} could change: {metric.name} is not measured.")
            continue
        given = {who: Answers(**record[change]) for who, record in records.items()} | {UNCHANGED: plain.at(places)}
        columns = {who: material.questions.columns(places, one, [material.main]) for who, one in given.items()}
        rows = _counting(material.main, columns[TUNED])
        if not len(rows):
            continue
        columns = {who: take(one, rows) for who, one in columns.items()}
        clusters = material.questions.clusters([places[row] for row in rows.tolist()])
        found.add([replace(metric, among=None)], columns, material.seed, clusters)
        found.rows += len(places)
        found.passes += len(places) * len(records)
        found.details += _flipped(material, change, given, columns, rows.tolist())
    return found


def changed(material: Material, change: str) -> list[tuple[int, Example]]:
    """Return the test rows whose question changes, each with its place in the sample."""
    found = []
    for place, (example, right) in enumerate(zip(material.test, material.questions.expected, strict=True)):
        before = example.input_text
        after = CHANGES[change](before, right, f"{material.seed} {example.row_id}")
        if after != before:
            found.append((place, replace(example, messages=with_question(example, after))))
    return found


def with_question(example: Example, text: str) -> list[Message]:
    """Return the conversation with another last user message."""
    last = max(place for place, message in enumerate(example.messages) if message["role"] == "user")
    return [
        {**message, "content": text} if place == last else message for place, message in enumerate(example.messages)
    ]


def _counting(metric: Metric, columns: Columns) -> np.ndarray:
    """Return the rows that the metric is about."""
    return np.arange(len(columns["nats"])) if metric.among is None else np.flatnonzero(columns[metric.among])


def _flipped(
    material: Material, change: str, given: Mapping[str, Answers], columns: Mapping[str, Columns], rows: Sequence[int]
) -> list[Details]:
    """Return questions that were answered right as they stood and wrong when changed."""
    if "correct" not in columns[TUNED]:
        return []
    lost = np.flatnonzero(columns[UNCHANGED]["correct"] & ~columns[TUNED]["correct"]).tolist()
    examples = [example for _, example in changed(material, change)]
    lines = [
        [examples[rows[place]].input_text, given[UNCHANGED].texts[rows[place]], given[TUNED].texts[rows[place]]]
        for place in lost[:SHOWN]
    ]
    if not lines:
        return []
    of = f"{len(lines)} of {len(lost)}" if len(lost) > len(lines) else f"{len(lost)}"
    return [Details(f"Right before, wrong with {change}: {of}", ["changed question", "answer before", "now"], lines)]
