"""Equal prompts: exact duplicates, conflicting answers, and rows of train that a held-out file already holds.

Owns which of several rows with the same prompt stays: of equal rows the first, of rows written in another way the first
by content. Does not own when prompts and answers are the same (`rows.prompt_key`, `rows.answer_key`), nor prompts that
are merely alike (`alike`). Rows of held-out files are never removed: a row that is in two parts stays in test, or else
in valid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.recipe import Dedup

HELD_OUT_FIRST = {"test": 0, "valid": 1, "train": 2}


@dataclass
class Conflict:
    """Rows of train that share a prompt and disagree: their indices by answer, the most frequent answer first.

    ``tied`` says that another answer was given as often as the first; ``newest`` are the rows of the one given last.
    """

    answers: list[list[int]]
    tied: bool
    newest: list[int]

    def stay(self, rule: str) -> list[int] | None:
        """Return the rows that stay by a rule; None if nothing is asked of it, or no answer is the most frequent."""
        if rule == "remove":
            return []
        if rule == "newest":
            return self.newest
        return None if rule == "flag" or self.tied else self.answers[0]


def deduplicate(fates: Fates, settings: Dedup) -> None:
    """Remove rows whose prompt and answer another row has, and rows of train that are held out.

    Rules: ``leak`` (the prompt is in a held-out file), ``duplicate`` (prompt and answer are those of a row that stays).
    """
    for rows, parts, answers in _same_prompts(fates):
        own = _without_leaks(fates, rows, parts)
        if own and settings.exact:
            for same in _by_answer(own, answers):
                for row in same[1:]:
                    fates.remove(row, "duplicate", fates.twin(same[0]))


def conflicts_of(fates: Fates, settings: Dedup) -> list[Conflict]:
    """Return the prompts of train whose living rows answer differently, and do with them what the recipe says.

    Rule: ``conflict``; with ``flag``, or if no answer is the most frequent where that decides, nothing is removed.
    """
    found, (times, last) = [], _given(fates)
    for rows, parts, answers in _same_prompts(fates):
        ranked = _by_answer([row for row in rows if parts[row] == "train"], answers)
        if len(ranked) > 1:
            ranked.sort(key=lambda same: times[same[0]], reverse=True)
            tied = bool(times[ranked[0][0]] == times[ranked[1][0]])
            found.append(Conflict(ranked, tied, max(ranked, key=lambda same: last[same[0]])))
    _resolve(fates, found, settings.conflicts)
    return found


def _given(fates: Fates) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return how often each row's answer was given to its prompt, and in which row last; removed copies count."""
    same = ("prompt_key", "answer_key", "part")
    frame = fates.frame.select(*same).with_row_index("row")
    times = frame.select(times=pl.len().over(*same), last=pl.col("row").max().over(*same))
    return times["times"].to_numpy(), times["last"].to_numpy()


def _by_answer(rows: list[int], answers: dict[int, int]) -> list[list[int]]:
    by_answer: dict[int, list[int]] = {}
    for row in rows:
        by_answer.setdefault(answers[row], []).append(row)
    return list(by_answer.values())


def _same_prompts(fates: Fates) -> Sequence[tuple[list[int], dict[int, str], dict[int, int]]]:
    """Return, for each prompt that occurs more than once: its rows by content, their parts, their answers."""
    frame = fates.frame.select("prompt_key", "answer_key", "part", "content").with_row_index("row")
    several = frame.filter(pl.col("prompt_key").is_duplicated() & pl.Series(fates.alive))
    grouped = several.group_by("prompt_key", maintain_order=True).agg(pl.all().sort_by("content", "row"))
    return [
        (rows, dict(zip(rows, parts, strict=True)), dict(zip(rows, answers, strict=True)))
        for rows, answers, parts in grouped.select("row", "answer_key", "part").iter_rows()
    ]


def _without_leaks(fates: Fates, rows: list[int], parts: dict[int, str]) -> list[int]:
    """Remove rows that a part held out before theirs has too; return the rest if they are of train."""
    owner = min(rows, key=lambda row: HELD_OUT_FIRST[parts[row]])
    for row in rows:
        if parts[row] != parts[owner]:
            fates.remove(row, "leak", {**fates.twin(owner), "held_out": parts[owner]})
    return rows if parts[owner] == "train" else []


def _resolve(fates: Fates, conflicts: Sequence[Conflict], how: str) -> None:
    """Remove the answers that ``how`` rejects: ``remove`` all, ``majority``, ``newest`` or ``pairs`` all but one.

    Flags where nothing decides.
    """
    for conflict in conflicts:
        rows = [row for same in conflict.answers for row in same if fates.alive[row]]
        stay = conflict.stay(how)
        if stay is None:
            for row in rows:
                fates.flag(row, "conflict", {"answers": len(conflict.answers)})
            continue
        for row in rows:
            if row not in stay:
                others = next(other for same in conflict.answers if row not in same for other in same)
                fates.remove(row, "conflict", {**fates.twin(others), "answers": len(conflict.answers)})


def preference_pairs(gathered: Gathered, conflicts: Sequence[Conflict]) -> list[str]:
    """Return a line of JSON in OpenAI's preference form for each answer that lost against the most frequent one."""
    pairs = [(conflict.answers[0][0], same[0]) for conflict in conflicts for same in conflict.answers[1:]]
    rows = np.array(sorted({row for pair in pairs for row in pair}), np.int64)
    texts = dict(zip(rows.tolist(), gathered.texts(rows)["messages"].to_list(), strict=True))
    lines = []
    for won, lost in pairs:
        *prompt, preferred = json.loads(texts[won])
        pair = {
            "input": {"messages": prompt},
            "preferred_output": [preferred],
            "non_preferred_output": [json.loads(texts[lost])[-1]],
        }
        lines.append(json.dumps(pair, ensure_ascii=False))
    return lines
