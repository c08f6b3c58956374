"""A recipe read from YAML, with errors that name file, line and the nearest key; and its JSON Schema for editors."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import (
    BaseModel,
    ValidationError,
)
from pydantic.fields import FieldInfo

from tunesmith.core.errors import RecipeError, TunesmithError, did_you_mean, together
from tunesmith.core.yaml_lines import YamlDocument, parse_yaml
from tunesmith.recipe.section import Section, section_type
from tunesmith.recipe.whole import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTING = re.compile(
    r"(?:recipe: )?(?<![\w./])(?<!\d: )((?:data|prompts?|train|provider|evaluate)(?:\.[a-z0-9_]+)+)(?![\w./])"
)
"""A setting in an error's message, and no file of that name, nor one whose line is told already."""

_TAGGED = ("union_tag_invalid", "union_tag_not_found")
"""What Pydantic calls a section of several kinds whose ``type`` is unknown or missing."""

_ADVICE = ("  expected: ", "  try: ")
"""What lines of a message begin with that say what would do: settings as they might be, which stand nowhere yet."""


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


@contextmanager
def naming_lines(path: Path | None) -> Iterator[None]:
    """Let an error that names settings as ``data.columns.input`` say in which line of the recipe they stand.

    Settings that the recipe leaves out have no line, and neither has a recipe that is no file (None).
    """
    try:
        yield
    except TunesmithError as error:
        if path is not None and path.is_file():
            error.message = _with_lines(
                error.message, parse_yaml(path.read_text(encoding="utf-8-sig"), str(path)), path
            )
        raise


def _with_lines(message: str, document: YamlDocument, path: Path) -> str:
    def placed(match: re.Match[str]) -> str:
        keys: list[str | int] = [int(one) if one.isdigit() else one for one in match[1].split(".")]
        line = document.lines.get(tuple(keys), document.lines.get(tuple(match[1].split("."))))
        return match[0] if line is None else f"{path}:{line}: {match[1]}"

    lines = message.split("\n")
    return "\n".join(line if line.startswith(_ADVICE) else _SETTING.sub(placed, line) for line in lines)


def _explained(error: ValidationError, document: YamlDocument, where: str) -> TunesmithError:
    """Turn what Pydantic found into errors that name line, key, value, expectation and a way out, told together.

    Of a setting that may be one of several kinds Pydantic says what it lacks for each; the first is told.
    """
    told: dict[tuple[str | int, ...], TunesmithError] = {}
    for problem in sorted(error.errors(), key=lambda one: _line(one, document)):
        keys = _user_keys(problem, document) or tuple(problem["loc"])[:1]  # what << merges in has no line of its own
        told.setdefault((*keys, problem["msg"] if not keys else ""), _told(problem, keys, document, where))
    return together(list(told.values()))


_PLAINLY = {
    "string_pattern_mismatch": "not of the form that is expected",
    "model_type": "a section is expected, not a value",
    "model_attributes_type": "a section is expected, not a value",
}
"""Pydantic's types of errors whose messages speak of Python or of regular expressions, in plain words."""


def _told(problem: Any, keys: tuple[str | int, ...], document: YamlDocument, where: str) -> RecipeError:
    dotted = ".".join(map(str, keys)) or "recipe"
    line = document.line_of(keys)
    place = f"{where}:{line}" if line else where
    if problem["type"] == "extra_forbidden":
        known = names_at(keys[:-1])
        return RecipeError(f"{place}: unknown key {dotted!r}", hint=did_you_mean(str(keys[-1]), known))
    if problem["type"] == "missing":
        return RecipeError(f"{place}: {dotted!r} is missing", expected=_describe(keys), hint=f"add {keys[-1]}: ...")
    if problem["type"] in _TAGGED:
        return _untagged(problem, dotted, place, keys)
    message, _, instead = problem["msg"].removeprefix("Value error, ").partition("; ")
    message = _PLAINLY.get(problem["type"], message)
    value = "" if isinstance(problem["input"], dict | list | BaseModel) else f", got {problem['input']!r}"
    if isinstance(problem["input"], dict) and problem["type"] == "value_error":
        place = f"{place}: {dotted}" if keys else _place_of(message, document, where)
        return RecipeError(f"{place}: {message}", hint=instead)
    within = names_at(keys)
    expected = _describe(keys) or (f"keys of its own: {', '.join(within)}" if within else "")
    hint = instead or _nearest(problem) or _usual(keys)
    return RecipeError(f"{place}: {dotted}: {message}{value}", expected=expected, hint=hint)


