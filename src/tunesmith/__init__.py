"""Tunesmith turns examples into a tuned language model that can be trusted in production, and keeps it good.

Importing this package imports nothing heavy: the public names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.flow import run as run
    from tunesmith.recipe import Recipe as Recipe
    from tunesmith.recipe import load_recipe as load_recipe

__version__ = "0.1.0"
__all__ = ["Recipe", "load_recipe", "run"]

_HOMES = {"Recipe": "tunesmith.recipe", "load_recipe": "tunesmith.recipe", "run": "tunesmith.flow"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tunesmith' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
