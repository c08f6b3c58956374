"""A piece of advice, and the order in which pieces are told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Gain:
    """What following an advice is worth on a metric, and how that is known.

    ``at_most`` is a bound (what would be won if all of its cause were gone); else ``value`` is expected, between
    ``low`` and ``high`` with 95 % confidence.
    """

    metric: str
    value: float
    how: str
    low: float | None = None
    high: float | None = None
    at_most: bool = False

    def __str__(self) -> str:
        between = "" if self.low is None or self.high is None else f" [{self.low:+.3f}, {self.high:+.3f}]"
        return f"{'at most ' if self.at_most else ''}{self.value:+.3f}{between} of {self.metric}: {self.how}"


@dataclass(frozen=True)
class Advice:
    """What to do, why, and what it is worth.

    Args:
        name: of the rule that gives it.
        do: one sentence.
        why: the evidence, with its figures.
        settings: recipe fields to change, and to what; a value in words where only the user knows it.
        command: a command to run.
        gain: None where nothing here tells.
        urgent: the run's figures mean little before this is done.
    """

    name: str
    do: str
    why: str
    settings: tuple[tuple[str, Any], ...] = ()
    command: str = ""
    gain: Gain | None = None
    urgent: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {**asdict(self), "settings": dict(self.settings)}


def ranked(found: Iterable[Advice]) -> list[Advice]:
    """Return what is urgent, then by what it is worth, then the rest in the order of the rules."""
    return sorted(found, key=lambda one: (not one.urgent, -(one.gain.value if one.gain else float("-inf"))))
