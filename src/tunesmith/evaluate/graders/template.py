"""Templates of graders: ``{{ item.answer }}`` and ``{{ sample.output_text }}`` filled in from a row and its answer.

Owns how a path is followed. There is no other language inside the braces: nothing is computed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.core.ids import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"(?:item|sample)(?:\.[A-Za-z_][\w-]*|\[\d+\]|\['[^']*'\]|\[\"[^\"]*\"\])*")
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class NotThere(Exception):
    """A path that leads nowhere in a row or an answer."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def as_score(self) -> str | None:
        """Return what it means for a score: None if the row lacks a column, else what the answer lacks."""
        return None if self.path.startswith("item") else f"the answer has no {self.path}"


def check_template(template: str, where: str) -> None:
    """Refuse what no row could fill in.

    Raises:
        RecipeError: for braces that hold no path of ``item`` or ``sample``.
    """
    for hole in _HOLE.findall(template):
        if not _PATH.fullmatch(hole.strip()):
            raise RecipeError(
                f"{where}: {{{{{hole}}}}} is no path",
                expected="{{ item.KEY }}, {{ sample.output_text }} or {{ sample.output_json.KEY }}",
            )


def item_paths(template: str) -> list[str]:
    """Return the paths of ``item`` that a template has."""
    return [hole.strip() for hole in _HOLE.findall(template) if hole.strip().startswith("item")]


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with its paths filled in; what is no text is written as JSON.

    Args:
        template: checked by `check_template`.
        values: ``item`` and ``sample``.

    Raises:
        NotThere: for a path that leads nowhere.
    """
    return _HOLE.sub(lambda hole: _text(_at(hole[1].strip(), values)), template)


def _at(path: str, values: Mapping[str, Any]) -> Any:
    root = re.match(r"\w+", path)
    here: Any = values[root[0]] if root else None
    for step in _STEP.finditer(path):
        key: Any = int(step[2]) if step[2] else next(one for one in (step[1], step[3], step[4]) if one is not None)
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            raise NotThere(path) from None
    return here


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
