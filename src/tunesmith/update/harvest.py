"""From feedback to examples: what a user corrected or confirmed, once per question, the newest word wins.

Owns which feedback counts. Does not own how examples are split and mixed (`plan`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.core.store import Store
    from tunesmith.text.examples import Message

NEW_LABEL_NEEDS = 2
"""Questions with the same unknown label before it is taken for a new one and not for a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Harvested:
    """One question with its right answer; ``corrected`` is False if the user only confirmed the model's."""

    request_id: str
    prompt: list[Message]
    answer: str
    corrected: bool

    @property
    def key(self) -> str:
        """What equal questions share."""
        return question_key(self.prompt)


@dataclass
class Harvest:
    """What came in, what of it cannot be used (reason to count), and labels nobody knew: taken in, or too rare."""

    rows: list[Harvested] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    new_labels: list[str] = field(default_factory=list)
    rare_labels: dict[str, int] = field(default_factory=dict)


def question_key(prompt: Sequence[Message]) -> str:
    """Return what two prompts share that ask the same, up to case and whitespace."""
    turns = [[message["role"], " ".join(str(message.get("content") or "").casefold().split())] for message in prompt]
    return json.dumps(turns, ensure_ascii=False)


def harvest(store: Store, name: str, task: str, labels: Sequence[str]) -> Harvest:
    """Return the usable feedback on a released name, in the order of the requests' ids.

    Args:
        store: where requests and feedback are.
        name: the released name.
        task: the recipe's task; it decides what a valid answer is.
        labels: the labels the model knows; empty unless it classifies.
    """
    result = Harvest()
    newest: dict[str, Harvested] = {}
    spelling = {label.casefold(): label for label in labels}
    for row in _feedback(store, name):
        item = _item(row, spelling)
        if item is None:
            _take_back(newest, row)
        elif (reason := _fault(item, task)) is not None:
            result.left_out[reason] += 1
        elif item.corrected or not (item.key in newest and newest[item.key].corrected):
            newest[item.key] = item  # a thumb never overrules a written answer
    result.rows = sorted(newest.values(), key=lambda item: item.request_id)
    if task == "classify":
        _judge_new_labels(result, set(labels))
    return result


def _feedback(store: Store, name: str) -> list[Any]:
    requests, feedback = tables.requests, tables.feedback
    wanted = (
        sa.select(requests.c.id, requests.c.messages, requests.c.answer, feedback.c.rating, feedback.c.correction)
        .join(feedback, feedback.c.request_id == requests.c.id)
        .where(requests.c.name == name, requests.c.status == 200)
        .order_by(feedback.c.at, feedback.c.id)
    )
    with store.reading() as connection:
        return list(connection.execute(wanted).mappings())


def _item(row: Any, spelling: Mapping[str, str]) -> Harvested | None:
    """Return what a feedback teaches; None if it says no right answer. A known label may be written in any case."""
    if row["correction"] is not None:
        answer = row["correction"].strip()
        answer = spelling.get(answer.casefold(), answer)
        return Harvested(row["id"], row["messages"], answer, answer != row["answer"])
    if row["rating"] is not None and row["rating"] > 0 and row["answer"]:
        return Harvested(row["id"], row["messages"], row["answer"], False)
    return None


def _take_back(newest: dict[str, Harvested], row: Any) -> None:
    """Forget a confirmation that a later complaint contradicts."""
    key = question_key(row["messages"])
    if row["rating"] is not None and row["rating"] < 0 and key in newest and not newest[key].corrected:
        del newest[key]


def _fault(item: Harvested, task: str) -> str | None:
    if not item.answer:
        return "empty answer"
    if task == "extract":
        try:
            value = json.loads(item.answer)
        except ValueError:
            return "not JSON"
        if not isinstance(value, dict):
            return "not a JSON object"
    return None


def _judge_new_labels(result: Harvest, known: set[str]) -> None:
    """Take an unknown label for a new one if enough questions have it; leave the others out."""
    counts = Counter(item.answer for item in result.rows if item.answer not in known)
    result.new_labels = sorted(label for label, count in counts.items() if count >= NEW_LABEL_NEEDS)
    result.rare_labels = {label: count for label, count in sorted(counts.items()) if count < NEW_LABEL_NEEDS}
    if result.rare_labels:
        result.left_out["unknown label"] = sum(result.rare_labels.values())
    result.rows = [item for item in result.rows if item.answer not in result.rare_labels]
