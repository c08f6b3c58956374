"""Material: the rows that suites ask about besides their own. Does not own what they do with them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.compare import Questions
    from tunesmith.evaluate.metric import Metric
    from tunesmith.evaluate.suites.system import System
    from tunesmith.text.canaries import Canaries
    from tunesmith.text.examples import Example


@dataclass(frozen=True)
class Material:
    """A sample of test rows and one of as many training rows (fewer if there are fewer), and what was planted.

    ``rows`` are the numbers of the test rows among all of them, ``questions`` the sample as something to grade,
    ``main`` the metric that decides. ``known``: answers to the sample by system, where they were given before.
    """

    seed: int
    questions: Questions
    main: Metric
    rows: Sequence[int] = ()
    train: Sequence[Example] = ()
    canaries: Canaries | None = None
    known: Mapping[str, Answers] = field(default_factory=dict)

    @property
    def test(self) -> Sequence[Example]:
        """The sample of test rows."""
        return self.questions.examples

    def answers_of(self, system: System) -> Answers:
        """Return a system's answers to the sample of test rows, asked only if they are not known."""
        return self.known[system.name] if system.name in self.known else system.answer(self.test)


def some_of(count: int, most: int, seed: int) -> list[int]:
    """Return the numbers of at most ``most`` of so many rows, drawn by the seed, in their order."""
    return sorted(random.Random(seed).sample(range(count), min(most, count)))
