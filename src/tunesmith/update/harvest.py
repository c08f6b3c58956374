"""From feedback to examples: what a user corrected or confirmed, once per question, the newest word wins.

Owns which feedback counts. Does not own how examples are split and mixed (`plan`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import store as tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.store import Store
    from tunesmith.text.examples import Message

NEW_LABEL_NEEDS = 4
"""Questions with the same unknown label before it is taken for a new one and not for a slip of the pen: enough to
learn from, to validate and to test on."""


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
    """What came in, what of it cannot be used (reason to count), and the labels nobody knew."""

    rows: list[Harvested] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    new_labels: list[str] = field(default_factory=list)


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
    newest: dict[str, Harvested] = {}
    result = Harvest()
    for row in _feedback(store, name):
        item = _item(row)
        if item is None:
            continue
        reason = _fault(item, task)
        if reason is not None:
            result.left_out[reason] += 1
        else:
            newest[item.key] = item
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


def _item(row: Any) -> Harvested | None:
    """Return what a feedback teaches; None for a mere complaint, which says no right answer."""
    if row["correction"] is not None:
        return Harvested(row["id"], row["messages"], row["correction"].strip(), True)
    if row["rating"] is not None and row["rating"] > 0 and row["answer"]:
        return Harvested(row["id"], row["messages"], row["answer"], False)
    return None


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
    usable = known.union(result.new_labels)
    result.left_out["unknown label"] += sum(item.answer not in usable for item in result.rows)
    result.left_out = +result.left_out
    result.rows = [item for item in result.rows if item.answer in usable]
