"""What the recipe's rules find of what was planted, and what else they take.

Owns recall, precision and what is counted for them. Does not own the defects (`defects`), where they stand (`plant`),
any rule (copies go through the same reading and deciding as the data did), nor how it is shown (`page`).

A rule's precision: of the rows of the copies that it took and had let be before anything was planted, the share that
bears the defect meant for it. The others are a quarter of rows with other defects and three quarters of sound ones, so
it is a hard test; but how right the rule was about the data as they are only a reader can say: how many rows it spoke
of there stands beside.
"""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith.core.errors import DataError
from tunesmith.core.estimates import wilson
from tunesmith.data.audit.defects import DEFECTS, NOT_PLANTED, PLANTED_ELSEWHERE, defects_of, is_on
from tunesmith.data.audit.plant import Copy, plant
from tunesmith.data.audit.rows import Kit, Row
from tunesmith.data.decide import decide
from tunesmith.data.gather import gather
from tunesmith.data.index import Index
from tunesmith.data.prepare import measure_of
from tunesmith.data.read.files import PIECE_CHARS
from tunesmith.data.read.sources import Source
from tunesmith.data.restore import Restored
from tunesmith.data.rowwise import RowWorker
from tunesmith.text.examples import read_examples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.data.audit.defects import Defect
    from tunesmith.data.audit.plant import Unit
    from tunesmith.data.rowwise import Measure
    from tunesmith.recipe import Recipe

MOST_ROWS = 4_000
PLANTED = 25
"""Defects of each kind: a recall of 1.0 is then known to within 0.13."""

FEWEST_ROWS = 200

Hits = dict[int, set[str]]
"""The rules that took, changed or flagged each line of a file, from 1."""


def audit(recipe: Recipe, dataset: Artifact, workspace: Workspace) -> dict[str, Any]:
    """Return, for each rule that the recipe has on, how much of what was planted it found, and what else it took.

    Keys: ``rows`` audited, ``copies`` made of them, ``rules`` (``rule``, ``defect``, ``planted``, ``recall``,
    ``precision`` or None if it took nothing, ``before``: the share of the rows as they are that it speaks of),
    ``must_stay`` (sound rows planted beside their like: the ``rule`` that might take them, what they are (``sound``),
    how many were ``planted`` and which share was ``lost``), ``missed`` (an example for each defect of which one was
    missed, and for sound rows of which one was lost), ``not_planted`` (rule to reason), ``off``.

    Raises:
        DataError: if the Dataset has too few rows to plant anything in.
    """
    rows = _rows_of(recipe, dataset)
    measure = measure_of(recipe, workspace)
    kit = Kit(random.Random(recipe.seed), rows, recipe, measure.max_tokens if measure else None)
    defects = defects_of(recipe)
    copying = _Copying(_for_copy(recipe, kit.labels), measure)
    before = copying.hits(Copy([row.line(recipe.task) for row in rows]), "the rows as they are")
    copies = plant(
        rows, lambda at, defect: not (defect.meant | defect.shuns) & before.get(at + 1, set()), defects, kit, PLANTED
    )
    after = [copying.hits(copy, f"copy {number} of {len(copies)}") for number, copy in enumerate(copies, 1)]
    told = [_Told(defect, list(zip(copies, after, strict=True)), before, len(rows)) for defect in defects]
    planted = {one.defect.rule for one in told if one.units and not one.defect.sound}
    return {
        "rows": len(rows),
        "copies": len(copies),
        "rules": [one.as_dict() for one in told if one.units and not one.defect.sound],
        "must_stay": [one.as_loss() for one in told if one.units and one.defect.sound],
        "missed": {one.defect.name: missed for one in told if (missed := one.mistake()) is not None},
        "not_planted": dict(_reasons(recipe, planted)),
        "off": sorted({rule for rule in _known() if not is_on(rule, recipe)}),
    }


def _rows_of(recipe: Recipe, dataset: Artifact) -> list[Row]:
    rows = [Row.of(example) for example in read_examples(dataset.path / "train.parquet")]
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{dataset.id}: {len(rows):,} rows in train are too few to plant defects in",
            expected=f"at least {FEWEST_ROWS}",
        )
    return random.Random(recipe.seed).sample(rows, min(len(rows), MOST_ROWS))


def _known() -> list[str]:
    return [*dict.fromkeys(defect.rule for defect in DEFECTS), *NOT_PLANTED]


