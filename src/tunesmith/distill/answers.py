"""Which of a teacher's answers may be learnt, and which of several.

Owns the reasons for which an answer is left out. Does not own asking (`stage`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.evaluate.rivals import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.providers.chat import Reply
    from tunesmith.text.task import TaskSpec


@dataclass(frozen=True)
class Taught:
    """What a teacher's answers to one question come to: a text to learn, or ``why`` there is none.

    ``agreement`` is the share of all samples, unusable ones too, that gave the text; ``said`` are all of them.
    """

    text: str | None
    agreement: float
    why: str = ""
    said: tuple[str, ...] = ()


def taught(replies: Sequence[Reply], task: TaskSpec, least: float) -> Taught:
    """Return the most frequent usable answer of one question, the first of equals, if enough samples gave it.

    JSON that differs in the order of its keys alone is one answer.
    """
    said = tuple(one.text for one in replies)
    read_ones = [_usable(one, task) for one in replies]
    usable = {_key(text, task): text for text, _ in reversed(read_ones) if text is not None}
    if not usable:
        return Taught(None, 0.0, next(why for _, why in read_ones), said)
    ((key, count),) = Counter(_key(text, task) for text, _ in read_ones if text is not None).most_common(1)
    share = count / len(replies)
    if len(replies) > 1 and share < least:
        return Taught(None, share, "no agreement", said)
    return Taught(usable[key], share, "", said)


def _usable(reply: Reply, task: TaskSpec) -> tuple[str | None, str]:
    """Return an answer as it would be learnt, or None and why not."""
    text = read(reply.text, task)
    if reply.ended == "length":
        return None, "cut at distill.teacher.max_tokens"
    if reply.ended != "stop":
        return None, f"ended by the service: {reply.ended}"
    if not text:
        return None, "empty"
    if task.labels and text not in task.labels:
        return None, "not one of the labels"
    if task.task == "extract" and not _is_object(text):
        return None, "not a JSON object"
    return text, ""


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _key(text: str, task: TaskSpec) -> str:
    """Return what answers share that say the same."""
    return json.dumps(json.loads(text), sort_keys=True) if task.task == "extract" else text
