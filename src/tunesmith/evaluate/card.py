"""``scorecard.html``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.page import page, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.metrics import Metric
    from tunesmith.text.examples import Example


def write_card(
    path: Path, result: dict[str, Any], ours: Contestant, others: Sequence[Contestant], test: Sequence[Example],
    metrics: Sequence[Metric], main: Metric,
) -> None:  # fmt: skip
    """Write the page of a scorecard."""
    rows = [[who.name, *(str(who.estimates[m.name]) for m in metrics)] for who in [ours, *others]]
    path.write_text(
        page("Scorecard", result["scorecard"], result["summary"], table(["", *(m.name for m in metrics)], rows))
    )
