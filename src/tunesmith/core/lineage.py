"""How artifacts are related: what one was made from, and in what two differ.

Does not own artifacts (`artifacts`) nor how this is shown (`cli`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tunesmith.core.artifacts import Artifact, Workspace


def ancestry(workspace: Workspace, artifact: Artifact, depth: int = 0) -> Iterator[tuple[int, Artifact | str]]:
    """Yield ``(depth, artifact)`` for an artifact and all it was made from, parents after children.

    A parent that is no longer on disk is yielded as its id.
    """
    yield depth, artifact
    for parent_id in artifact.parents:
        parent = workspace.find(parent_id)
        if parent is None:
            yield depth + 1, parent_id
        else:
            yield from ancestry(workspace, parent, depth + 1)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Return ``(dotted key, our value, their value)`` for every leaf in which two nested mappings differ."""
    found: list[tuple[str, Any, Any]] = []
    for key in sorted({*ours, *theirs}):
        left, right = ours.get(key), theirs.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            found += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            found.append((f"{prefix}{key}", left, right))
    return found
