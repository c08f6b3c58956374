"""What is searched: settings of a recipe and their values, and the recipe of any choice among them.

Owns which settings can be searched and why others cannot, and that every value is possible in some trial; all that is
wrong is told together. Does not own how values are chosen (`study`) nor what a setting means (`recipe`).
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import ValidationError

from tunesmith.core.errors import RecipeError, Refusals, did_you_mean
from tunesmith.core.yaml_lines import parse_yaml
from tunesmith.recipe import Recipe, names_at, setting_at
from tunesmith.recipe.sweep import Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tunesmith.recipe.sweep import Choices

LOSS = "valid_loss"
TRIED_TOGETHER = 200
"""Random choices of the other settings among which one is looked for that a value fits."""

_AFTER = "is looked at when training is over, so no trial would differ by it"
_ROWS = "decides which rows validate, so the scores of trials could not be compared"
_SPEED = "changes how fast training goes, not what is learnt"
_NOT_SEARCHED = {
    "name": "is a name, and makes no model better",
    "task": "decides what is measured, so the scores of trials could not be compared",
    "seed": "is luck: its best value says nothing about the next run",
    **dict.fromkeys(("evaluate", "serve", "monitor", "update", "sweep", "prompts", "prompt.candidates"), _AFTER),
    **{f"data.{name}": _ROWS for name in ("train", "valid", "test", "split", "format", "columns", "keep", "memory")},
    **{f"train.{name}": _SPEED
       for name in ("track", "threads", "save", "shortcuts", "compile", "deterministic", "shard")},
    "train.regularise.early_stopping.metric": "is what trials are compared by",
}  # fmt: skip
_BESIDE_OTHERS = ("prompt.candidates",)
"""Settings that no trial looks at, in sections that may be searched as a whole."""

_OTHER_LOSS = (
    "base", "train.objective", "train.tokens", "train.preference", "prompt.teacher", "prompt.answer_weights",
)  # fmt: skip
"""Settings that change what a validation loss of so many nats means."""

_OTHER_LENGTH = ("train.epochs", "train.max_steps", "train.eval_every")
"""Settings that change which share of a run is over at a validation."""


@dataclass(frozen=True)
class Space:
    """The settings that are searched, by their dotted keys, and the recipe that they are changed in."""

    recipe: Recipe
    fields: Mapping[str, Range | Choices]

    def changed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe as the user gave it, with other values and without its ``sweep``; JSON-able."""
        made = copy.deepcopy(self.recipe.given())
        made.pop("sweep", None)
        for key, value in values.items():
            *sections, name = key.split(".")
            inside = made
            for one in sections:
                if not isinstance(inside.get(one), dict):
                    inside[one] = {}
                inside = inside[one]
            inside[name] = value
        return made

    def recipe_of(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with other values.

        Raises:
            RecipeError: if it refuses them together.
        """
        try:
            return Recipe.model_validate(self.changed(values))
        except ValidationError as error:
            raise RecipeError("; ".join(map(_message, error.errors()))) from error

    def is_whole(self, key: str) -> bool:
        """Tell whether a range is one of whole numbers: its ends are, and the setting takes them."""
        given, setting = self.fields[key], setting_at(tuple(key.split(".")))
        if not isinstance(given, Range) or setting is None:
            return False
        ends = (given.low, given.high, *([] if given.step is None else [given.step]))
        return all(isinstance(one, int) for one in ends) and _takes_whole_numbers(setting.annotation)

    def ends(self, key: str) -> list[Any]:
        """Return the values by which a setting is checked: all of a list, both ends of a range."""
        given = self.fields[key]
        if not isinstance(given, Range):
            return list(given)
        return [given.low, given.high] if self.is_whole(key) else [float(given.low), float(given.high)]

    def some_with(self, key: str, value: Any, count: int) -> Iterator[dict[str, Any]]:
        """Yield choices that have a value: first beside the recipe as it is, then beside others drawn by chance."""
        chance = random.Random(0)
        for turn in range(count):
            others = {one: chance.choice(self.ends(one)) for one in self.fields if one != key} if turn else {}
            yield {**others, key: value}


def check_space(space: Space, metric: str, pruning: str, file: Path | None = None) -> None:
    """Refuse, before anything is spent, what cannot be searched; all that is wrong is told at once.

    Args:
        space: the settings and their values.
        metric: by which trials are compared.
        pruning: as in the recipe.
        file: the recipe's, to name its lines; None: the errors name settings alone.

    Raises:
        RecipeError: naming the settings, their lines, and what would do.
    """
    if not space.fields:
        raise RecipeError(
            "sweep.fields names no setting to search",
            expected="sweep: {fields: {train.schedule.peak: {low: 1e-4, high: 1e-2, log: true}}}",
            hint="add it to the recipe, or --over 'train.schedule.peak={low: 1e-4, high: 1e-2, log: true}'",
        )
    refusals, sound = Refusals(), True
    for key in space.fields:
        for problem in _problems(key, space, metric, pruning):
            sound = False
            with refusals:
                problem.message = f"{place_of(file, key)}sweep.fields.{problem.message}"
                raise problem
    if sound:
        for problem in _never_possible(space):
            with refusals:
                problem.message = f"{place_of(file, problem.message.partition(':')[0])}sweep.fields.{problem.message}"
                raise problem
    refusals.tell()


def place_of(file: Path | None, key: str) -> str:
    """Return file and line of a searched setting, empty if it stands in no file."""
    if file is None or not file.is_file():
        return ""
    lines = parse_yaml(file.read_text(encoding="utf-8-sig"), str(file)).lines
    line = lines.get(("sweep", "fields", key))
    return "" if line is None else f"{file}:{line}: "


def _problems(key: str, space: Space, metric: str, pruning: str) -> Iterator[RecipeError]:
    """Yield what is wrong with one setting, messages beginning with its key."""
    for never, why in _NOT_SEARCHED.items():
        if _is_within(key, never):
            yield RecipeError(f"{key}: {why}", hint="remove it")
            return
        if _is_within(never, key) and never not in _BESIDE_OTHERS:
            yield RecipeError(f"{key}: holds {never}, which {why}", hint=f"search other settings in {key} one by one")
            return
    keys = tuple(key.split("."))
    if (unknown := _unknown(keys)) is not None:
        known = names_at(keys[:unknown])
        hint = did_you_mean(keys[unknown], known) if known else f"{'.'.join(keys[:unknown])}, which holds a value"
        yield RecipeError(f"{key}: unknown key {'.'.join(keys[: unknown + 1])!r}", hint=hint)
        return
    if other := next((one for one in space.fields if one != key and _is_within(key, one)), None):
        yield RecipeError(f"{key}: lies within {other}, which is searched too", hint="search one of them")
    if metric == LOSS and any(_is_within(key, one) or _is_within(one, key) for one in _OTHER_LOSS):
        yield RecipeError(
            f"{key}: changes what a validation loss means, so trials cannot be compared by it",
            expected="a metric of answers, such as accuracy",
            hint="train.regularise.early_stopping.metric: accuracy, which trials are compared by then",
        )
        return
    if pruning != "off" and any(_is_within(key, one) for one in _OTHER_LENGTH):
        yield RecipeError(
            f"{key}: a longer run is worse than a shorter one at the same validation, and would be stopped for that",
            hint="sweep.pruning: off, or one length for all trials",
        )
    setting = setting_at(keys)
    for value in space.ends(key):
        if told := _refused(key, value, space):
            yield RecipeError(f"{key}: {told}, got {value!r}", expected=(setting and setting.description) or "")


def _is_within(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(f"{prefix}.")


def _unknown(keys: tuple[str, ...]) -> int | None:
    """Return at which of the keys the recipe has no such setting; None if it has. A mapping's keys are the user's."""
    for depth in range(len(keys)):
        if keys[depth] in names_at(keys[:depth]):
            continue
        holder = setting_at(keys[:depth]) if depth else None
        return None if holder is not None and _is_mapping(holder.annotation) else depth
    return None


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(map(_is_mapping, get_args(annotation)))


def _takes_whole_numbers(annotation: Any) -> bool:
    return annotation is int or any(map(_takes_whole_numbers, get_args(annotation)))


def _message(problem: Any) -> str:
    where = ".".join(str(one) for one in problem["loc"])
    told = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {told}" if where and where not in told else str(told)


def _refused(key: str, value: Any, space: Space) -> str:
    """Return why the setting does not take a value whatever else is set; empty if it may."""
    try:
        Recipe.model_validate(space.changed({key: value}))
    except ValidationError as error:
        keys = tuple(key.split("."))
        for problem in error.errors():
            if tuple(map(str, problem["loc"]))[: len(keys)] == keys:
                return str(problem["msg"].removeprefix("Value error, "))
    return ""


def _never_possible(space: Space) -> Iterator[RecipeError]:
    """Yield the values that the recipe refuses beside every choice of the other settings that was tried."""
    for key in space.fields:
        for value in space.ends(key):
            if told := _why_never(key, value, space):
                yield RecipeError(f"{key}: {value!r} fits no trial: {told}", hint="leave it out")


def _why_never(key: str, value: Any, space: Space) -> str:
    told = ""
    for values in space.some_with(key, value, TRIED_TOGETHER):
        try:
            space.recipe_of(values)
        except RecipeError as error:
            told = told or error.message
        else:
            return ""
    return told
