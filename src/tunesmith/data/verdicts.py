"""What to think of a Dataset: relevance, cleanliness, balance, size, each in a word, a sentence and a number.

Owns the thresholds and what is measured. Words: ``good``, ``look`` (a person should), ``poor``, ``not checked``; a
verdict is the word of its worst measure. Does not own how it is shown (`report`, `cli.summaries`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.estimates import wilson
from tunesmith.data.rows import repair_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered
    from tunesmith.recipe import Recipe

Verdict = dict[str, Any]
"""``verdict``, ``why``; ``measure``, ``value``, ``threshold`` of the measure that decided; ``worst``: ids of the rows
to look at first; ``measures``: every measure with its value and thresholds. Shares are fractions of 1."""

WORST_ROWS = 5

LOOK_REMOVED_FRAC, POOR_REMOVED_FRAC = 0.1, 0.5
"""A tenth is what exports usually hold of copies and empty fields; when half goes, the file or a rule is wrong."""

LOOK_CONFLICT_FRAC, POOR_CONFLICT_FRAC = 0.01, 0.05
"""Of two answers to one prompt at most one is learnt: a share of c in conflict costs about c/2 of accuracy. 0.01 costs
half a point, less than tests of usual size can see; 0.05 costs what tuning often gains."""

LOOK_DOUBTFUL_FRAC, POOR_DOUBTFUL_FRAC = 0.04, 0.15
"""Well-kept test sets have 3.3 % wrong labels on average. Source: Northcutt, Athalye and Mueller, "Pervasive Label
Errors in Test Sets Destabilize Machine Learning Benchmarks", 2021."""

LOOK_FLAGGED_FRAC, POOR_FLAGGED_FRAC = 0.05, 0.25
"""The rules flag 2.8 % of rows without a planted fault (``benchmarks/results/noise.json``): nearly twice that is more
than false alarms; a quarter is a habit of the source, not an accident."""

LOOK_IMBALANCE, POOR_IMBALANCE = 10.0, 100.0
"""Largest label over smallest. From 10 the rare ones are worth a look; at 100 a label that is always missed costs less
than a point of accuracy, so that neither loss nor accuracy notices."""

LOOK_EVENNESS_FRAC, POOR_EVENNESS_FRAC = 0.5, 0.2
"""Effective number (exponential of the entropy) over number, of labels or sources: below one half, most of the names
are there in name only."""

LOOK_LONGEST_FRAC, POOR_LONGEST_FRAC = 0.5, 0.8
"""Share of what is learnt that the longest tenth of the rows holds: the loss counts tokens, so from one half a tenth of
the rows outweighs all others."""

FEW_PER_LABEL, TOO_FEW_PER_LABEL = 20, 5
FEW_ROWS, TOO_FEW_ROWS = 200, 50
"""Vendors advise from 50 (OpenAI) over 100 (Vertex) to 500 rows (Predibase); `tunesmith curve` measures it."""

LOOK_HALF_WIDTH, POOR_HALF_WIDTH = 0.05, 0.1
"""Half of the 95 % interval of an accuracy of 0.8 on the test rows: 5 points take 250 rows, 10 points 60."""


@dataclass(frozen=True)
class Measure:
    """A number, from where on a person should look and from where it is poor, and the number in words.

    If ``look`` is below ``poor`` less is better, else more.
    """

    name: str
    value: float
    look: float
    poor: float
    told: str

    @property
    def rank(self) -> int:
        """0 good, 1 look, 2 poor."""
        if self.look < self.poor:
            return int(self.value > self.look) + int(self.value > self.poor)
        return int(self.value < self.look) + int(self.value < self.poor)

    @property
    def severity(self) -> tuple[int, float]:
        """Orders measures: the worst word first, then how near its threshold it is."""
        near = self.value / self.look if self.look < self.poor else self.look / max(self.value, 1e-12)
        return self.rank, near


def verdicts(recipe: Recipe, gathered: Gathered, decided: Decided, removed: pl.DataFrame) -> dict[str, Verdict]:
    """Return the verdict and its reason for each of the four questions."""
    train = gathered.frame[decided.parts["train"]]
    return {
        "relevance": decided.facts.get("relevance") or not_checked("data.relevance names no target"),
        "cleanliness": _cleanliness(recipe, gathered, decided, _unclean(removed)),
        "balance": _balance(recipe, train, decided),
        "size": _size(recipe, train, len(decided.parts["test"]), decided.facts.get("size")),
    }


def not_checked(why: str) -> Verdict:
    """Return the verdict on what was not looked at."""
    return {"verdict": "not checked", "why": why, "value": None, "threshold": None, "worst": []}


def judged(measures: Sequence[Measure], worst: Iterable[str], **facts: Any) -> Verdict:
    """Return the verdict of the worst measure, or of the first if all are good.

    ``worst`` are ids of rows; ``facts`` are added to the verdict as they are.
    """
    ranked = sorted(measures, key=lambda one: one.severity if one.rank else (0, 0.0), reverse=True)
    first = ranked[0]
    return {
        "verdict": ("good", "look", "poor")[first.rank],
        "why": "; ".join(one.told for one in ranked if one.told),
        "measure": first.name,
        "value": round(first.value, 6),
        "threshold": first.poor if first.rank == 2 else first.look,
        "worst": list(worst)[:WORST_ROWS],
        "measures": {one.name: {"value": round(one.value, 6), "look": one.look, "poor": one.poor} for one in measures},
        **facts,
    }


