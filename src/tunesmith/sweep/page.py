"""``sweep.html``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.sweep.space import Space


def write_page(path: Path, space: Space, result: dict[str, Any]) -> None:
    """Write the page of a sweep."""
