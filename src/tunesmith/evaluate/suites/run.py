"""Runs a recipe's suites: which system answers what, one model in memory at a time, and nothing twice.

Owns order and caching. Does not own what a suite asks and what follows from it (their modules).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tunesmith.core.disk import write_whole
from tunesmith.evaluate.suites import form, memorised, retention, robustness, safety

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tunesmith.evaluate.suites.findings import Findings
    from tunesmith.evaluate.suites.material import Material
    from tunesmith.evaluate.suites.system import Record, System

_ASK: dict[str, Callable[[System, Material], Record]] = {
    retention.NAME: retention.ask,
    memorised.NAME: memorised.ask,
    robustness.NAME: robustness.ask,
    safety.NAME: safety.ask,
    form.NAME: form.ask,
}
_LOOK: dict[str, Callable[[Mapping[str, Record], Material], Findings]] = {
    retention.NAME: retention.look,
    memorised.NAME: memorised.look,
    robustness.NAME: robustness.look,
    safety.NAME: safety.look,
    form.NAME: form.look,
}


def run_suites(
    suites: Sequence[str], material: Material, systems: Mapping[str, Callable[[], System]], scratch: Path
) -> list[Findings]:
    """Return what each suite found.

    Args:
        suites: by name, in the recipe's order.
        material: the rows of the Dataset that they look at.
        systems: by name what loads a model; the tuned one is among them. Loaded only if something is to be asked.
        scratch: where records are kept as they are complete, so that a killed evaluation goes on.
    """
    records: dict[str, dict[str, Record]] = {suite: {} for suite in suites}
    for who, load in systems.items():
        system: System | None = None
        for suite in suites:
            path = scratch / f"suite-{suite}-{who}.json"
            if not path.exists():
                system = system or load()
                write_whole(path, json.dumps(_ASK[suite](system, material)))
            records[suite][who] = json.loads(path.read_text(encoding="utf-8"))
    return [_LOOK[suite](records[suite], material) for suite in suites]
