"""Rows that are merely alike: near-duplicates, near-leaks, near-conflicts, templates, and what must not be split.

Owns what becomes of rows that are alike: their prompts' shingles agree, no fact in them differs, and so do their
answers; or their answers agree and one prompt is the other with some words around it ("Please tell me: ..."). The same
prompt with another answer is a conflict and stays. Does not own the search (`search`), nor equal prompts (`exact`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.asked import answered, asked
from tunesmith.data.duplicates.search import Alike, Search, Twin
from tunesmith.data.duplicates.templates import templates as one_slot_templates
from tunesmith.data.rows import from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.recipe import Dedup

SPLIT_ALIKE = 0.7
"""Jaccard from which prompts stay on one side of a split, or less where the recipe calls less nearly the same: a high
`data.dedup.near`, or no search for near-duplicates at all, must not make the test easier."""

ALARM_ROWS = 100
"""A cluster of fewer rows than this never stops the work, however small the data are."""

OTHER_TWINS = 20
"""Rows that a near-conflict names besides the first: of a template of thousands each contradicts all others."""


def remove_alike(fates: Fates, gathered: Gathered, settings: Dedup) -> Alike:
    """Remove near-duplicates and near-leaks among the living rows, unless that is off; return what else is alike.

    Rules: ``near_leak`` (alike a held-out row), ``near_duplicate`` (alike a kept row, answer included),
    ``template_cap`` (beyond ``settings.max_template_rows`` of one template).

    Raises:
        DataError: if one cluster holds more than ``settings.max_cluster_frac`` of the rows.
    """
    found = Alike()
    if settings.near is None:
        Search(fates, gathered, SPLIT_ALIKE).bundle(found)
        return found
    search = Search(fates, gathered, settings.near)
    _remove(fates, gathered, settings, [*search.leaks(), *search.twins(found)], "question")
    if "answer_exact" in gathered.frame.columns:
        by_answer = Search(fates, gathered, settings.near, "answer")
        _remove(fates, gathered, settings, by_answer.twins_by_answer(), "answer")
    prompts = gathered.frame["prompt_key"].to_numpy()
    found.conflicts = [
        (kept, row)
        for kept, row in sorted(set(search.contradictions(found.conflicts)))
        if fates.alive[row] and fates.alive[kept] and prompts[kept] != prompts[row]
    ]
    _flag_conflicts(fates, found.conflicts)
    left = Search(fates, gathered, settings.near)
    if settings.max_template_rows is not None:
        _cap_templates(fates, left, settings.max_template_rows)
    (left if settings.near <= SPLIT_ALIKE else Search(fates, gathered, SPLIT_ALIKE)).bundle(found)
    return found


def _flag_conflicts(fates: Fates, pairs: Sequence[tuple[int, int]]) -> None:
    """Flag each row once, with the first row it contradicts and the ids of the next few."""
    twins: dict[int, list[int]] = {}
    for kept, row in pairs:
        twins.setdefault(row, []).append(kept)
    for row, (first, *others) in twins.items():
        also = [fates.twin(one)["twin"] for one in others[:OTHER_TWINS]]
        fates.flag(row, "near_conflict", fates.twin(first) | ({"also": also} if also else {}))


def _remove(fates: Fates, gathered: Gathered, settings: Dedup, twins: Sequence[Twin], of: str) -> None:
    parts = gathered.frame["part"]
    near = [twin for twin in twins if parts[twin[1]] == "train"]
    refuse_large(fates, gathered, near, settings.max_cluster_frac)
    for row, kept, jaccard in twins:
        rule = "near_duplicate" if parts[kept] == "train" else "near_leak"
        fates.remove(row, rule, {**fates.twin(kept), "jaccard": round(jaccard, 4), "of": of})


def refuse_large(
    fates: Fates,
    gathered: Gathered,
    twins: Sequence[Twin],
    most_frac: float,
    what: str = "near duplicates",
    otherwise: str = "data.dedup.near: 0.9 or off (null)",
) -> None:
    """Stop and ask if one row would stand for more of the others than a mistake of the rule should cost."""
    most = max(ALARM_ROWS, most_frac * gathered.frame.height)
    sizes = Counter(kept for _, kept, _ in twins)
    kept, size = sizes.most_common(1)[0] if sizes else (0, 0)
    if size <= most:
        return
    examples = [row for row, stands, _ in twins if stands == kept][:3]
    texts = map(from_json, gathered.texts(np.array([kept, *examples]))["messages"].to_list())
    shown = "".join(f"\n    {asked(text)[:110]!r} -> {answered(text)[:40]!r}" for text in texts)
    raise DataError(
        f"{size:,} rows ({size / gathered.frame.height:.1%}) are nearly the same as "
        f"{fates.twin(kept)['at']} and would be removed as {what}:{shown}",
        expected=f"no more than {most_frac:.0%} of the rows in one cluster",
        hint=f"if they are duplicates, data.dedup.max_cluster_frac: 1.0; if not, {otherwise}",
    )


def _cap_templates(fates: Fates, left: Search, most: int) -> None:
    """Remove rows of train beyond ``most`` of a template, until none has more: among fewer rows others may show."""
    own = left.rows[[left.parts[row] == "train" for row in left.rows.tolist()]]
    train = set(own.tolist())
    _cap(fates, [[row for row in one if row in train] for one in left.templates()], most)
    while _cap(fates, one_slot_templates(left.gathered, own[np.asarray(fates.alive)[own]], most), most):
        pass


def _cap(fates: Fates, templates: Sequence[Sequence[int]], most: int) -> bool:
    """Remove living rows beyond ``most`` of each template; tell whether one went."""
    before = len(fates.removed)
    for template in templates:
        own = [row for row in template if fates.alive[row]]
        for row in own[most:]:
            fates.remove(row, "template_cap", {**fates.twin(own[0]), "rows": len(own), "max_template_rows": most})
    return len(fates.removed) > before
