"""Puts the winner of a search into the recipe's file: as its prompt, or as the teacher's.

Owns which settings change. How text is changed is `core.yaml_edit`'s: comments and layout stay.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.core.yaml_edit import with_value
from tunesmith.prompts import candidates as known
from tunesmith.prompts.verdict import BETTER, SAME
from tunesmith.recipe import parse_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.flow import Project
    from tunesmith.recipe import Recipe


def write_winner(project: Project, result: dict[str, Any], *, as_teacher: bool, anyway: bool) -> Path | None:
    """Write a search's winner into the recipe and return its file; None if there is nothing better to write.

    Of ``prompt.candidates`` the winner's place is taken by the prompt that the recipe had, so that none is lost.

    Args:
        project: with the recipe's file.
        result: of `search`.
        as_teacher: put it under ``prompt.teacher``; the model's own prompt stays.
        anyway: write it also if it is not better than the recipe's own.

    Raises:
        RecipeError: if the recipe would be refused with it, cannot be changed there, or has another prompt by now; the
            file stays as it is.
    """
    if result["verdict"] == SAME or (result["verdict"] != BETTER and not anyway):
        return None
    if project.file is None:
        raise RecipeError("the recipe is no file, so there is nothing to write the winner into")
    file = project.file.resolve()
    raw = file.read_bytes()
    text = raw.decode("utf-8-sig")
    if parse_recipe(text, str(project.file)).prompt != project.recipe.prompt:
        raise RecipeError(
            f"{project.file}: prompt was changed while the search ran, so the winner is not written",
            hint="run the same command again: what was asked is kept",
        )
    changes = _as_teacher(project.recipe, result["winner"]) if as_teacher else _own(project.recipe, result["winner"])
    for path, value in changes.items():
        text = with_value(text, ("prompt", *path), value, str(project.file))
    _check(text, project.file)
    content = text.encode("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8")
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(content)
    shutil.copymode(file, part)
    part.replace(file)
    return project.file


def _own(recipe: Recipe, winner: dict[str, Any]) -> dict[tuple[str | int, ...], Any]:
    """Return what changes in ``prompt`` when the winner is the model's own prompt."""
    before = recipe.prompt
    changes: dict[tuple[str | int, ...], Any] = {
        (name,): winner[name]
        for name in ("system", "template", "shots")
        if winner[name] != getattr(before, name)
    }  # fmt: skip
    if winner["given"] is not None:
        old: Any = before.system or ""
        if ("template",) in changes:
            old = {"system": old, "template": before.template or "{input}"}
        changes["candidates", winner["given"]] = old
    return changes


def _as_teacher(recipe: Recipe, winner: dict[str, Any]) -> dict[tuple[str | int, ...], Any]:
    """Return what changes in ``prompt.teacher``: what it says otherwise than the model's own prompt."""
    own, there = recipe.prompt, recipe.prompt.teacher
    wanted = {"system": winner["system"] or "", "template": winner["template"] or "{input}", "shots": winner["shots"]}
    same = {"system": own.system or "", "template": own.template or "{input}", "shots": own.shots}
    changes: dict[tuple[str | int, ...], Any] = {}
    for name, value in wanted.items():
        new = None if value == same[name] else value
        if new != (getattr(there, name) if there else None):
            changes["teacher", name] = new
    return changes


def _check(text: str, file: Path) -> None:
    """Refuse a recipe that no stage would take.

    Raises:
        RecipeError: saying what stands against the winner.
    """
    try:
        known.given(parse_recipe(text, str(file)))
    except RecipeError as error:
        raise RecipeError(
            f"the winner is not written, for the recipe would be refused with it: {error.message}",
            expected=error.expected, hint=error.hint or "change that first, then --write again: nothing is asked twice",
        ) from error  # fmt: skip