def _untagged(problem: Any, dotted: str, place: str, keys: tuple[str | int, ...]) -> RecipeError:
    """Return the error for a section whose ``type``, which says what else it has, is missing or unknown."""
    if problem["type"] == "union_tag_not_found":
        return RecipeError(f"{place}: {dotted}: 'type' is missing", expected=_describe(keys), hint="add type: ...")
    known = re.findall(r"'([^']*)'", problem["ctx"]["expected_tags"])
    return RecipeError(
        f"{place}: {dotted}: unknown type {problem['ctx']['tag']!r}",
        expected=", ".join(known),
        hint=did_you_mean(str(problem["ctx"]["tag"]), known),
    )


def _usual(keys: tuple[str | int, ...]) -> str:
    """Return a setting with its default, which is always allowed; empty if it has none."""
    info = setting_at(keys)
    default = None if info is None or info.is_required() else info.get_default(call_default_factory=True)
    if default is None or isinstance(default, dict | list | BaseModel):
        return "leave it out" if info is not None and not info.is_required() else ""
    return f"{'.'.join(map(str, keys))}: {json.dumps(default)}, the default"


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
    keys = message.split(" ", 1)[0].rstrip(":").split(".")
    line = document.line_of(tuple(int(key) if key.isdigit() else key for key in keys))
    return f"{where}:{line}" if line else where


def _user_keys(problem: Any, document: YamlDocument) -> tuple[str | int, ...]:
    """Cut Pydantic's location down to keys the user wrote; it goes on with names of types inside unions."""
    loc = _without_tags(problem["loc"], document.value)
    depth = next((depth for depth in range(len(loc)) if loc[: depth + 1] not in document.lines), len(loc))
    return loc[: depth + 1] if problem["type"] == "missing" else loc[:depth]


def _without_tags(loc: tuple[str | int, ...], value: Any) -> tuple[str | int, ...]:
    """Leave out the names of types that Pydantic puts behind a setting whose ``type`` says which of several it is."""
    kept: list[str | int] = []
    for key in loc:
        if isinstance(value, dict) and value.get("type") == key and key not in value:
            continue
        kept.append(key)
        within = (isinstance(value, dict) and key in value) or (isinstance(value, list) and isinstance(key, int))
        value = value[key] if within else None
    return tuple(kept)


def names_at(keys: tuple[str | int, ...]) -> list[str]:
    """Return the settings of the section at some keys; empty if there is none."""
    section = _walk_sections(tuple(key for key in keys if isinstance(key, str)))
    return list(section.model_fields) if section else []


def _walk_sections(keys: tuple[str | int, ...]) -> type[Section] | None:
    section: type[Section] | None = Recipe
    names_follow = False  # the keys of a mapping of sections are the user's own
    for key in keys:
        if names_follow:
            names_follow = False
            continue
        if section is None or key not in section.model_fields:
            return None
        kind = section.model_fields[str(key)].annotation
        section, names_follow = section_type(kind), get_origin(kind) is dict
    return section


def _describe(keys: tuple[str | int, ...]) -> str:
    """Return the description of a setting, for the ``expected`` line of an error."""
    info = setting_at(keys)
    return (info.description or "") if info else ""


def setting_at(keys: tuple[str | int, ...]) -> FieldInfo | None:
    """Return the declaration of a setting; of an item of a list or mapping that of the whole."""
    names = [key for key in keys if isinstance(key, str)]
    section = _walk_sections(tuple(names[:-1])) if names else None
    return section.model_fields.get(names[-1]) if section else None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe, for editors; ``tunesmith init --schema`` prints it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
