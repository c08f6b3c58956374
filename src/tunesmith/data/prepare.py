"""The prepare stage: from the recipe's files to a Dataset, with every row either in a split or in ``removed.parquet``.

Owns what goes into a Dataset's id and the Dataset's files. Does not own reading and judging single rows (`gather`),
nor rules about several rows and their order (`decide`).
"""

from __future__ import annotations

import contextlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith.core.artifacts import Artifact, Draft, Plan, Workspace
from tunesmith.core.clock import monotonic_s
from tunesmith.core.errors import TunesmithError
from tunesmith.core.ids import digest
from tunesmith.core.manifest import versions
from tunesmith.core.progress import Course, say, steps
from tunesmith.data.decide import Decided, costs, decide, look
from tunesmith.data.duplicates.decontaminate import evaluation_files
from tunesmith.data.gather import Gathered, gather
from tunesmith.data.index import Index
from tunesmith.data.originals import FILE, join, sealer_of
from tunesmith.data.read.ignored import ignored_note
from tunesmith.data.read.sources import Source, distinct_labels, expand, refuse_shared
from tunesmith.data.relevance.target import relevance_files
from tunesmith.data.restore import Restored, restored
from tunesmith.data.rows import EXAMPLE_COLUMNS, QUICK_ZSTD, SPLITS, removed_frame, repair_frame, shortened
from tunesmith.data.rowwise import Measure, RowWorker
from tunesmith.data.vectors import base_of
from tunesmith.data.verdicts import verdicts
from tunesmith.data.workers import few_collections
from tunesmith.recipe.fit import idle_notes
from tunesmith.text.canaries import draw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tunesmith.recipe import Recipe

CODE = "prepare-13"
"""Version of what this stage makes of the same files; part of every Dataset's id."""

ROW_GROUP_ROWS = 50_000


def prepare(recipe: Recipe, workspace: Workspace, *, recipe_dir: Path) -> Artifact:
    """Make the Dataset of a recipe, or return it if it is already there.

    Killed and started again it goes on behind the last finished piece. Pieces of files that were prepared before in the
    same way are taken from the workspace's index; what needs all rows is always decided anew.

    Raises:
        DataError: if a file cannot be what the recipe says, or too little is left to train on.
        RecipeError: if a path of the recipe is no path.
        SetupError: if the base's tokenizer cannot be loaded, or the key for the originals is missing.
    """
    for note in idle_notes(recipe):  # not in the Dataset, which is the same without what is noted
        say(f"  note: {note}")
    sources = sources_of(recipe, recipe_dir)
    kept = restored(recipe_dir)
    measure = measure_of(recipe, workspace)
    beside = {
        "decontaminate": evaluation_files(recipe.data.decontaminate, recipe_dir),
        "relevance": relevance_files(recipe, recipe_dir),
    }
    refuse_shared({"data.train": sources["train"], "data.decontaminate": beside["decontaminate"]})
    plan = _plan(recipe, sources, beside, kept, measure)
    started_s = monotonic_s()

    def build(draft: Draft) -> None:
        try:
            worker = RowWorker(recipe, kept, measure, sealer_of(recipe.data.privacy.originals, draft.id, recipe_dir))
            index = _index(worker, workspace, draft)
            with index.in_use():
                gathered = gather(worker, sources, index, draft.scratch)
                with _course(recipe, gathered) as course:
                    decided = decide(recipe, gathered, kept, recipe_dir, measure, course.begin)
                    decided.notes = [*ignored_note(gathered.ignored), *decided.notes]
                    if kept.rows or kept.repairs:
                        decided.notes += kept.lost([*gathered.frame["row_id"], *gathered.removed()["row_id"]])
                        decided.notes += kept.in_vain(_removed_rows(gathered, decided))
                    if worker.sealer is not None:
                        decided.facts["originals"] = join(worker.sealer, gathered.originals(), draft.path / FILE)
                    _finish(recipe, gathered, decided, draft, course)
        except TunesmithError:
            shutil.rmtree(draft.scratch, ignore_errors=True)  # nothing to go on from: the user changes something
            raise
        draft.result["seconds"] = round(monotonic_s() - started_s, 2)

    with few_collections():
        return workspace.make(plan, build)


@contextlib.contextmanager
def _course(recipe: Recipe, gathered: Gathered) -> Iterator[Course]:
    """Show how far the work on all rows together is."""
    takes = costs(recipe, gathered.frame.height)
    with steps("deciding", round(sum(takes.values())), "share") as bar:
        yield Course(bar, takes)