def flags_of(gathered: Gathered, decided: Decided) -> pl.DataFrame:
    """Return what was noted about rows that are still in (``row_id``, ``rule``, ``evidence``), without changing it."""
    living = decided.living(gathered).select("row_id").lazy()
    found = pl.concat([gathered.repairs(), repair_frame(decided.fates.flagged).lazy()])
    flags = found.filter(pl.col("after").is_null()).select("row_id", "rule", "evidence")
    return flags.join(living, on="row_id", how="semi", maintain_order="left").collect()


_NOT_NOISE = ("conflict", "near_conflict", "label_error")


def _unclean(removed: pl.DataFrame) -> int:
    """Return how many rows went for a fault, not for being more than asked for."""
    return int((~removed["rule"].is_in(["balance_cap", "size"])).sum())


def _cleanliness(recipe: Recipe, gathered: Gathered, decided: Decided, removed: int) -> Verdict:
    flags = flags_of(gathered, decided)
    kept = max(sum(map(len, decided.parts.values())), 1)

    def rows(chosen: pl.Expr) -> int:
        return flags.filter(chosen)["row_id"].n_unique()

    conflicting = rows(pl.col("rule") == "conflict")
    doubtful, noisy = rows(pl.col("rule") == "label_error"), rows(~pl.col("rule").is_in(_NOT_NOISE))
    frac = removed / max(gathered.read, 1)
    told = f"{100 * frac:.1f} % of the rows were removed"
    conflicts = _counted(decided.conflicts, "prompt has different answers", "prompts have different answers")
    measures = [
        Measure("removed_frac", frac, LOOK_REMOVED_FRAC, POOR_REMOVED_FRAC, told),
        Measure("conflict_frac", conflicting / kept, LOOK_CONFLICT_FRAC, POOR_CONFLICT_FRAC, conflicts),
        Measure("flagged_frac", noisy / kept, LOOK_FLAGGED_FRAC, POOR_FLAGGED_FRAC,
                _counted(noisy, "row is flagged", "rows are flagged")),
    ]  # fmt: skip
    if recipe.task == "classify":
        replaced = _counted(decided.facts.get("relabelled", 0), "label was replaced", "labels were replaced")
        told = "; ".join(filter(None, [_counted(doubtful, "label is in doubt", "labels are in doubt"), replaced]))
        train = max(len(decided.parts["train"]), 1)
        measures.append(Measure("doubtful_frac", doubtful / train, LOOK_DOUBTFUL_FRAC, POOR_DOUBTFUL_FRAC, told))
    return judged(measures, _most_flagged(flags), near=recipe.data.dedup.near)


def _counted(count: int, one: str, several: str) -> str:
    """Return a count in words, or nothing for none."""
    return f"{count:,} {one if count == 1 else several}" if count else ""


def _most_flagged(flags: pl.DataFrame) -> list[str]:
    """Return the rows with the most against them; a label in doubt counts by how sure the probe is."""

    def chance(name: str) -> pl.Expr:
        return pl.col("evidence").str.json_path_match(f"$.{name}").cast(pl.Float64, strict=False).fill_null(0.0)

    weighed = flags.unique(["row_id", "rule"], keep="first", maintain_order=True).with_columns(
        pl.when(pl.col("rule") == "label_error").then(1 + chance("p_likely") - chance("p_label")).otherwise(1.0)
        .alias("weight")
    )  # fmt: skip
    ranked = weighed.group_by("row_id", maintain_order=True).agg(pl.col("weight").sum())
    ranked = ranked.sort("weight", descending=True, maintain_order=True)
    return ranked["row_id"].head(WORST_ROWS).to_list()


def effective_number(counts: Iterable[int]) -> float:
    """Return how many equal shares are as diverse as these: the exponential of their entropy; 0 without any."""
    shares = np.array([count for count in counts if count], np.float64)
    if not len(shares):
        return 0.0
    shares /= shares.sum()
    return float(math.exp(-(shares * np.log(shares)).sum()))


def _balance(recipe: Recipe, train: pl.DataFrame, decided: Decided) -> Verdict:
    """Judge labels or lengths; topics, and how groups of people are answered, are told and decide nothing."""
    topics, bias = decided.facts.get("topics"), decided.facts.get("bias")
    verdict = _label_balance(train) if recipe.task == "classify" else _length_balance(train)
    if topics is not None:
        verdict["topics"] = {key: topics[key] for key in ("number", "effective", "largest_frac")}
        largest = max(topics["topics"], key=lambda one: one["rows"])
        verdict["why"] += (
            f"; effective number of topics {topics['effective']:.0f} of {topics['number']}; the largest "
            f"({largest['name']}) holds {100 * topics['largest_frac']:.0f} %"
        )
    if bias is not None:
        verdict["bias"] = bias["comparisons"][: bias["found"]]
        if more := len(verdict["bias"]):
            also = f" (and {more - 1:,} more difference{'s' * (more > 2)} by group)" if more > 1 else ""
            verdict["why"] += f"; {verdict['bias'][0]['told']}{also}"
    return verdict


