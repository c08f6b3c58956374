"""Rules about several rows, in their order: duplicates, leaks, relevance, the split, labels, balance and size.

Owns the order, and why it is so: noise goes first, since what goes for it is no copy of anything; what is the same
goes before anything is counted; what is held out is fixed before labels are doubted and train is evened out, so that
validation and test never change by either. Does not own any rule.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError
from tunesmith.data.asked import Sample
from tunesmith.data.balance import cap_groups, groups_of, weigh
from tunesmith.data.bias import look_for_bias
from tunesmith.data.duplicates.alike import remove_alike
from tunesmith.data.duplicates.decontaminate import decontaminate, evaluation_files
from tunesmith.data.duplicates.exact import conflicts_of, deduplicate, preference_pairs
from tunesmith.data.duplicates.semantic import remove_semantic
from tunesmith.data.fates import Fates
from tunesmith.data.gather import SHOWN_FAULTS
from tunesmith.data.habits import settle_hints
from tunesmith.data.label_fix import fix_labels
from tunesmith.data.labels import check_labels
from tunesmith.data.relevance.judge import judge_relevance
from tunesmith.data.rowwise import FREE_ANSWERS
from tunesmith.data.select import reduce_train
from tunesmith.data.split import split
from tunesmith.data.topics import look_at_topics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    from tunesmith.data.gather import Gathered
    from tunesmith.data.restore import Restored
    from tunesmith.data.rowwise import Measure
    from tunesmith.recipe import Recipe


@dataclass
class Decided:
    """What became of every row, which split it is in, and what people should know.

    ``conflicts`` counts prompts with several answers, ``near_conflicts`` rows that answer nearly the prompt of another
    row differently, which may be right.
    """

    fates: Fates
    parts: dict[str, list[int]] = field(default_factory=dict)
    weights: dict[int, float] = field(default_factory=dict)
    conflicts: int = 0
    near_conflicts: int = 0
    pairs: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def living(self, gathered: Gathered) -> pl.DataFrame:
        """Return the small columns of the rows that are in a split."""
        return gathered.frame[self.fates.living()]


def decide(
    recipe: Recipe,
    gathered: Gathered,
    restored: Restored,
    recipe_dir: Path,
    measure: Measure | None = None,
    begin: Callable[[str], object] = lambda _: None,
) -> Decided:
    """Decide what becomes of every row.

    ``measure`` counts the tokens of answers that are replaced; ``begin`` is told of each part (`costs`) as it begins.

    Raises:
        DataError: if too little is left, or a rule stops and asks.
    """
    fates = Fates(gathered.frame, restored)
    decided = Decided(fates, notes=settle_hints(fates, gathered))
    begin("duplicates")
    deduplicate(fates, recipe.data.dedup)
    alike = remove_alike(fates, gathered, recipe.data.dedup)
    decided.facts |= remove_semantic(fates, gathered, recipe)
    begin("other rules")
    if recipe.data.decontaminate:
        files = evaluation_files(recipe.data.decontaminate, recipe_dir)
        decided.facts["evaluation_items"] = decontaminate(fates, gathered, files)
    if recipe.data.relevance is not None:
        decided.facts["relevance"] = judge_relevance(fates, gathered, recipe, recipe_dir)
    taken = partial(_taken, gathered, fates)
    _refuse_nothing_left(recipe, fates, taken)
    conflicts = conflicts_of(fates, recipe.data.dedup)
    decided.conflicts, decided.near_conflicts = len(conflicts), len({row for _, row in alike.conflicts})
    if recipe.task == "classify":
        decided.notes += check_labels(decided.living(gathered), recipe, taken)
    decided.notes += alike.notes(len(fates.living()))
    begin("split")
    decided.parts = split(gathered.frame, fates.living(), recipe.data.split, recipe.seed, alike.clusters, taken)
    if recipe.data.dedup.conflicts == "pairs":
        learnt = set(decided.parts["train"])
        sure = [one for one in conflicts if not one.tied and one.answers[0][0] in learnt]
        decided.pairs = preference_pairs(gathered, sure)
    labels = fix_labels(fates, gathered, decided.parts["train"], recipe, measure)
    decided.facts, decided.notes = decided.facts | labels.facts, decided.notes + labels.notes
    decided.parts["train"] = [row for row in decided.parts["train"] if fates.alive[row]]
    _even_out(decided, gathered, recipe)
    return decided


def look(decided: Decided, gathered: Gathered, recipe: Recipe) -> None:
    """Note what train is about, and how it speaks of groups of people; nothing is decided by it."""
    sample = Sample.of_train(gathered, decided.parts["train"])
    decided.facts["bias"] = look_for_bias(sample, recipe)
    decided.facts["topics"] = look_at_topics(gathered, sample, recipe)


def costs(recipe: Recipe, rows: int) -> dict[str, float]:
    """Return about how many CPU milliseconds the parts of `decide` take of so many rows, then `look`, then writing.

    Measured of 200,000 and 1,000,000 chats of 84 words; other tasks have no answers to compare.
    """
    near = 0.0 if recipe.data.dedup.near is None else 0.05 + 0.01 * (recipe.task in FREE_ANSWERS)
    other = 0.005 + 0.04 * bool(recipe.data.decontaminate) + 0.1 * (recipe.data.relevance is not None)
    each = {"duplicates": near + 0.01, "other rules": other, "split": 0.007, "topics": 0.005, "writing": 0.024}
    return {part: cost * rows + (3_000 if part == "topics" else 0) for part, cost in each.items()}


def _even_out(decided: Decided, gathered: Gathered, recipe: Recipe) -> None:
    """Cap groups of train, then choose what stays under a budget, then weigh what is left."""
    settings, parts = recipe.data.balance, decided.parts
    if settings is not None:
        groups = groups_of(gathered, parts["train"], recipe)
        parts["train"] = cap_groups(decided.fates, parts["train"], groups, settings.cap)
    if recipe.data.size is not None:
        parts["train"], decided.facts["size"] = reduce_train(decided.fates, parts, gathered, recipe)
    if settings is not None:
        decided.weights, decided.facts["balance"] = weigh(parts["train"], groups, settings)


def _taken(gathered: Gathered, fates: Fates) -> str:
    """Return in words which rules took how many of all rows read, the greediest first; nothing if none did."""
    rules = Counter(gathered.removed()["rule"].to_list())
    rules.update(rule for rule, _ in fates.removed.values())
    if not rules:
        return ""
    ranked = sorted(rules.items(), key=lambda one: (-one[1], one[0]))
    told = ", ".join(f"{rule} {count:,}" for rule, count in ranked[:SHOWN_FAULTS])
    more = ", …" if len(ranked) > SHOWN_FAULTS else ""
    return f" ({rules.total():,} of {gathered.read:,} rows were removed: {told}{more})"


def _refuse_nothing_left(recipe: Recipe, fates: Fates, taken: Callable[[], str]) -> None:
    """Raise what took every row of train, where a later error would blame something else."""
    if len(fates.living("train")):
        return
    rules = Counter(rule for rule, _ in fates.removed.values())
    leaks = rules["leak"] + rules["near_leak"] == sum(rules.values())
    raise DataError(
        f"{', '.join(recipe.data.train)}: every row was removed{taken()}",
        expected="rows to train on that are not in data.valid or data.test" if leaks else "rows to train on",
        hint="hold rows out that are not those of data.train, nor nearly" if leaks else "change the rule in the recipe",
    )