def _index(worker: RowWorker, workspace: Workspace, draft: Draft) -> Index:
    """Return the workspace's index, or one that goes with the draft if originals, which are one Dataset's, are kept."""
    folder = workspace.index_dir if worker.sealer is None else draft.scratch / "index"
    return Index(folder, digest([CODE, versions(), worker.settings()]))


def sources_of(recipe: Recipe, recipe_dir: Path) -> dict[str, list[Source]]:
    """Return the files behind the recipe's lists.

    Raises:
        DataError: if one is not there.
        RecipeError: if an entry is no path, or a file is in two of them.
    """
    lists = {"train": recipe.data.train, "valid": recipe.data.valid, "test": recipe.data.test}
    parts = {part: expand(entries, recipe_dir, f"data.{part}") for part, entries in lists.items()}
    refuse_shared({f"data.{part}": own for part, own in parts.items()})
    return distinct_labels(parts)


def measure_of(recipe: Recipe, workspace: Workspace) -> Measure | None:
    """Return what lengths are measured with; None for a hosted base, whose tokenizer is not to be had."""
    from tunesmith.models.load import context_tokens, reference

    if recipe.service:
        return None
    base = reference(recipe.base, workspace)
    return Measure(base, recipe.train.max_tokens or context_tokens(base))


def _plan(
    recipe: Recipe,
    sources: dict[str, list[Source]],
    beside: dict[str, list[Source]],
    kept: Restored,
    measure: Measure | None,
) -> Plan:
    from tunesmith.models.embed import embeddings_identity
    from tunesmith.models.load import tokenizer_identity
    from tunesmith.text.names import pipeline_identity

    settings = recipe.data.model_dump(mode="json", exclude={"train", "valid", "test", "processes", "memory"})
    if settings["privacy"]["originals"] is not None:
        settings["privacy"]["originals"] = "kept"  # where the key lies, and which it is, makes no other rows
    inputs = {f"{part}:{source.label}": source.digest for part, own in sources.items() for source in own}
    inputs |= {f"{key}:{source.label}": source.digest for key, own in beside.items() for source in own}
    inputs["embeddings"] = embeddings_identity(base_of(recipe))
    if recipe.data.privacy.ner is not None:
        settings["privacy"]["ner"] = "pipeline"
        inputs["ner"] = pipeline_identity(recipe.data.privacy.ner)
    lengths: dict[str, Any] = {}
    if measure is not None:
        inputs["tokenizer"] = tokenizer_identity(measure.base)
        lengths = {"max_tokens": measure.max_tokens, "system": recipe.prompt.system, "template": recipe.prompt.template}
    return Plan(
        name=recipe.name,
        stage="dataset",
        config={"task": recipe.task, "data": settings, "restored": kept.as_config(), "lengths": lengths},
        given=recipe.given(),
        inputs=inputs,
        code=CODE,
        seed=recipe.seed,
    )


def _finish(recipe: Recipe, gathered: Gathered, decided: Decided, draft: Draft, course: Course) -> None:
    """Look at what train is about while the splits are written, on another core; then write the rest."""
    course.begin("topics")
    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(_write_splits, gathered, decided, draft.path)
        look(decided, gathered, recipe)
        course.begin("writing")
        written.result()
    _write(recipe, gathered, decided, draft)


def _write(recipe: Recipe, gathered: Gathered, decided: Decided, draft: Draft) -> None:
    from tunesmith.data.report.page import write_report

    removed = _removed(gathered, decided)
    removed.write_parquet(draft.path / "removed.parquet")
    repairs = _repairs(gathered, decided)
    repairs.write_parquet(draft.path / "repairs.parquet")
    if recipe.data.canaries is not None:
        _plant(recipe, decided, draft.path)
    if decided.pairs:
        (draft.path / "preference_pairs.jsonl").write_text("".join(f"{line}\n" for line in decided.pairs), "utf-8")
    if recipe.task == "classify":
        names = recipe.data.labels.names or sorted(set(decided.living(gathered)["label"].to_list()))
        text = json.dumps(names, ensure_ascii=False, indent=1)
        (draft.path / "labels.json").write_text(text + "\n", encoding="utf-8")
    draft.result = _result(recipe, gathered, decided, removed, repairs, draft.id)
    draft.counts = {**draft.result["splits"], "removed": removed.height, "repairs": repairs.height}
    write_report(draft.path / "report.html", gathered, decided, removed, repairs, draft.result)


def _plant(recipe: Recipe, decided: Decided, folder: Path) -> None:
    """Record the canaries that training adds to the rows of train; no rule has looked at them."""
    settings = recipe.data.canaries
    assert settings is not None
    canaries = draw(recipe.task, settings.secrets, settings.repeats, recipe.seed)
    canaries.save(folder)
    rows = len(canaries.examples())
    decided.facts["canaries"] = {"secrets": settings.secrets, "repeats": settings.repeats, "rows": rows}
    decided.notes.insert(
        0,
        f"{rows:,} rows more are learnt: {settings.secrets} made-up secrets, {settings.repeats} times each "
        "(data.canaries). They count in no split; the suite memorised looks for them in the model.",
    )


