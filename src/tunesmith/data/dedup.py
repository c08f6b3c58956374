"""Rules about several rows: exact duplicates, conflicting answers, and rows of train that the test already holds.

Owns which of several equal rows stays. Does not own when texts are the same (`rows.prompt_key`, `rows.answer_key`).
Held-out rows given by the user are never touched: a row that is in two parts stays in test, or else in valid.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.data.rows import Removed, Row, answer_key, prompt_key, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.recipe import Dedup

_HELD_OUT_FIRST = {"test": 0, "valid": 1, "train": 2}


@dataclass
class Deduplicated:
    """What is left, what was removed with its evidence, and how many prompts have more than one answer."""

    rows: list[Row] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    conflicts: int = 0


def deduplicate(rows: Sequence[Row], settings: Dedup, restored: frozenset[str] = frozenset()) -> Deduplicated:
    """Drop duplicates, leaks and, if asked, conflicts. The order of rows stays; ids in ``restored`` are kept.

    Rules: ``leak`` (the prompt is in a held-out file), ``duplicate`` (prompt and answer occurred before),
    ``conflict`` (the prompt has different answers and ``settings.conflicts`` is ``remove``).
    """
    by_prompt: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_prompt[prompt_key(row)].append(row)
    result = Deduplicated()
    gone: dict[str, Removed] = {}
    for same in by_prompt.values():
        if len(same) > 1:
            result.conflicts += _judge(same, settings, gone)
    result.rows = [row for row in rows if row.row_id not in gone or _may_stay(gone[row.row_id], restored)]
    kept = {row.row_id for row in result.rows}
    result.removed = [removed for row_id, removed in gone.items() if row_id not in kept]
    return result


def _may_stay(removed: Removed, restored: frozenset[str]) -> bool:
    return removed.row_id in restored and removed.rule != "leak"


def _judge(same: list[Row], settings: Dedup, gone: dict[str, Removed]) -> int:
    """Judge rows of one prompt; returns 1 if they disagree."""
    owner = min(same, key=lambda row: _HELD_OUT_FIRST[row.part])
    own = [row for row in same if row.part == owner.part]
    for row in same:
        if row.part != owner.part:
            gone[row.row_id] = _gone(row, "leak", owner, held_out=owner.part)
    if owner.part != "train":
        return 0
    first: dict[str, Row] = {}
    for row in own:
        twin = first.setdefault(answer_key(row), row)
        if twin is not row and settings.exact:
            gone[row.row_id] = _gone(row, "duplicate", twin)
    if len(first) > 1 and settings.conflicts == "remove":
        answers = [shortened(str(row.answer.get("content")), 100) for row in first.values()]
        for row in first.values():
            gone[row.row_id] = Removed(
                row.row_id, row.source, row.line, "conflict", {"answers": answers[:10]}, row.original
            )
    return int(len(first) > 1)


def _gone(row: Row, rule: str, twin: Row, **evidence: str) -> Removed:
    told = {"twin": twin.row_id, "at": f"{twin.source}:{twin.line}", **evidence}
    return Removed(row.row_id, row.source, row.line, rule, told, row.original)
