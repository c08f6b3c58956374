"""Functions of the user's as metrics: ``evaluate.functions: {polite: my_metrics.py:polite}``.

Owns how such a function is found, called and believed. It is code that the user names himself, so it runs in this
process, with all that this process may do; code that a model wrote runs in the `sandbox`.
"""

from __future__ import annotations

import importlib.util
import math
import numbers
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.ids import digest_file
from tunesmith.evaluate.graders.run import seen
from tunesmith.evaluate.metric import Metric, Rows, own_column, share

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tunesmith.evaluate.grading import Columns


def file_of(place: str, folder: Path, where: str) -> tuple[Path, str]:
    """Return the file and the function that ``FILE.py:FUNCTION`` names; the file is relative to the recipe's folder.

    Raises:
        RecipeError: if it names none, or the file is not there.
    """
    file, _, name = place.rpartition(":")
    path = folder / file
    if not file or not name.isidentifier():
        raise RecipeError(f"{where}: {place!r} names no function", expected="FILE.py:FUNCTION, as my_metrics.py:polite")
    if not path.is_file():
        raise RecipeError(f"{where}: no file {path}", expected="a path relative to the recipe")
    return path, name


def function_metric(metric: str, place: str, folder: Path) -> Metric:
    """Return the metric of a function: the mean of what it returns, from 0 to 1, for each answer.

    Raises:
        RecipeError: if the file cannot be run or has no such function.
    """
    where = f"evaluate.functions.{metric}"
    path, name = file_of(place, folder, where)
    function = getattr(_module(path, digest_file(path), where), name, None)
    if not callable(function):
        known = [one for one, value in vars(_module(path, digest_file(path), where)).items() if callable(value)]
        raise RecipeError(f"{where}: {path} has no function {name!r}", hint=did_you_mean(name, known))

    def columns(rows: Rows) -> Columns:
        pairs = zip(rows.answers.texts, seen(rows), rows.examples, strict=True)
        found = [_called(function, text, {**row["item"], "row_id": one.row_id}, where) for text, row, one in pairs]
        return {column: np.array(found, dtype=np.float64)}

    column = own_column(metric)
    return Metric(metric, f"mean of {name} of {path.name}", share(column), columns=columns)


def _called(function: Callable[[str, dict[str, Any]], Any], text: str, example: dict[str, Any], where: str) -> float:
    """Return what the function says of one answer.

    Raises:
        DataError: naming the row, if it raises or returns no number from 0 to 1.
    """
    row = example["row_id"]
    try:
        value = function(text, example)
    except (Exception, SystemExit) as error:
        raise DataError(
            f"{where}: row {row}: {type(error).__name__}: {error}", expected="a number from 0 to 1, or a bool",
            hint=f"the answer was {text[:200]!r}",
        ) from error  # fmt: skip
    if not isinstance(value, numbers.Real | np.bool_) or not 0 <= (number := float(value)) <= 1 or math.isnan(number):
        raise DataError(f"{where}: row {row}: it returned {value!r}", expected="a number from 0 to 1, or a bool")
    return number


@lru_cache(maxsize=32)
def _module(path: Path, digest: str, where: str) -> Any:
    """Return the module of a file, run once for each content."""
    name = f"tunesmith_own_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{where}: {path} is no Python file", expected="a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look for their module there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise RecipeError(f"{where}: {path} cannot be run: {type(error).__name__}: {error}") from error
    return module
