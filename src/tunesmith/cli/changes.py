"""What differs between two artifacts of one stage, as settings, inputs and results that a person knows by name.

Owns which facts of a manifest are worth telling, under which topic and in which order. Does not own printing (`diff`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.lineage import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Manifest = Mapping[str, Any]

_COUNTS = {
    "rows": "rows", "removed_by": "removed by", "repaired": "repaired in", "repaired_by": "repaired by",
    "flagged_by": "flagged by", "splits": "splits", "tokens": "tokens",
}  # fmt: skip
"""Results that are numbers by name, in the order they are told, and their topics."""
_FACTS = ("provider", "steps", "epochs", "stopped_by")
ALWAYS_TOLD = ("rows", "splits")
"""Topics told even where they agree: without them no other number says much."""


@dataclass(frozen=True)
class Change:
    """One fact of two artifacts: its topic, its name, and what it is in each; None where one has none."""

    topic: str
    what: str
    first: Any
    second: Any


def changes(first: Manifest, second: Manifest) -> list[Change]:
    """Return what differs between two manifests, and how many rows both have, in the order to tell it."""
    return [*_settings(first, second), *_inputs(first, second), *_results(first["result"], second["result"])]


def _settings(first: Manifest, second: Manifest) -> Iterator[Change]:
    for key, before, after in differences(first["config"], second["config"]):
        yield Change("settings", key, before, after)
    for key in ("seed", "code"):
        if first[key] != second[key]:
            yield Change("settings", key, first[key], second[key])


def _inputs(first: Manifest, second: Manifest) -> Iterator[Change]:
    for name, before, after in differences(first["inputs"], second["inputs"]):
        yield Change("inputs", name, before and before[:12], after and after[:12])
    if first["parents"] != second["parents"]:
        yield Change("inputs", "made from", ", ".join(first["parents"]), ", ".join(second["parents"]))


def _results(first: Manifest, second: Manifest) -> Iterator[Change]:
    for key, topic in _COUNTS.items():
        ours, theirs = (dict(one.get(key) or {}) for one in (first, second))
        for name in {**ours, **theirs}:
            if ours.get(name) != theirs.get(name) or key in ALWAYS_TOLD:
                yield Change(topic, name, ours.get(name), theirs.get(name))
    yield from _verdicts(first.get("verdicts", {}), second.get("verdicts", {}))
    yield from _told("training", _training(first), _training(second))
    yield from _told("gate", _gate(first), _gate(second))
    yield from _told("metrics", _metrics(first), _metrics(second))


def _told(topic: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Change]:
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            yield Change(topic, name, ours.get(name), theirs.get(name))


def _verdicts(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the verdicts whose grounds differ, each with the grounds that the other does not have."""
    for name in {**first, **second}:
        ours, theirs = (one.get(name, {"verdict": "none", "why": ""}) for one in (first, second))
        if ours["verdict"] != theirs["verdict"] or ours["why"] != theirs["why"]:
            yield Change("verdicts", name, _verdict(ours, theirs), _verdict(theirs, ours))


def _verdict(own: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    shared = set(other["why"].split("; "))
    grounds = "; ".join(one for one in own["why"].split("; ") if one not in shared)
    return f"{own['verdict']} ({grounds})" if grounds else str(own["verdict"])


def _training(result: Manifest) -> dict[str, Any]:
    facts = {name: result[name] for name in _FACTS if name in result}
    if best := result.get("best"):
        facts[f"best {best['metric']}"] = f"{best['value']:.4f} at step {best['step']}"
    return facts


def _gate(result: Manifest) -> dict[str, Any]:
    facts = {"verdict": result["verdict"]} if "verdict" in result else {}
    return facts | {"reasons": "; ".join(result["reasons"])} if "reasons" in result else facts


def _metrics(result: Manifest) -> dict[str, str]:
    return {
        name: f"{one['value']:.4g} [{one['low']:.4g}, {one['high']:.4g}], n {one['n']}"
        for name, one in result.get("metrics", {}).items()
    }
