"""System: a model in memory as a suite asks it. Does not own which there are and when they are loaded (`run`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunesmith.evaluate.answers import Contender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.evaluate.answers import Answers
    from tunesmith.models.load import LoadedModel
    from tunesmith.text.examples import Example
    from tunesmith.text.task import TaskSpec

TUNED = "tuned"
BASE = "base"
PRODUCTION = "production"

Record = dict[str, Any]
"""What a system did on a suite's rows, JSON-able."""


@dataclass(frozen=True)
class System:
    """A model in memory with the task's prompt.

    ``plain`` is the same model without the task: no words around a question, no closed set of answers.
    """

    name: str
    loaded: LoadedModel
    task: TaskSpec
    max_new_tokens: int
    precision: str

    @property
    def plain(self) -> System:
        """The model as one would ask it outside of its task."""
        return replace(self, task=type(self.task)("chat"))

    def answer(self, examples: Sequence[Example], max_new_tokens: int | None = None) -> Answers:
        """Return the answers to some examples with the task's prompt."""
        limit = max_new_tokens or self.max_new_tokens
        asked = Contender(
            self.name, self.loaded, lambda one: self.task.split(one)[0], self.task.labels, limit, self.precision
        )
        return asked.answer(examples)
