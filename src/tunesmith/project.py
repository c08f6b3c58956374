"""A recipe with where it lies and where its artifacts go: what every command is about.

Owns how these are found, and that errors of a stage name the recipe's line. Does not own the stages (`flow`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tunesmith.core.artifacts import Workspace
from tunesmith.recipe import Recipe, load_recipe, naming_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.store import Store

T = TypeVar("T")


@dataclass(frozen=True)
class Project:
    """A recipe, the folder its paths are relative to, the workspace where its artifacts lie, and the recipe's file."""

    recipe: Recipe
    folder: Path
    workspace: Workspace
    file: Path | None = None

    @classmethod
    def of(cls, recipe: Path, home: Path | None = None) -> Project:
        """Read a recipe's file and find its workspace.

        Raises:
            RecipeError: if the recipe is not valid.
        """
        loaded = load_recipe(recipe)
        return cls(loaded, recipe.resolve().parent, Workspace.locate(home, recipe.resolve().parent), recipe)

    @cached_property
    def store(self) -> Store:
        """The store of the workspace, opened on first use."""
        return open_store(self.workspace)


def open_store(workspace: Workspace) -> Store:
    """Open the workspace's store: ``$TUNESMITH_STORE`` if set, else SQLite in the workspace."""
    from tunesmith.core.store import Store

    return Store.open_workspace(workspace.root)


def naming(stage: Callable[[Project], T]) -> Callable[[Project], T]:
    """Let a stage's errors say in which line of the recipe a setting stands."""

    @wraps(stage)
    def named(project: Project) -> T:
        with naming_lines(project.file):
            return stage(project)

    return named
