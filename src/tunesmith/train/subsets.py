"""The recipe's base trained on some rows of a Dataset, from the start each time: what a learning curve is made of.

Owns these trainings, what they would take, and that a curve which is killed goes on where it was. Does not own which
rows (`data.learning_curve`) nor how a classification is judged (`evaluate`, handed in by `flow`). The validation rows
are what the curve is judged on, so they neither choose among checkpoints nor stop: the last weights count. A rate that
follows the validation loss follows theirs, as in `stage`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import RecipeError
from tunesmith.core.progress import say, steps
from tunesmith.models.load import reference
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import prompts_of
from tunesmith.train import stage
from tunesmith.train.batches import TokenSet
from tunesmith.train.prepare_run import prepare_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.train.loop import Run


class Subsets:
    """Trains on rows of a Dataset's train split. ``held`` are its validation rows, ``task`` asks the questions.

    Raises:
        RecipeError: for an objective on preferences, and for a teacher's prompt.
    """

    def __init__(self, recipe: Recipe, dataset: Artifact, workspace: Workspace) -> None:
        stage.check(recipe)
        if recipe.objective != "sft":
            raise RecipeError(
                f"the base's own curve is of plain fine-tuning, and train.objective is {recipe.objective}",
                hint="tunesmith curve without --base, or train.objective: sft",
            )
        if recipe.prompt.teacher is not None:
            raise RecipeError(
                "the base's own curve is of the answers of train, and prompt.teacher says what is learnt",
                hint="tunesmith curve without --base, or leave prompt.teacher out",
            )
        self._recipe, self._base = recipe, reference(recipe.base, workspace)
        self._train = read_examples(dataset.path / "train.parquet")
        self._folder = workspace.work_dir / f"curve-{stage.plan_model(recipe, dataset, workspace).id}"
        self._prompts = prompts_of(recipe, dataset)
        if recipe.train.regularise.early_stopping and "early_stopping" in recipe.train.regularise.model_fields_set:
            say("  early stopping is left out: the validation rows judge the curve, so each training goes to its end")
        self.task = self._prompts.own
        self.held = read_examples(dataset.path / "valid.parquet")

    def losses(self, rows: Sequence[int], judge: Callable[[LoadedModel], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return what ``judge`` says of the base trained on some rows: a loss for each of ``held``.

        Kept in the workspace: a number of rows that was measured before is not trained again.
        """
        from tunesmith.models.precision import exact_arithmetic

        done = self._folder / f"{len(rows)}.json"
        if not done.exists():
            scratch = self._folder / str(len(rows))
            scratch.mkdir(parents=True, exist_ok=True)
            with exact_arithmetic(self._recipe.train.deterministic):
                values = judge(self._learn(rows, scratch)).tolist()
            unfinished = done.with_suffix(".part")
            unfinished.write_text(json.dumps(values), encoding="utf-8")
            unfinished.rename(done)
            shutil.rmtree(scratch)
        return np.array(json.loads(done.read_text(encoding="utf-8")))

    def bits(self, loaded: LoadedModel) -> NDArray[np.float64]:
        """Return the bits a target token that a model pays for the answers of ``held``."""
        from tunesmith.models.score import nll

        rendered = self._held_tokens(loaded).rendered
        scores = nll(
            loaded,
            [one.ids for one in rendered],
            [one.targets for one in rendered],
            precision=self._recipe.train.precision,
        )
        return np.array([score.nats / score.num_targets / math.log(2) for score in scores])

    def seconds(self, sizes: Sequence[int]) -> float:
        """Return about how long training on first rows of these numbers takes, from a few steps that are thrown away.

        What is kept from an earlier run takes no time.
        """
        from tunesmith.train.finder import steps_at_most
        from tunesmith.train.plan import measured

        left = [size for size in sizes if not (self._folder / f"{size}.json").exists()]
        if not left:
            return 0.0
        with tempfile.TemporaryDirectory() as folder:
            runs = [self._run(range(size), Path(folder)) for size in left]
            return measured(runs[-1]).step_s * sum(run.total_steps + steps_at_most(run) for run in runs)

    def _learn(self, rows: Sequence[int], folder: Path) -> LoadedModel:
        from tunesmith.train.finder import find_peak
        from tunesmith.train.frozen_cache import with_states
        from tunesmith.train.loop import fit

        run = with_states(self._run(rows, folder))
        if search := find_peak(run):
            run = replace(run, peak=search.peak)
        with steps(f"training on {len(rows):,} rows", run.total_steps) as bar:
            fit(run, bar)
        return run.loaded

    def _run(self, rows: Sequence[int], folder: Path) -> Run:
        import torch

        from tunesmith.text.chat import ensure_template
        from tunesmith.train.sets import tokens_of, weights_of
        from tunesmith.train.start import load_start

        torch.set_num_threads(self._recipe.train.threads or os.cpu_count() or 1)
        torch.manual_seed(self._recipe.seed)
        loaded = load_start(self._recipe, self._base)
        ensure_template(loaded.tokenizer)
        some = [self._train[row] for row in rows]
        weights = weights_of(self._recipe, "train")
        tasks = self._prompts.all("train")
        tokens, _ = tokens_of(loaded, tasks, some, self._limit(loaded), "train", weights=weights)
        followed = self._recipe.train.schedule.shape == "plateau"
        held = self._held_tokens(loaded) if followed else TokenSet([], [])
        part = len(some) < len(self._train)
        try:
            run = prepare_run(self._recipe, loaded, tokens, held, folder, part=part)
        except RecipeError as error:
            where = f" (in a training on {len(some):,} of the {len(self._train):,} rows)" if part else ""
            raise RecipeError(f"{error.message}{where}", expected=error.expected, hint=error.hint) from error
        return replace(run, chooses=False)

    def _held_tokens(self, loaded: LoadedModel) -> TokenSet:
        from tunesmith.train.sets import tokens_of, weights_of

        weights = weights_of(self._recipe, "valid")
        return tokens_of(loaded, [self.task], self.held, self._limit(loaded), "valid", weights=weights)[0]

    def _limit(self, loaded: LoadedModel) -> int:
        return self._recipe.train.max_tokens or loaded.context_tokens
