"""Marks on a scale by a rubric, several times for each answer.

Owns the questions and what their answers come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tunesmith.evaluate.judge.repeated import noise_share, row_means
from tunesmith.evaluate.judge.wording import read_mark, readings, rubric_messages
from tunesmith.providers.chat import ChatRequest, sampling_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.providers.asker import Asker
    from tunesmith.recipe.judge import Judge, Rubric


class Marked(NamedTuple):
    """A question with an answer; ``right`` is the right one, if the judge may see it."""

    question: str
    answer: str
    right: str = ""


@dataclass(frozen=True, eq=False)
class Marks:
    """What a judge gave to some answers: one row per answer, one column per mark, NaN if it cannot be read."""

    given: NDArray[np.float64]
    scale: tuple[float, float]

    @property
    def means(self) -> NDArray[np.float64]:
        """The mark of each answer; the middle of the scale where none can be read."""
        means = row_means(self.given)
        return np.where(np.isnan(means), sum(self.scale) / 2, means)

    @property
    def unreadable(self) -> int:
        """How many answers of the judge could not be read."""
        return int(np.isnan(self.given).sum())

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "judge_noise": noise_share(self.given), "unreadable": self.unreadable, "replies": int(self.given.size)
        }  # fmt: skip


def mark_answers(asker: Asker, judge: Judge, rubric: Rubric, answers: Sequence[Marked], what: str) -> Marks:
    """Ask for the mark of each answer, ``judge.times`` times.

    Raises:
        DataError: if none of its answers can be read.
        RemoteError: if the judge refuses or is unreachable.
    """
    requests = [
        ChatRequest(judge.model, rubric_messages(rubric, *one), sampling_of(judge), sample)
        for one in answers
        for sample in range(judge.times)
    ]
    found = np.array(readings(asker.ask(requests, what), lambda said: read_mark(said, rubric.scale)))
    return Marks(found.reshape(-1, judge.times), rubric.scale)
