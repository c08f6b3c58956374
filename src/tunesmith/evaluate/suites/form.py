"""Format: whether answers have the shape of right ones, whatever they say.

Looks at answers to test rows that were given anyway. A check that the right answers themselves break is not made: their
shape is what was learnt. Does not own whether an answer is right (`grading`), nor the metrics of JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.estimates import wilson
from tunesmith.evaluate.grading import parse_json
from tunesmith.evaluate.metric import Metric, share
from tunesmith.evaluate.suites.findings import Details, Findings
from tunesmith.evaluate.suites.system import TUNED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.suites.material import Material
    from tunesmith.evaluate.suites.system import Record, System

NAME = "format"
BROKEN_BY_RIGHT_FRAC = 0.02
"""A check that more of the right answers break is none of this task."""
TIMES_LONGER = 3

KEPT = Metric(
    "format_kept", "share of answers in the shape of right ones", share("format_kept"), "format_kept", suite=NAME,
    margin=0.05,
)  # fmt: skip
METRICS = (KEPT,)

_MARKS = re.compile(
    r"<\|[\w ]{1,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|^#{2,} ?(?:Response|Instruction)\b"
)
_OPENS = re.compile(r"(?:sure|certainly|of course|absolutely|here (?:is|are)|here's)\b", re.IGNORECASE)
_LOOP = re.compile(r"(\S.{1,80}?)\1{3,}", re.DOTALL)


def _loops(text: str) -> bool:
    """Return whether words come four times running; lines of dashes and zeros may."""
    return any(any(map(str.isalpha, one[1])) for one in _LOOP.finditer(text))


@dataclass(frozen=True)
class Answer:
    """An answer as the checks see it: its text, its right answer, and whether the limit of tokens ended it."""

    text: str
    right: str
    cut: bool = False


CHECKS: dict[str, Callable[[Answer], bool]] = {
    "empty": lambda one: not one.text.strip(),
    "cut by the limit of tokens": lambda one: one.cut,
    "marks of a chat template": lambda one: _MARKS.search(one.text) is not None,
    "the same over and over": lambda one: _loops(one.text),
    "no JSON where the right answer is": lambda one: _is_json(one.right) and not _is_json(one.text),
    "a fence of code": lambda one: "```" in one.text,
    "opens with talk": lambda one: _OPENS.match(one.text.strip()) is not None,
    "spaces at its ends": lambda one: one.text != one.text.strip(),
}
"""What is wrong, and whether an answer has it."""


def ask(system: System, material: Material) -> Record:
    """Return the answers to the sample of test rows, and which of them were cut."""
    answers = material.answers_of(system)
    return {"texts": answers.texts, "cut": [count >= system.max_new_tokens for count in answers.written]}


def look(records: Mapping[str, Record], material: Material) -> Findings:
    """Return how many answers are in the shape of right ones, and what is wrong with the others."""
    right = material.questions.expected
    found = Findings(NAME, len(right), len(right) * (len(records) - len(material.known)))
    checks = checks_for(right)
    broken = {who: _broken(record, right, checks) for who, record in records.items()}
    columns = {
        who: {"format_kept": ~np.any(list(own.values()), axis=0), "nats": np.zeros(len(right))}
        for who, own in broken.items()
    }
    found.add([KEPT], columns, material.seed, material.questions.clusters(range(len(right))))
    found.levels = {KEPT.name: 0.0}
    left_out = [name for name in CHECKS if name not in checks]
    if left_out:
        found.notes.append(f"Not looked at, since right answers have it as well: {', '.join(left_out)}.")
    found.details = _wrong(broken, records[TUNED]["texts"])
    return found


def checks_for(right: Sequence[str]) -> list[str]:
    """Return the checks that right answers keep."""
    most = BROKEN_BY_RIGHT_FRAC * len(right)
    return [name for name, has in CHECKS.items() if sum(has(Answer(one, one)) for one in right) <= most]


def _broken(record: Record, right: Sequence[str], checks: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    answers = [Answer(*one) for one in zip(record["texts"], right, record["cut"], strict=True)]
    longest = TIMES_LONGER * max(map(len, right))
    found = {name: np.array([CHECKS[name](one) for one in answers], dtype=bool) for name in checks}
    too_long = np.array([len(one.text) > longest for one in answers], dtype=bool)
    return {**found, f"longer than {TIMES_LONGER} times the longest right answer": too_long}


def _wrong(broken: Mapping[str, Mapping[str, NDArray[np.bool_]]], texts: Sequence[str]) -> list[Details]:
    """Return by check how many answers break it, with one of the tuned model's."""
    others = [who for who in broken if who != TUNED]
    rows = []
    for name, here in broken[TUNED].items():
        if not any(own[name].any() for own in broken.values()):
            continue
        told = wilson(int(here.sum()), len(here))
        shown = f"{told.value:.3f} [{told.low:.3f}, {told.high:.3f}]" if here.any() else "0"
        example = texts[int(np.argmax(here))][:200] if here.any() else "–"
        rows.append([name, example, shown, *(f"{broken[who][name].mean():.3f}" for who in others)])
    rows.sort(key=lambda row: (-broken[TUNED][row[0]].sum(), row[0]))
    header = ["what is wrong", "an answer of the tuned model", "share of its answers", *others]
    return [Details("What is wrong with the shape of answers", header, rows, numeric_from=2)] if rows else []


def _is_json(text: str) -> bool:
    """Return whether a text is an object or a list in JSON; a bare number or word is a text of its own."""
    found = parse_json(text)
    return found.valid and isinstance(found.value, dict | list)
