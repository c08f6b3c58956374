"""What a recipe's provider makes of its settings, looked at before anything is uploaded or spent.

Owns the check. Does not own the table (`capability_table`) nor whether a service tunes a base at all
(`hosted.Availability`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError, Refusals, TunesmithError
from tunesmith.providers.capability_table import COLUMNS, TABLE
from tunesmith.recipe import Recipe, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.providers.capability_table import Cell, Cells, How


@dataclass(frozen=True)
class Finding:
    """What a provider makes of a setting that the recipe has."""

    setting: str
    how: How
    why: str = ""
    instead: str = ""


def column_of(service: str) -> str:
    """Return the column of a recipe's service; that of this machine for an empty one."""
    return {"": "local", "azure": "openai"}.get(service, service)


def cells_of(setting: str) -> Cells | None:
    """Return the line for a setting: its own, or that of the smallest section around it; None if there is none."""
    parts = setting.split(".")
    for count in range(len(parts), 0, -1):
        beginning = ".".join(parts[:count])
        found = TABLE.get(beginning) or TABLE.get(f"{beginning}.*")
        if found:
            return found
    return None


def findings(recipe: Recipe, column: str = "") -> list[Finding]:
    """Return what a provider, by default the recipe's own, makes of each setting the user gave; refuses nothing.

    What is given as null, false or empty asks for nothing and is not among them.
    """
    place = COLUMNS.index(column or column_of(recipe.service))
    found = []
    for setting in _given(recipe):
        cells = cells_of(setting)
        assert cells is not None, f"no line for {setting}"  # a test holds it
        found.append(_found(setting, cells[place], recipe))
    return found


def _found(setting: str, cell: Cell, recipe: Recipe) -> Finding:
    if cell.zero and _value(recipe, setting) == 0:
        return Finding(setting, "honoured")
    beyond = cell.limit(recipe) if cell.limit else ""
    if beyond:
        return Finding(setting, "refused", beyond, "a value that it knows, or a base: that is tuned here")
    return Finding(setting, cell.how, cell.why, cell.instead)


def check(recipe: Recipe) -> list[Finding]:
    """Return what the recipe's provider approximates, after refusing what it does not do; nothing is sent.

    Raises:
        RecipeError: that tells all refusals at once.
    """
    found, refusals = findings(recipe), Refusals()
    for one in found:
        if one.how == "refused":
            with refusals:
                raise refusal(one, recipe)
    refusals.tell()
    return [one for one in found if one.how == "approximated"]


def refusal(one: Finding, recipe: Recipe) -> TunesmithError:
    """Return what is told of a setting that a provider refuses."""
    return RecipeError(
        f"{one.setting}: not with base: {recipe.base}: {one.why}", hint=f"{one.instead}; docs: providers"
    )


def _value(recipe: Recipe, setting: str) -> Any:
    found: Any = recipe
    for part in setting.split("."):
        found = getattr(found, part)
    return found


def _given(section: Section, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys that the user set, in the order of their declaration."""
    for name in type(section).model_fields:
        if name not in section.model_fields_set:
            continue
        value: Any = getattr(section, name)
        if isinstance(value, Section):
            yield from _given(value, f"{prefix}{name}.")
        elif value is not None and value is not False and value != [] and value != {}:
            yield prefix + name
