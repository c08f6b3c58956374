"""All rules, asked in one go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.advise import data, results, training
from tunesmith.advise.advice import Advice, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tunesmith.advise.evidence import Evidence

    Rule = Callable[[Evidence], Iterator[Advice]]


def advise(known: Evidence) -> list[Advice]:
    """Return what there is a reason to try next, the most urgent and the most worth first."""
    rules: list[Rule] = [
        *data.RULES,
        *(training.RULES if known.model else ()),
        *(results.RULES if known.scorecard else ()),
    ]
    return ranked(_new(one, known.given) for rule in rules for one in rule(known))


def _new(one: Advice, given: Mapping[str, Any]) -> Advice:
    """Return advice without the settings that the recipe has already."""
    return replace(one, settings=tuple((key, value) for key, value in one.settings if _at(given, key) != value))


def _at(given: Mapping[str, Any], key: str) -> Any:
    found: Any = given
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
