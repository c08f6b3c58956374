"""Which systems a recipe names to compare with: baselines, production, and rivals by names of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import did_you_mean
from tunesmith.recipe.section import SYSTEMS
from tunesmith.recipe.use import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.recipe.use import Evaluate
    from tunesmith.recipe.whole import Recipe


def refuse_unknown_rivals(recipe: Recipe) -> None:
    """Refuse names of systems that there are not, and rivals whose name means another one.

    Raises:
        ValueError: naming the setting.
    """
    rivals = recipe.evaluate.rivals
    for name in rivals:
        if name in (*SYSTEMS, UNCHANGED, "tuned"):
            raise ValueError(f"evaluate.rivals.{name} is a name that means something else here; choose another")
    for where, name, known in _systems_named(recipe.evaluate, [*SYSTEMS, *rivals]):
        if name not in known:
            raise ValueError(
                f"{where}: {name!r} is no baseline and none of evaluate.rivals; {did_you_mean(name, known)}"
            )


def _systems_named(evaluate: Evaluate, known: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield where systems are named, which, and what may stand there."""
    gate, judge = evaluate.gate, evaluate.judge
    lists = [("evaluate.gate.against", gate.against, known)]
    for metric, rule in gate.metrics.items():
        for setting in ("over", "not_worse_than"):
            place = f"evaluate.gate.metrics.{metric}.{setting}"
            lists.append((place, getattr(rule, setting), [*known, UNCHANGED]))
    if judge is not None:
        lists.append(("evaluate.judge.against", judge.against, known))
    for place, names, some in lists:
        for number, name in enumerate(names):
            yield f"{place}.{number}", name, some
