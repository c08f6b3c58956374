"""Metrics asked for by name, on rows written out in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.core.estimates import Delta, Estimate
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.grading import Columns, grade
from tunesmith.evaluate.metric import Metric, Rows, refuse_idle, with_columns
from tunesmith.evaluate.metrics import chosen_metrics
from tunesmith.recipe import Recipe
from tunesmith.text.examples import Example


def examples_of(expected: Sequence[str | dict[str, Any]], **fields: Any) -> list[Example]:
    """Return examples whose right answers are texts, or messages as they are."""
    answers = [one if isinstance(one, dict) else {"role": "assistant", "content": one} for one in expected]
    return [
        Example([{"role": "user", "content": "?"}, answer], row_id=f"r{n}", **fields)
        for n, answer in enumerate(answers)
    ]


def recipe_of(task: str, *names: str, data: dict[str, Any] | None = None, **evaluate: Any) -> Recipe:
    """Return a recipe that asks for some metrics."""
    return Recipe(
        name="x", task=task, data={"train": "x", **(data or {})}, evaluate={"metrics": list(names), **evaluate}
    )


def metric_of(recipe: Recipe, name: str) -> Metric:
    """Return a metric of a recipe."""
    return next(one for one in chosen_metrics(recipe) if one.name == name)


def columns_of(
    metric: Metric, task: str, expected: Sequence[str], texts: Sequence[str], examples: Sequence[Example] | None = None,
    nats: Sequence[float] | None = None, tokens: Sequence[int] | None = None, judging: Any = None,
) -> Columns:  # fmt: skip
    """Return a metric's columns for some answers."""
    n = len(texts)
    answers = Answers(list(texts), [0.5] * n, list(nats or [1.0] * n), list(tokens or [1] * n), written=[1] * n)
    rows = examples if examples is not None else examples_of(expected)
    columns = grade(task, expected, with_columns([metric], Rows(rows, expected, answers, judging=judging)))
    refuse_idle([metric], columns)
    return columns


def estimate(task: str, name: str, expected: Sequence[str], texts: Sequence[str], **rows: Any) -> Estimate:
    """Return a metric's estimate."""
    metric = metric_of(recipe_of(task, name), name)
    return metric.estimate(columns_of(metric, task, expected, texts, **rows), 0)


def difference(task: str, name: str, expected: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Delta:
    """Return ours minus theirs in a metric."""
    metric = metric_of(recipe_of(task, name), name)
    return metric.compare(columns_of(metric, task, expected, ours), columns_of(metric, task, expected, theirs), 0)
