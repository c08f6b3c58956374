"""How long a model elsewhere goes on answering, as its own service says.

Owns what OpenAI's and Anthropic's lists of models say about it. Does not own whom that concerns (`monitor.lifecycle`).

Source: ``shutdown_date`` of OpenAI's model object; ``lifecycle``, ``deprecated_at`` and ``retires_at`` of Anthropic's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.providers.said import day_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

State = Literal["active", "deprecated", "gone", "unknown"]


@dataclass(frozen=True)
class Life:
    """What a service says of a model: ``gone`` is one that it has not, or not any more; ``unknown`` one of which it
    says nothing. ``ends_on`` is the day it stops answering, where that is announced.
    """

    state: State
    ends_on: date | None = None


def base_of(model: str) -> str | None:
    """Return what a model of OpenAI's was tuned from, whose end is its own; None for one that was not tuned."""
    parts = model.split(":")
    return parts[1] if parts[0] == "ft" and len(parts) > 1 else None


def by_openai(model: str, retrieve: Callable[[str], Any]) -> Life:
    """Return a model's life by OpenAI's protocol; of a tuned model its own end or its base's, whichever comes first.

    ``retrieve`` returns the model object, or None if there is none.
    """
    own = retrieve(model)
    if own is None:
        return Life("gone")
    base = base_of(model)
    based = retrieve(base) if base else None
    if base and based is None:
        return Life("deprecated", day_of(getattr(own, "shutdown_date", None)))  # it hangs on what is not there any more
    ends = _earliest(day_of(getattr(one, "shutdown_date", None)) for one in (own, based) if one is not None)
    return Life("deprecated" if ends else "active", ends)


def by_anthropic(found: Any) -> Life:
    """Return a model's life by Anthropic's model object; None if there is none."""
    if found is None:
        return Life("gone")
    stages: dict[str, State] = {"active": "active", "deprecated": "deprecated", "retired": "gone"}
    return Life(
        stages.get(str(getattr(found, "lifecycle", None)), "unknown"), day_of(getattr(found, "retires_at", None))
    )


def _earliest(days: Iterable[date | None]) -> date | None:
    return min((day for day in days if day is not None), default=None)