def _reasons(recipe: Recipe, planted: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the rules that are on and were given nothing to find, and why."""
    tasks = {rule: frozenset().union(*(one.tasks for one in DEFECTS if one.rule == rule)) for rule in _known()}
    for rule in _known():
        if rule in planted or not is_on(rule, recipe):
            continue
        if rule in NOT_PLANTED:
            yield rule, NOT_PLANTED[rule]
        elif recipe.task in tasks[rule]:
            yield rule, "no row was fit for it"
        elif rule in PLANTED_ELSEWHERE:
            yield rule, PLANTED_ELSEWHERE[rule]


@dataclass(frozen=True)
class _Told:
    """What was found of a defect, and what the rule meant for it took besides."""

    defect: Defect
    copies: Sequence[tuple[Copy, Hits]]
    before: Hits
    rows: int

    @property
    def units(self) -> list[tuple[Unit, Copy, Hits]]:
        """The plantings of the defect."""
        return [
            (unit, copy, hits)
            for copy, hits in self.copies
            for unit in copy.units
            if unit.defect.name == self.defect.name
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the line of the result."""
        rule, units = self.defect.rule, self.units
        found = sum(_is_found(unit, hits) for unit, _, hits in units)
        right, wrong = map(
            sum, zip(*(_taken(rule, copy, hits, self.before) for copy, hits in self.copies), strict=True)
        )
        spoken = sum(rule in rules for rules in self.before.values())
        return {
            "rule": rule,
            "defect": self.defect.name,
            "planted": len(units),
            "recall": wilson(found, len(units)).as_dict(),
            "precision": wilson(right, right + wrong).as_dict() if right + wrong else None,
            "before": wilson(spoken, self.rows).as_dict(),
        }

    def as_loss(self) -> dict[str, Any]:
        """Return how many of the sound rows were taken."""
        units = self.units
        lost = wilson(sum(_is_found(unit, hits) for unit, _, hits in units), len(units)).as_dict()
        return {"rule": self.defect.rule, "sound": self.defect.name, "planted": len(units), "lost": lost}

    def mistake(self) -> str | None:
        """Return the line of a defect that was not found, or of a sound row that was taken."""
        units = ((copy.lines[unit.lines[-1] - 1], _is_found(unit, hits)) for unit, copy, hits in self.units)
        return next((line for line, found in units if found == self.defect.sound), None)


def _is_found(unit: Unit, hits: Hits) -> bool:
    return any(hits.get(line, set()) & unit.defect.meant for line in unit.lines)


def _taken(rule: str, copy: Copy, hits: Hits, before: Hits) -> tuple[int, int]:
    """Return how many plantings meant for a rule it took in a copy, and how many other rows that it had let be."""
    units = {line: unit for unit in copy.units for line in unit.lines}
    right, wrong = set[tuple[int, ...]](), 0
    for line in (line for line, rules in hits.items() if rule in rules):
        unit = units.get(line)
        if unit is not None and rule in unit.defect.meant | unit.defect.also:
            if unit.defect.sound:
                wrong += 1
            else:
                right.add(unit.lines)
        elif (unit is None or rule not in unit.defect.stirs) and not _spoke(
            rule, before, unit.lines if unit else [line]
        ):
            wrong += 1
    return len(right), wrong


def _spoke(rule: str, before: Hits, lines: Iterable[int]) -> bool:
    return any(rule in before.get(line, ()) for line in lines)


@dataclass(frozen=True)
class _Copying:
    """Prepares copies by the rules of a recipe."""

    recipe: Recipe
    measure: Measure | None

    def hits(self, copy: Copy, name: str) -> Hits:
        """Return the rules that spoke of each line of a copy."""
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            sources = {"train": [_written(folder / "rows.jsonl", name, copy.lines)]}
            if copy.held_out:
                sources["test"] = [_written(folder / "test.jsonl", f"{name}, held out", copy.held_out)]
            _written(folder / "evaluation.jsonl", "", (json.dumps({"question": text}) for text in copy.evaluated))
            files = [str(folder / "evaluation.jsonl")] if copy.evaluated else []
            alone = {"processes": 1} if sum(map(len, copy.lines)) <= PIECE_CHARS else {}  # others have nothing to do
            data = self.recipe.data.model_copy(update={"decontaminate": files, **alone})
            recipe = self.recipe.model_copy(update={"data": data})
            worker = RowWorker(recipe, Restored(), self.measure)
            gathered = gather(worker, sources, Index(folder / "index"), folder)
            fates = decide(recipe, gathered, Restored(), folder, self.measure).fates
            ids = gathered.frame["row_id"].to_list()
            later = [(ids[row], rule) for row, (rule, _) in fates.removed.items()]
            later += [(one.row_id, one.rule) for one in fates.flagged]
            found = pl.concat([
                gathered.repairs().select("row_id", "rule").collect(),
                gathered.removed().select("row_id", "rule"),
                pl.DataFrame(later, schema={"row_id": pl.String, "rule": pl.String}, orient="row"),
            ])  # fmt: skip
            lines = pl.concat([gathered.frame.select("row_id", "line", "source"),
                               gathered.removed().select("row_id", "line", "source")])  # fmt: skip
            lines = lines.filter(pl.col("source") == name)
            hits: Hits = {}
            for line, rule in found.join(lines, on="row_id").select("line", "rule").iter_rows():
                hits.setdefault(line, set()).add(rule)
            return hits


def _written(file: Path, name: str, lines: Iterable[str]) -> Source:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", errors="surrogatepass")
    return Source(name, file)


def _for_copy(recipe: Recipe, labels: list[str]) -> Recipe:
    """Return the recipe for copies: the same rules about rows, on a file of OpenAI's form, none held out by chance."""
    data = recipe.data
    nothing = dict.fromkeys(("columns", "relevance", "balance", "size"))
    files = {"train": ["the copy"], "valid": [], "test": [], "decontaminate": []}
    parts = {
        "labels": data.labels.model_copy(update={"names": data.labels.names or labels or None}),
        "split": data.split.model_copy(update={"group_by": None, "valid": 0.0, "test": 0.0}),
        "format": "openai_preference" if recipe.task == "preference" else "openai",
    }
    return recipe.model_copy(update={"data": data.model_copy(update={**nothing, **files, **parts})})
