"""How values and scores of trials are said, on the terminal and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_CHARS = 40
"""Characters of a value that are shown; a prompt may be long."""


def told_value(value: Any) -> str:
    """Return a value as the recipe has it, numbers in three digits, long texts cut."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CHARS else f"{text[: LONGEST_CHARS - 1]}…"


def told_values(values: Mapping[str, Any]) -> str:
    """Return settings with their values in one line."""
    return " · ".join(f"{key} {told_value(value)}" for key, value in values.items())


def told_score(score: float | None) -> str:
    """Return a score in four decimals; a dash for none."""
    return "–" if score is None else f"{score:.4f}"