def _label_balance(train: pl.DataFrame) -> Verdict:
    counts = Counter(train["label"].to_list())
    ranked = sorted(counts.items(), key=lambda item: (item[1], str(item[0])))
    (least, low), (most, high) = ranked[0], ranked[-1]
    effective = effective_number(counts.values())
    measures = [
        Measure("imbalance_ratio", high / low, LOOK_IMBALANCE, POOR_IMBALANCE,
                f"{len(counts)} labels of {low:,} to {high:,} rows"),
        Measure("evenness_frac", effective / len(counts), LOOK_EVENNESS_FRAC, POOR_EVENNESS_FRAC,
                f"as diverse as {effective:.1f} equal ones; rarest {least}, commonest {most}"),
    ]  # fmt: skip
    first_of = train.group_by("label", maintain_order=True).first()
    ids = dict(first_of.select("label", "row_id").iter_rows())
    return judged(measures, (ids[label] for label, _ in ranked[:WORST_ROWS]), effective=round(effective, 3))


def learnt_column(rows: pl.DataFrame) -> str:
    """Return the column that says how much is learnt from a row: its target tokens, or characters if none counted."""
    return "target_tokens" if rows["target_tokens"].null_count() < rows.height else "chars"


def _length_balance(train: pl.DataFrame) -> Verdict:
    column = learnt_column(train)
    ranked = train.select("row_id", pl.col(column).fill_null(0).alias("learnt")).sort(
        "learnt", descending=True, maintain_order=True
    )
    tenth = ranked["learnt"].head(math.ceil(train.height / 10))
    share = float(tenth.sum()) / max(float(ranked["learnt"].sum()), 1.0)
    unit = "target tokens" if column == "target_tokens" else "characters"
    told = f"the longest tenth holds {100 * share:.0f} % of the {unit}"
    measures = [Measure("longest_tenth_frac", share, LOOK_LONGEST_FRAC, POOR_LONGEST_FRAC, told)]
    sources = train["source"].value_counts()["count"].to_list()
    if len(sources) > 1:
        effective = effective_number(sources)
        told = f"{len(sources)} sources, as if {effective:.1f} equal ones"
        even = effective / len(sources)
        measures.append(Measure("source_evenness_frac", even, LOOK_EVENNESS_FRAC, POOR_EVENNESS_FRAC, told))
    return judged(measures, ranked["row_id"].head(WORST_ROWS).to_list())


def _size(recipe: Recipe, train: pl.DataFrame, test: int, chosen: dict[str, Any] | None = None) -> Verdict:
    rows = train.height
    if recipe.task == "classify":
        labels = max(train["label"].n_unique(), 1)
        told = f"{rows:,} rows to learn {labels} labels from ({rows / labels:,.0f} each)"
        enough = Measure("rows_per_label", rows / labels, FEW_PER_LABEL, TOO_FEW_PER_LABEL, told)
    else:
        enough = Measure("rows", rows, FEW_ROWS, TOO_FEW_ROWS, f"{rows:,} rows to learn from")
    accuracy = wilson(round(0.8 * test), test)
    half = (accuracy.high - accuracy.low) / 2
    told = f"{test:,} rows to test on (±{100 * half:.1f} points at 80 %)" if test else "none to test on"
    measures = [enough, Measure("test_half_width_frac", half, LOOK_HALF_WIDTH, POOR_HALF_WIDTH, told)]
    verdict = judged(measures, _teach_least(train), max_tokens=_max_tokens(recipe))
    if chosen is not None:
        verdict["why"] = f"{_told_of_choice(chosen)}; {verdict['why']}"
    return verdict


def _told_of_choice(chosen: dict[str, Any]) -> str:
    """Return what ``data.size`` kept and why."""
    if chosen["kept"] == chosen["before"]:
        return str(chosen.get("why") or f"data.size keeps all {chosen['kept']:,} rows")
    told = f"{chosen['kept']:,} of {chosen['before']:,} rows kept, by {chosen['select']}"
    return f"{told}: {chosen['why']}" if "why" in chosen else told


def _teach_least(train: pl.DataFrame) -> list[str]:
    """Return the rows that cost most for what is learnt from them: the smallest shares of target tokens."""
    counted = train.filter(pl.col("tokens").is_not_null())
    if counted.height:
        ranked = counted.sort(pl.col("target_tokens") / pl.col("tokens"), maintain_order=True)
    else:
        ranked = train.sort("chars", descending=True, maintain_order=True)
    return ranked["row_id"].head(WORST_ROWS).to_list()


def _max_tokens(recipe: Recipe) -> int | None:
    """Return the longest row the base reads, where that can be told without asking anybody."""
    from tunesmith.models.load import context_tokens, locate

    if recipe.train.max_tokens is not None:
        return recipe.train.max_tokens
    return context_tokens(recipe.base) if locate(recipe.base) else None
