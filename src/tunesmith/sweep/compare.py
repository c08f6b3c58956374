"""The winner beside the recipe as it is, seed by seed, on validation and on test.

Owns the arithmetic over seeds and the sentence. The seeds are not the one that trials were trained on, for the best of
many trials is partly the luckiest; the test rows took no part in any choice. Does not own training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from tunesmith.core.student import t_quantile
from tunesmith.sweep.words import told_score

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """A score over seeds; ``sd`` is None for one seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return mean(self.values)

    @property
    def sd(self) -> float | None:
        """The standard deviation over seeds."""
        return stdev(self.values) if len(self.values) > 1 else None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able facts."""
        return {"mean": self.mean, "sd": self.sd, "low": min(self.values), "high": max(self.values),
                "n": len(self.values), "values": list(self.values)}  # fmt: skip

    def told(self) -> str:
        """Return mean and standard deviation in words."""
        return told_score(self.mean) + ("" if self.sd is None else f" ± {self.sd:.4f}")


def gain_over_seeds(ours: Sequence[float], theirs: Sequence[float], *, higher_is_better: bool) -> dict[str, Any]:
    """Return by how much ours is better, the mean over seeds with its 95 % interval (None for one seed).

    The interval is Student's over the paired differences: what another seed would have given, not other rows.
    """
    sign = 1.0 if higher_is_better else -1.0
    apart = [sign * (one - other) for one, other in zip(ours, theirs, strict=True)]
    if len(apart) < 2:
        return {"value": apart[0], "low": None, "high": None, "n": len(apart)}
    half = t_quantile(CONFIDENCE, len(apart) - 1) * stdev(apart) / math.sqrt(len(apart))
    return {"value": mean(apart), "low": mean(apart) - half, "high": mean(apart) + half, "n": len(apart)}


@dataclass(frozen=True)
class Comparison:
    """Both recipes on the same seeds."""

    metric: str
    higher_is_better: bool
    seeds: tuple[int, ...]
    valid: tuple[Spread, Spread]
    gain: dict[str, Any]
    test_metric: str | None
    test: tuple[Spread, Spread] | None
    test_gain: dict[str, Any] | None
    runs: dict[str, list[dict[str, Any]]]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able facts."""
        winner, default = (one.as_dict() for one in self.valid)
        facts: dict[str, Any] = {
            "seeds": list(self.seeds),
            "valid": {"metric": self.metric, "winner": winner, "default": default, "gain": self.gain},
            "test": None,
            "runs": self.runs,
        }
        if self.test is not None:
            winner, default = (one.as_dict() for one in self.test)
            facts["test"] = {"metric": self.test_metric, "winner": winner, "default": default, "gain": self.test_gain}
        return facts

    def sentence(self) -> str:
        """Return what the sweep brought."""
        winner, default = self.valid
        n = len(self.seeds)
        seeds = f"{n} seed{'s' if n > 1 else ''}"
        head = f"{self.metric} {winner.told()} over {seeds}, where the recipe as it is has {default.told()}"
        low = self.gain["low"]
        if self.gain["value"] <= 0:
            verdict = "the winner is no better than the recipe as it is: keep that"
        elif low is None or low <= 0:
            verdict = "better, and these seeds do not exclude that it is luck"
        else:
            verdict = "better, and by more than seeds differ"
        told = f"{head}: {verdict}"
        if self.test is not None and self.test_gain is not None:
            told += f"; {self.test_metric} on test {self.test[0].told()} against {self.test[1].told()}"
        return told


def compared(
    names: Sequence[str], outcomes: Sequence[Sequence[dict[str, Any]]], higher_is_better: bool, metric: str
) -> Comparison:
    """Return the comparison of two recipes from what each reached on each seed.

    ``outcomes`` hold ``seed``, ``valid`` and ``test`` (``metric``, ``value``, ``higher_is_better``; or None).
    """
    ours, theirs = outcomes
    valid = Spread(tuple(one["valid"] for one in ours)), Spread(tuple(one["valid"] for one in theirs))
    gain = gain_over_seeds(valid[0].values, valid[1].values, higher_is_better=higher_is_better)
    test = test_gain = measured = None
    if all(one["test"] is not None for one in (*ours, *theirs)):
        test = tuple(Spread(tuple(one["test"]["value"] for one in runs)) for runs in (ours, theirs))
        measured, higher = ours[0]["test"]["metric"], ours[0]["test"]["higher_is_better"]
        test_gain = gain_over_seeds(test[0].values, test[1].values, higher_is_better=higher)
    runs = {name: list(found) for name, found in zip(names, outcomes, strict=True)}
    seeds = tuple(one["seed"] for one in ours)
    return Comparison(metric, higher_is_better, seeds, valid, gain, measured, test, test_gain, runs)  # type: ignore[arg-type]
