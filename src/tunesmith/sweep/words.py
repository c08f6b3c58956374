"""How values and scores of trials are said, on the terminal and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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


def short_names(keys: Collection[str]) -> dict[str, str]:
    """Return each setting's shortest ending that no other of them has: ``peak`` for ``train.schedule.peak``."""
    found = {}
    for key in keys:
        parts = key.split(".")
        endings = (".".join(parts[at:]) for at in range(len(parts) - 1, -1, -1))
        found[key] = next(
            one for one in endings
            if one == key or not any(f".{other}".endswith(f".{one}") for other in keys if other != key)
        )  # fmt: skip
    return found


def told_values(values: Mapping[str, Any]) -> str:
    """Return settings, by their short names, with their values in one line."""
    names = short_names(values)
    return " · ".join(f"{names[key]} {told_value(value)}" for key, value in values.items())


def told_score(score: float | None) -> str:
    """Return a score in four decimals; a dash for none."""
    return "–" if score is None else f"{score:.4f}"
