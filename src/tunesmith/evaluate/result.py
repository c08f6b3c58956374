"""What a Scorecard's manifest says of its systems and of the gate, as JSON-able facts in the order of reading.

Owns the keys (docs/evaluation.md). Does not own any number.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.controls import Controls
    from tunesmith.evaluate.gate import Verdict
    from tunesmith.evaluate.served.parity import Parity


def measured(ours: Contestant, others: Sequence[Contestant]) -> dict[str, Any]:
    """Return the metrics of the tuned model and the others, and how they differ."""
    return {
        "metrics": ours.estimates_dict(),
        "baselines": {other.name: other.estimates_dict() for other in others},
        "deltas": {other.name: other.deltas_dict() for other in others},
    }


def gated(verdict: Verdict, controls: Controls | None, served: Parity | None) -> dict[str, Any]:
    """Return what the gate says and why; a model that is not served as it was measured fails."""
    why = [*verdict.reasons, *(controls.reasons if controls else []), *(served.reasons if served else [])]
    return {
        "verdict": (served.over(verdict) if served else verdict).answer,
        "reasons": why,
        "criteria": [finding.as_dict() for finding in verdict.findings],
        "controls": asdict(controls) if controls else None,
    }
