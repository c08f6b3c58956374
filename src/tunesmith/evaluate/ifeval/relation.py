"""The two relations of IFEval's numbers."""

from __future__ import annotations


def holds(count: int, relation: str, wanted: int) -> bool:
    """Return whether a count is ``less than`` or ``at least`` a number.

    Raises:
        ValueError: for another relation.
    """
    if relation == "less than":
        return count < wanted
    if relation == "at least":
        return count >= wanted
    raise ValueError(f"relation {relation!r} is neither 'less than' nor 'at least'")
