"""The metrics that a recipe brings along: its graders and its functions.

Owns where they are found, that their names are free, and what of their files goes into a Scorecard's identity.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from tunesmith.core.errors import RecipeError
from tunesmith.core.ids import digest_file
from tunesmith.evaluate.functions import file_of, function_metric
from tunesmith.evaluate.graders.run import grader_metric
from tunesmith.recipe.graders import Grader

if TYPE_CHECKING:
    from collections.abc import Container

    from tunesmith.evaluate.metric import Metric
    from tunesmith.recipe import Recipe
    from tunesmith.recipe.graders import Multi, Single

_GRADERS: TypeAdapter[list[Single | Multi]] = TypeAdapter(list[Grader])


def own_metrics(recipe: Recipe, folder: Path, taken: Container[str]) -> list[Metric]:
    """Return the metrics of the recipe's graders, then those of its functions.

    Raises:
        RecipeError: for a grader or function that cannot run, or a name that another metric has.
    """
    found = [
        grader_metric(grader, f"evaluate.graders[{number}]", recipe.evaluate.judge)
        for number, grader in enumerate(graders_of(recipe, folder))
    ]
    found += [function_metric(name, place, folder) for name, place in recipe.evaluate.functions.items()]
    names = [one.name for one in found]
    for number, name in enumerate(names):
        if name in taken or name in names[:number]:
            raise RecipeError(
                f"evaluate: two metrics are called {name!r}", hint="give the grader or function another name"
            )
    return found


def own_files(recipe: Recipe, folder: Path) -> dict[str, str]:
    """Return the digests of the files that the recipe's own metrics are made of, by setting.

    Raises:
        RecipeError: if one is not there.
    """
    settings = recipe.evaluate
    files = {
        f"functions.{name}": file_of(place, folder, f"evaluate.functions.{name}")[0]
        for name, place in settings.functions.items()
    }
    if settings.graders_file is not None:
        files["graders_file"] = _grader_file(settings.graders_file, folder)
    return {name: digest_file(path) for name, path in files.items()}


def graders_of(recipe: Recipe, folder: Path) -> list[Single | Multi]:
    """Return the recipe's graders: its own, then those of its file.

    Raises:
        RecipeError: if the file cannot be read as such.
    """
    given, file = list(recipe.evaluate.graders), recipe.evaluate.graders_file
    if file is None:
        return given
    path = _grader_file(file, folder)
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return [*given, *_GRADERS.validate_python(found if isinstance(found, list) else [found])]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecipeError(
            f"evaluate.graders_file: {path} is no JSON ({error})", expected="a grader or a list of them"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecipeError(
            f"evaluate.graders_file: {path}: {place}: {first['msg']}", expected="OpenAI's grader forms"
        ) from error


def _grader_file(given: str, folder: Path) -> Path:
    path = folder / given
    if not path.is_file():
        raise RecipeError(
            f"evaluate.graders_file: no file {path}", expected="a JSON file, its path relative to the recipe"
        )
    return path
