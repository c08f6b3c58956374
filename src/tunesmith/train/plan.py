"""What a training run would cost, before it is paid: rows, tokens, steps, time, memory.

Owns the estimate. Time comes from a few real steps on this machine that are thrown away; memory from counting what
lives in it. Does not own what the recipe means (`stage`).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from tunesmith.core.clock import monotonic_s
from tunesmith.models.load import reference
from tunesmith.train.prepare_run import prepare_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.recipe import Recipe
    from tunesmith.train.loop import Run
    from tunesmith.train.sets import Sets

MEASURED_STEPS = 4
CURVE_POINTS = 40
_FLOAT_BYTES = 4


def estimate(recipe: Recipe, dataset: Artifact, workspace: Workspace) -> dict[str, Any]:
    """Return the plan as JSON-able facts; nothing is kept.

    Raises:
        DataError: as `stage.train` would.
    """
    from tunesmith.models.activation_checkpointing import checkpointed
    from tunesmith.models.quantised import num_weights
    from tunesmith.train import memory
    from tunesmith.train.finder import steps_at_most, steps_each
    from tunesmith.train.frozen_cache import choose
    from tunesmith.train.optimizer import told_factors
    from tunesmith.train.schedule import told

    with tempfile.TemporaryDirectory() as folder:
        sets, run = prepared(recipe, dataset, workspace, Path(folder))
        rates = told_factors(run.loaded.model, recipe.train.schedule)
        cache = choose(run)
        step_s, once_s = measured(run)
    total = run.total_steps
    tried = steps_at_most(run)
    points = [round(i * (total - 1) / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)] if total > 1 else [0]
    target_tokens = sum(sets.train.num_targets)
    all_tokens = sum(len(one.ids) for one in sets.train.rendered)
    return {
        "provider": "local",
        "examples": {
            "train": sets.train.num_examples,
            "valid": sets.valid.num_examples,
            "left_out_too_long": sets.left_out,
        },
        "tokens_per_epoch": {"total": round(all_tokens / sets.train.variants), "target": target_tokens},
        "longest_tokens": max((len(one.ids) for one in sets.train.rendered), default=0),
        "batch_tokens": run.batch_tokens,
        "steps": total,
        "steps_per_epoch": run.epoch_steps[0],
        "seconds_per_step": round(step_s, 3),
        "seconds_at_most": round(step_s * (total + tried) + once_s, 1),
        "memory_bytes": memory.peak_bytes(run),
        "layers_computed_twice": checkpointed(run.loaded.model),
        "learning_rate": [[step, run.rate(step)] for step in points],
        "schedule": told(recipe.train.schedule, total, run.batch_tokens),
        "peak_search": {"steps_each": steps_each(run), "steps_at_most": tried} if tried else None,
        "precision": run.precision,
        "weights": {
            "all": num_weights(run.loaded.model),
            "learning": run.learning.count(total),
            "from_the_start": run.learning.count(0),
        },
        "unfreezing": run.learning.told(),
        "frozen_cache": {"kept": cache.kept, "bytes": cache.bytes, "saved": round(cache.saved, 3), "told": cache.told},
        "rates": rates,
        "money_usd": 0.0,
    }


def prepared(recipe: Recipe, dataset: Artifact, workspace: Workspace, folder: Path) -> tuple[Sets, Run]:
    """Return both splits as tokens and the run that is ready to train on them.

    Raises:
        TunesmithError: for all that a training would refuse before its first step.
    """
    from tunesmith.text.prompts import prompts_of
    from tunesmith.train.sets import tokenise
    from tunesmith.train.start import load_start

    loaded = load_start(recipe, reference(recipe.base, workspace))
    sets = tokenise(recipe, dataset, prompts_of(recipe, dataset), loaded)
    return sets, prepare_run(recipe, loaded, sets.train, sets.valid, folder, sets.asked)


class Measured(NamedTuple):
    """Seconds of a training step, and of the passes over all examples before the first one."""

    step_s: float
    once_s: float


def measured(run: Run) -> Measured:
    """Return what a few real steps take after one to warm up, with everything learning that ever does.

    The model is not used afterwards.
    """
    from tunesmith.models.compiled import compile_layers
    from tunesmith.train.loop import steps_from, update
    from tunesmith.train.optimizer import build_optimizer
    from tunesmith.train.progress import Progress

    steps = list(islice(steps_from(run, 0), 1 + MEASURED_STEPS))
    rows = [row for _, some in steps for row in some]
    run, states_s = _with_some_states(run, rows)
    run, reference_s = _with_some_reference(run, rows)
    if run.compiled:
        compile_layers(run.loaded.model, first=run.skipped_layers)
    run = replace(run, learning=run.learning.all_at_once())
    optimizer = build_optimizer(run.loaded.model, run.settings)
    times: list[float] = []
    for step, rows in steps:
        started_s = monotonic_s()
        update(run, optimizer, step, rows, Progress())
        times.append(monotonic_s() - started_s)
    if run.states:
        run.states.delete()
    return Measured(median(times[1:] or times), states_s + reference_s)


def _with_some_states(run: Run, rows: Sequence[int]) -> tuple[Run, float]:
    """Return the run with states of some rows, if it would keep any, and the seconds that those of all would take."""
    from tunesmith.train.frozen_cache import choose, keep

    if not choose(run).kept:
        return run, 0.0
    some = sorted(set(rows))
    started_s = monotonic_s()
    run = replace(run, states=keep(run, some, ()))
    return run, (monotonic_s() - started_s) / _share(run, some)


def _with_some_reference(run: Run, rows: Sequence[int]) -> tuple[Run, float]:
    """Return the run with its reference or teacher on some rows, and the seconds that those of all would take."""
    from tunesmith.train.distil import with_teacher
    from tunesmith.train.preference import with_reference

    started_s = monotonic_s()
    some = sorted({run.train.without_words(row) // run.train.per_example for row in rows})
    known = with_teacher(with_reference(run, some), some)
    return known, 0.0 if known is run else (monotonic_s() - started_s) / _share(run, sorted(set(rows)))


def _share(run: Run, rows: Sequence[int]) -> float:
    """Return the share that some training sequences have of the tokens of all examples."""
    all_of_them = [*run.train.rendered, *run.valid.rendered]
    return sum(len(run.train.rendered[row].ids) for row in rows) / sum(len(one.ids) for one in all_of_them)
