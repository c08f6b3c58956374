"""What training and the learning curve measure by a model's answers, which `evaluate` gives and neither knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.progress import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.data.learning_curve import Probe
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.train.validate import Judge


def stopping_judge(recipe: Recipe, dataset: Artifact) -> Judge | None:
    """Return what measures the metric that training stops by; None if that is the validation loss."""
    from tunesmith.evaluate.metrics import stopping_metric

    metric = stopping_metric(recipe)
    if metric is None:
        return None
    from tunesmith.evaluate.answers import Contender, expected_of
    from tunesmith.evaluate.grading import grade
    from tunesmith.evaluate.metric import Rows, with_columns
    from tunesmith.text.examples import read_examples
    from tunesmith.text.prompts import task_of
    from tunesmith.train.validate import Judge

    if recipe.task == "preference":
        return Judge(metric.name, metric.higher_is_better, None, metric.value)
    task, rows = task_of(recipe, dataset), read_examples(dataset.path / "valid.parquet")
    expected = [expected_of(one) for one in rows]

    def look(loaded: LoadedModel) -> dict[str, NDArray[Any]]:
        asked = Contender(
            metric.name, loaded, lambda one: task.split(one)[0], task.labels, recipe.evaluate.max_new_tokens,
            recipe.train.precision,
        )  # fmt: skip
        return grade(recipe.task, expected, with_columns([metric], Rows(rows, expected, asked.answer(rows))))

    return Judge(metric.name, metric.higher_is_better, look, metric.on)


def base_probe(recipe: Recipe, dataset: Artifact, workspace: Workspace, sizes: list[int]) -> Probe:
    """Return what trains the base on some rows and judges it on the validation rows; says how long all will take."""
    import numpy as np

    from tunesmith.evaluate.answers import Contender, expected_of
    from tunesmith.train.subsets import Subsets

    subsets = Subsets(recipe, dataset, workspace)
    task, held = subsets.task, subsets.held

    def judge(loaded: LoadedModel) -> NDArray[np.float64]:
        if recipe.task != "classify":
            return subsets.bits(loaded)
        precision = recipe.train.precision
        asked = Contender(recipe.base, loaded, lambda one: task.split(one)[0], task.labels, precision=precision)
        given = asked.answer(held).texts
        return np.array([text != expected_of(one) for text, one in zip(given, held, strict=True)], np.float64)

    trained = ", ".join(f"{size:,}" for size in sizes)
    say(f"  {recipe.base} is trained on {trained} rows: about {_told_s(subsets.seconds(sizes))}, and the answers")
    return lambda rows: subsets.losses(rows, judge)


def _told_s(seconds: float) -> str:
    """Return a time in words: seconds up to two minutes, minutes up to two hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
