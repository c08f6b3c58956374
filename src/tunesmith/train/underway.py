"""A run as it is seen from outside while it goes on: how long it is, and Models of its weights as they are.

Owns Models that are kept on the way: Artifacts like the one at the end, with `kept_at_step` in their configuration.
Does not own when they are kept (who looks on decides), nor checkpoints to go on from (`checkpoint`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunesmith.models.quantised import restore_quantised
from tunesmith.models.save import merge_adapter, save_model
from tunesmith.text.parity import save_samples
from tunesmith.text.prompts import prompts_of
from tunesmith.train.adapters import with_adapter
from tunesmith.train.checkpoint import set_weights
from tunesmith.train.start import load_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.artifacts import Artifact, Draft, Plan, Workspace
    from tunesmith.models.load import LoadedModel
    from tunesmith.train.loop import Run
    from tunesmith.train.progress import Progress
    from tunesmith.train.sets import Sets
    from tunesmith.train.stage import Job


@dataclass(frozen=True)
class Underway:
    """A run that begins, or goes on after a kill.

    Args:
        model_id: the id that its Model will have.
        total_steps: planned steps over all epochs.
        epoch_ends: how many steps are done at the end of each epoch.
        keep: makes a Model of the weights as they are after a step, or returns it if it is there. A mean of the weights
            (``ema``, ``average``) is not looked at.
    """

    model_id: str
    total_steps: int
    epoch_ends: list[int]
    keep: Callable[[Progress], Artifact]


def underway(job: Job, plan: Plan, workspace: Workspace, run: Run, sets: Sets) -> Underway:
    """Return a run as others see it."""
    task = prompts_of(job.recipe, job.dataset).own

    def keep(progress: Progress) -> Artifact:
        own = replace(plan, config={**plan.config, "kept_at_step": progress.step})

        def build(draft: Draft) -> None:
            folder = draft.path / "model"
            save_model(_as_saved(job, run), folder)
            task.save(folder)
            save_samples(folder, task, run.loaded.tokenizer, sets.samples)
            lines = "".join(f"{json.dumps(row)}\n" for row in progress.metrics)
            (draft.path / "metrics.jsonl").write_text(lines, encoding="utf-8")
            draft.result = _result(run, progress, draft.id)

        return workspace.make(own, build)

    return Underway(plan.id, run.total_steps, run.epoch_ends, keep)


def _as_saved(job: Job, run: Run) -> LoadedModel:
    """Return the model as the recipe saves it: itself, or a copy of all of it with what was learnt made part of it, and
    with the frozen weights as exact as they came.
    """
    recipe = job.recipe
    whole = recipe.train.method == "full"
    if not (_halved(run) if whole else recipe.train.save == "merged"):
        return run.loaded
    copy = load_start(recipe, job.base)
    if not whole:
        copy.model = with_adapter(recipe, copy)
    set_weights(
        {name: weight for name, weight in copy.model.named_parameters() if name in run.learning.weights},
        run.learning.weights,
    )
    if not whole:
        restore_quantised(copy.model, lambda: load_start(recipe, job.base).model)
        merge_adapter(copy)
    return copy


def _halved(run: Run) -> bool:
    """Tell whether weights that do not learn are kept rounded, so that a copy must have them whole."""
    return any(str(one.dtype) == "torch.bfloat16" for one in run.loaded.model.parameters() if not one.requires_grad)


def _result(run: Run, progress: Progress, model_id: str) -> dict[str, Any]:
    return {
        "model": model_id,
        "provider": "local",
        "objective": run.objective.name,
        "steps": progress.step,
        "epochs": round(progress.step / run.epoch_steps[0], 2),
        "stopped_by": f"kept at step {progress.step}",
        "best": None,
        "tokens": {"total": progress.tokens, "target": progress.target_tokens},
        "target_tokens_per_s": round(progress.target_tokens / max(progress.seconds, 1e-9), 1),
        "seconds": round(progress.seconds, 1),
    }
