"""The train stage: a recipe and a Dataset in, a Model out.

Owns what the Model's folder holds: ``model/`` (Hugging Face or PEFT layout, tokenizer, ``task.json``, sample prompts),
``metrics.jsonl``, ``train.html``. Does not own the loop (`loop`) nor how text becomes tokens (`text`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tunesmith.core.artifacts import Plan
from tunesmith.core.errors import MissingExtraError, RecipeError
from tunesmith.core.progress import say, steps
from tunesmith.models.load import identity, reference
from tunesmith.text.prompts import prompts_of
from tunesmith.train import hosted, track, trackers
from tunesmith.train.prepare_run import prepare_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Draft, Workspace
    from tunesmith.recipe import Recipe
    from tunesmith.train.finder import Search
    from tunesmith.train.loop import Run
    from tunesmith.train.progress import Progress
    from tunesmith.train.sets import Sets
    from tunesmith.train.trackers import About
    from tunesmith.train.underway import Underway
    from tunesmith.train.validate import Judge

CODE = "train-10"


def check(recipe: Recipe) -> None:
    """Refuse, before anything is spent, what this engine cannot train.

    Raises:
        RecipeError: naming the setting.
        MissingExtraError: if the training libraries are not installed.
        SetupError: if a tracker is not.
    """
    trackers.check(recipe.train.track)
    stopping = recipe.train.regularise.early_stopping
    alone = recipe.task == "preference" and recipe.objective == "sft"
    if alone and stopping is not None and stopping.metric != "valid_loss":
        raise RecipeError(
            f"train.regularise.early_stopping.metric: {stopping.metric} compares answers, and objective sft has one",
            hint="train.regularise.early_stopping.metric: valid_loss",
        )
    if recipe.service:
        hosted.check(recipe)
        return
    for package in ("torch", "transformers", "peft"):
        if find_spec(package) is None:
            raise MissingExtraError("train", package)
    if recipe.train.method == "qlora":
        from tunesmith.models.quantised import require

        require()


def plan_model(recipe: Recipe, dataset: Artifact, workspace: Workspace) -> Plan:
    """Return the plan of the Model. Its parents are the Dataset and, if it starts from an earlier Model, that one."""
    if recipe.service:
        return hosted.plan_model(recipe, dataset)
    earlier = workspace.find(recipe.base)
    without = {"threads", "track"}  # they change no byte
    without |= {"batch_examples"} if recipe.train.batch_examples is None else set()
    without |= {"activation_checkpointing"} if recipe.train.activation_checkpointing == "auto" else set()
    settings = recipe.train.model_dump(mode="json", exclude=without)
    if recipe.train.lora.earlier == "merged":
        del settings["lora"]["earlier"]
    if recipe.train.freeze and not recipe.train.freeze.rows:
        del settings["freeze"]["rows"]
    unsaid = {"candidates"} | ({"answer_weights"} if not recipe.prompt.answer_weights else set())
    config = {
        "train": settings,
        "prompt": recipe.prompt.model_dump(mode="json", exclude=unsaid),
        "task": recipe.task,
    }
    return Plan(
        name=recipe.name,
        stage="model",
        config=config,
        given=recipe.given(),
        parents=(dataset.id, earlier.id) if earlier else (dataset.id,),
        inputs={"base": identity(reference(recipe.base, workspace))},
        code=CODE,
        seed=recipe.seed,
    )


@dataclass(frozen=True)
class Job:
    """What all ranks train together: the recipe, its Dataset, the reference of its base, where checkpoints lie.

    ``about`` is what trackers are told.
    """

    recipe: Recipe
    dataset: Artifact
    base: str
    scratch: Path
    about: About


def train(
    recipe: Recipe,
    dataset: Artifact,
    workspace: Workspace,
    judge: Judge | None = None,
    watch: Callable[[Progress], None] | None = None,
    along: Callable[[Underway], Callable[[Progress], None]] | None = None,
) -> Artifact:
    """Make the Model of a recipe and a Dataset, or return it if it is already there.

    ``judge`` measures the metric that early stopping looks at, unless that is the validation loss; if it has no look of
    its own, the objective's validation has what it is computed from. ``watch`` is handed the progress after each step
    and may end the training by an exception of its own; ``along`` is told of the run first, and returns such a watcher.
    Killed and started again it goes on from its last checkpoint
    and ends in the same bytes.

    Raises:
        RecipeError: for what cannot be trained.
        DataError: if too many examples are too long, or the loss stops being a number.
        ValueError: for a metric of early stopping without its judge.
    """
    if recipe.service:
        return hosted.train(recipe, dataset, workspace)
    check(recipe)
    stopping = recipe.train.regularise.early_stopping
    if judge is None and stopping is not None and stopping.metric != "valid_loss":
        raise ValueError(f"early stopping looks at {stopping.metric}, and nothing that measures it was handed in")
    base = reference(recipe.base, workspace)
    plan = plan_model(recipe, dataset, workspace)

    def make(draft: Draft) -> None:
        about = track.about(recipe, dataset, draft, workspace)
        job = Job(recipe, dataset, base, draft.scratch, about)
        _make(job, draft, judge, _Watching(watch, along, plan, workspace))

    return workspace.make(plan, make)


@dataclass(frozen=True)
class _Watching:
    """Who looks on at a run, and what they need to know of it."""

    watch: Callable[[Progress], None] | None
    along: Callable[[Underway], Callable[[Progress], None]] | None
    plan: Plan
    workspace: Workspace

    def of(self, job: Job, run: Run, sets: Sets) -> list[Callable[[Progress], None]]:
        """Return what is handed the progress after each step."""
        from tunesmith.train.underway import underway

        told = [self.along(underway(job, self.plan, self.workspace, run, sets))] if self.along else []
        return [*told, *([self.watch] if self.watch else [])]


def _make(job: Job, draft: Draft, judge: Judge | None, watching: _Watching) -> None:
    from tunesmith.models.precision import restore_halved
    from tunesmith.models.quantised import restore_quantised
    from tunesmith.models.save import merge_adapter, save_model
    from tunesmith.text.parity import save_samples
    from tunesmith.train.curves import write_page
    from tunesmith.train.ranks import here
    from tunesmith.train.samples import choose
    from tunesmith.train.start import load_start

    here().told(job)
    trained = train_along(job, judge, watching)
    sets, progress = trained.sets, trained.progress
    recipe, loaded, task = job.recipe, trained.run.loaded, prompts_of(job.recipe, job.dataset).own
    folder = draft.path / "model"
    if recipe.train.save == "merged" or recipe.train.method == "full":
        start = cache(lambda: load_start(recipe, job.base).model)
        restore_quantised(loaded.model, start)
        restore_halved(loaded.model, start)
    if recipe.train.save == "merged":
        merge_adapter(loaded)
    save_model(loaded, folder)
    task.save(folder)
    save_samples(folder, task, loaded.tokenizer, sets.samples)
    lines = (json.dumps(row) for row in progress.metrics)
    (draft.path / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    examples = {"train": sets.train.num_examples, "valid": sets.valid.num_examples}
    draft.counts = {**examples, "left_out_too_long": sets.left_out}
    draft.result = _result(trained, draft)
    shown = choose(loaded.tokenizer, sets.train)
    write_page(draft.path / "train.html", draft.id, progress, draft.result, shown)


@dataclass(frozen=True)
class Trained:
    """A run whose model has learnt, its data, how it went, and how its peak was found, if it was."""

    run: Run
    sets: Sets
    progress: Progress
    search: Search | None


def train_along(job: Job, judge: Judge | None, watching: _Watching | None = None) -> Trained:
    """Train what all ranks train together."""
    import torch

    from tunesmith.models.precision import exact_arithmetic
    from tunesmith.train.checkpoint import load_best
    from tunesmith.train.distil import with_teacher
    from tunesmith.train.finder import find_peak
    from tunesmith.train.frozen_cache import with_states
    from tunesmith.train.live import View
    from tunesmith.train.loop import fit
    from tunesmith.train.preference import with_reference
    from tunesmith.train.ranks import here
    from tunesmith.train.sets import tokenise
    from tunesmith.train.start import load_start

    recipe, ranks = job.recipe, here()
    torch.set_num_threads(recipe.train.threads or max(1, (os.cpu_count() or 1) // ranks.on_this_machine))
    torch.manual_seed(recipe.seed)  # fixes how adapters start
    loaded = load_start(recipe, job.base)
    sets = tokenise(recipe, job.dataset, prompts_of(recipe, job.dataset), loaded)
    run = replace(prepare_run(recipe, loaded, sets.train, sets.valid, job.scratch, sets.asked), judge=judge)
    _announce(run, recipe.base)
    with exact_arithmetic(recipe.train.deterministic):
        with ranks.first_before_others():
            run = with_teacher(with_reference(with_states(run)))
        if search := find_peak(run):
            run = replace(run, peak=search.peak)
        watchers = watching.of(job, run, sets) if watching else []
        view, trackers_here = View(run), recipe.train.track if ranks.first else ()
        with (
            track.tracking(trackers_here, job.about) as tracked,
            steps("training", run.total_steps, below=view.lines) as bar,
        ):
            progress = fit(run, bar, (view.see, tracked, *watchers))
    if run.sharded and ranks.first:
        run = replace(run, loaded=load_start(recipe, job.base))
        load_best(job.scratch, dict(run.loaded.model.named_parameters()))
    return Trained(run, sets, progress, search)


def _announce(run: Run, base: str) -> None:
    from tunesmith.models.activation_checkpointing import checkpointed
    from tunesmith.models.quantised import num_weights

    total = num_weights(run.loaded.model)
    peak = "tried out" if run.settings.schedule.peak == "auto" else f"{run.peak:.2g}"
    say(
        f"  {base}: {run.learning.count(run.total_steps):,} of {total:,} weights learn ({run.settings.method}) · "
        f"{run.train.num_examples:,} examples · {run.total_steps:,} steps of {run.batch_tokens:,} target tokens · "
        f"peak rate {peak} · {run.precision}"
    )
    if later := run.learning.told():
        say(f"  {run.learning.count(0):,} of them from the start; {later}")
    if again := checkpointed(run.loaded.model):
        say(f"  {again} layers compute their activations twice, which takes less memory and more time")


def _result(trained: Trained, draft: Draft) -> dict[str, Any]:
    from tunesmith.train.loop import drawn_until

    run, progress = trained.run, trained.progress
    best, judged = progress.best, run.judge.name if run.judge else "valid_loss"
    value = -best.value if run.judge and run.judge.higher_is_better else best.value
    return {
        "model": draft.id,
        "provider": "local",
        "objective": run.objective.name,
        "steps": progress.step,
        "batch_tokens": run.batch_tokens,
        "epochs": round(progress.step / run.epoch_steps[0], 2),
        "stopped_by": progress.stopped_by,
        "best": {"step": best.step, "metric": judged, "value": value} if best.step >= 0 else None,
        "overfitting": progress.overfitting or None,
        "tokens": {"total": progress.tokens, "target": progress.target_tokens},
        "target_tokens_per_s": round(progress.target_tokens / max(progress.seconds, 1e-9), 1),
        "seconds": round(progress.seconds, 1),
        "left_out_too_long": trained.sets.left_out,
        "steps_left_out": sum("skipped" in row for row in progress.metrics),
        "unused_tokens": trained.sets.unused_tokens,
        "prompts_drawn": drawn_until(run, progress.step) if run.train.variants > 1 else None,
        "peak_learning_rate": run.peak,
        "peak_search": trained.search.as_dict() if trained.search else None,
        "precision": run.precision,
    }
