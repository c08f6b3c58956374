"""A recipe read from YAML, with errors that name file, line and the nearest key; and its JSON Schema for editors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ValidationError,
)

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.yaml_lines import YamlDocument, parse_yaml
from tunesmith.recipe.section import Section, section_type
from tunesmith.recipe.whole import Recipe


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Raises:
        RecipeError: with file, line, the offending key and value, what was expected and the nearest known key.
    """
    if path.is_dir():
        raise RecipeError(f"{path} is a folder", expected="a recipe file", hint=f"{path / 'recipe.yaml'}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError(
            f"no recipe at {path}", hint="tunesmith init --task classify --data FILE writes one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})", expected="a YAML file in UTF-8") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Read a recipe from YAML text; ``where`` names it in errors.

    Raises:
        RecipeError: as `load_recipe`.
    """
    document = parse_yaml(text, where)
    if not isinstance(document.value, dict):
        kind = "empty" if document.value is None else f"a {type(document.value).__name__}"
        raise RecipeError(f"{where}: the recipe is {kind}", expected="keys such as name, task, base, data")
    try:
        return Recipe.model_validate(document.value)
    except ValidationError as error:
        raise _explained(error, document, where) from error


def _explained(error: ValidationError, document: YamlDocument, where: str) -> RecipeError:
    """Turn Pydantic's first error into one that names line, key, value, expectation and the nearest key."""
    problems = sorted(error.errors(), key=lambda one: _line(one, document))
    first = problems[0]
    keys = _user_keys(first, document) or tuple(first["loc"])[:1]  # what << merges in has no line of its own
    dotted = ".".join(map(str, keys)) or "recipe"
    line = document.line_of(keys)
    place = f"{where}:{line}" if line else where
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _section_at(keys[:-1])
        return RecipeError(f"{place}: unknown key {dotted!r}{more}", hint=did_you_mean(str(keys[-1]), known))
    if first["type"] == "missing":
        return RecipeError(
            f"{place}: {dotted!r} is missing{more}", expected=_describe(keys), hint=f"add {keys[-1]}: ..."
        )
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], dict | list | BaseModel) else f", got {first['input']!r}"
    if isinstance(first["input"], dict) and first["type"] == "value_error":
        return RecipeError(
            f"{place}: {dotted}: {message}{more}" if keys else f"{_place_of(message, document, where)}: {message}"
        )
    return RecipeError(f"{place}: {dotted}: {message}{value}{more}", expected=_describe(keys), hint=_nearest(first))


def _nearest(problem: Any) -> str:
    """Return the word that was meant where one of a few is expected; empty if none is near."""
    if problem["type"] != "literal_error":
        return ""
    near = did_you_mean(str(problem["input"]), re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    return near if near.startswith("did") else ""


def _line(problem: Any, document: YamlDocument) -> int:
    return document.line_of(tuple(problem["loc"])) or 0


def _place_of(message: str, document: YamlDocument, where: str) -> str:
    """Find the line of the dotted key a message of the whole recipe begins with."""
    line = document.line_of(tuple(message.split(" ", 1)[0].rstrip(":").split(".")))
    return f"{where}:{line}" if line else where


def _user_keys(problem: Any, document: YamlDocument) -> tuple[str | int, ...]:
    """Cut Pydantic's location down to keys the user wrote; it goes on with names of types inside unions."""
    loc: tuple[str | int, ...] = problem["loc"]
    depth = next((depth for depth in range(len(loc)) if loc[: depth + 1] not in document.lines), len(loc))
    return loc[: depth + 1] if problem["type"] == "missing" else loc[:depth]


def _section_at(keys: tuple[str | int, ...]) -> list[str]:
    section = _walk_sections(keys)
    return list(section.model_fields) if section else []


def _walk_sections(keys: tuple[str | int, ...]) -> type[Section] | None:
    section: type[Section] | None = Recipe
    for key in keys:
        if section is None or key not in section.model_fields:
            return None
        section = section_type(section.model_fields[str(key)].annotation)
    return section


def _describe(keys: tuple[str | int, ...]) -> str:
    """Return the description of a setting, for the ``expected`` line of an error."""
    names = [key for key in keys if isinstance(key, str)]
    section = _walk_sections(tuple(names[:-1])) if names else None
    info = section.model_fields.get(names[-1]) if section else None
    return (info.description or "") if info else ""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe, for editors; ``tunesmith init --schema`` prints it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