def _write_splits(gathered: Gathered, decided: Decided, folder: Path) -> None:
    for name in SPLITS:
        _rows_of(gathered, decided.parts[name], decided.weights).sink_parquet(
            folder / f"{name}.parquet", row_group_size=ROW_GROUP_ROWS, maintain_order=True, compression_level=QUICK_ZSTD
        )


def _rows_of(gathered: Gathered, rows: list[int], weights: dict[int, float]) -> pl.LazyFrame:
    chosen = pl.LazyFrame({"row": rows}, schema={"row": pl.UInt32}).set_sorted("row")
    frame = gathered.rows().with_row_index("row").join(chosen, on="row", how="semi", maintain_order="left")
    if weights:
        columns = {"row": list(weights), "factor": list(weights.values())}
        factors = pl.LazyFrame(columns, schema={"row": pl.UInt32, "factor": pl.Float64})
        frame = frame.join(factors, on="row", how="left", maintain_order="left").with_columns(
            pl.col("weight") * pl.col("factor").fill_null(1.0)
        )
    return frame.select(list(EXAMPLE_COLUMNS))


def _removed_rows(gathered: Gathered, decided: Decided) -> list[tuple[str, str]]:
    """Return the id and the rule of every row removed."""
    ids, later = gathered.frame["row_id"], decided.fates.removed
    return [*gathered.removed().select("row_id", "rule").iter_rows(), *((ids[row], later[row][0]) for row in later)]


def _removed(gathered: Gathered, decided: Decided) -> pl.DataFrame:
    import numpy as np

    rows = np.array(sorted(decided.fates.removed), np.int64)
    texts = gathered.texts(rows)["messages"].to_list()
    later = [decided.fates.as_removed(row, shortened(text)) for row, text in zip(rows.tolist(), texts, strict=True)]
    return pl.concat([gathered.removed(), removed_frame(later)])


def _repairs(gathered: Gathered, decided: Decided) -> pl.DataFrame:
    """Return what was changed or flagged in rows that are still in."""
    living = decided.living(gathered).select("row_id").lazy()
    found = pl.concat([gathered.repairs(), repair_frame(decided.fates.flagged).lazy()])
    return found.join(living, on="row_id", how="semi", maintain_order="left").collect()


def _result(
    recipe: Recipe,
    gathered: Gathered,
    decided: Decided,
    removed: pl.DataFrame,
    repairs: pl.DataFrame,
    dataset_id: str,
) -> dict[str, Any]:
    splits = {name: len(rows) for name, rows in decided.parts.items()}
    changed = repairs.filter(pl.col("after").is_not_null())
    flagged = repairs.filter(pl.col("after").is_null())
    repaired = _repaired(gathered, decided, changed)
    return {
        "dataset": dataset_id,
        "rows": {"read": gathered.read, "kept": sum(splits.values()), "removed": removed.height},
        "removed_by": _rows_by_rule(removed),
        "repaired_by": _rows_by_rule(changed),
        "flagged_by": _rows_by_rule(flagged),
        "repaired": repaired,
        "states": _states(splits, repaired, removed.height),
        "ignored_keys": dict(sorted(gathered.ignored.items())),
        "conflicts": decided.conflicts,
        "near_conflicts": decided.near_conflicts,
        "splits": splits,
        "verdicts": verdicts(recipe, gathered, decided, removed),
        "facts": decided.facts,
        "notes": decided.notes,
    }


def _repaired(gathered: Gathered, decided: Decided, changed: pl.DataFrame) -> dict[str, int]:
    """Return how many rows of each split were repaired, by one rule or by several."""
    ids = changed["row_id"].unique().implode()
    return {name: int(gathered.frame["row_id"][rows].is_in(ids).sum()) for name, rows in decided.parts.items()}


def _states(splits: dict[str, int], repaired: dict[str, int], removed: int) -> dict[str, int]:
    """Return how many rows are in each state; every row read is in one: what is held out is not learnt from."""
    return {
        "kept": splits["train"] - repaired["train"],
        "repaired": repaired["train"],
        "held_out": splits["valid"] + splits["test"],
        "removed": removed,
    }


def _rows_by_rule(found: pl.DataFrame) -> dict[str, int]:
    return dict(sorted(found.group_by("rule").agg(pl.col("row_id").n_unique()).iter_rows()))
