"""Two answers side by side, in both orders, several times: who wins, and what the order does.

Owns the questions, and what their answers come to. Where the judge prefers a place by itself, that preference helps
ours in one order as much as it harms ours in the other, so the mean of both orders is free of it; half of their
difference is the preference itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tunesmith.core.clusters import Clusters
from tunesmith.core.estimates import Estimate, bootstrap, never_certain
from tunesmith.evaluate.judge.repeated import noise_share, row_means
from tunesmith.evaluate.judge.wording import pair_messages, read_better, readings
from tunesmith.providers.chat import ChatRequest, sampling_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.providers.asker import Asker
    from tunesmith.recipe.judge import Judge, Pairwise


class Pair(NamedTuple):
    """A question with our answer and another's; ``right`` is the right one, if the judge may see it."""

    question: str
    ours: str
    theirs: str
    right: str = ""


@dataclass(frozen=True, eq=False)
class Contest:
    """What a judge said of some pairs: 1 if ours is better, 0 if theirs, 0.5 for a tie, NaN if it cannot be read.

    Each has one row per pair and one column per answer of the judge. Pairs of equal answers are ties that nobody was
    asked about.
    """

    ours_first: NDArray[np.float64]
    ours_second: NDArray[np.float64]
    asked: NDArray[np.bool_]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Ours against theirs, one value per pair: the mean of both orders; a tie where one order has no answer."""
        both = (row_means(self.ours_first) + row_means(self.ours_second)) / 2
        return np.where(np.isnan(both), 0.5, both)

    @property
    def unreadable(self) -> int:
        """How many answers of the judge could not be read."""
        return int(np.isnan(self.ours_first).sum() + np.isnan(self.ours_second).sum())

    @property
    def replies(self) -> int:
        """How many answers of the judge there are."""
        return int(self.asked.sum()) * int(self.ours_first.shape[1] + self.ours_second.shape[1])

    def win_rate(self, seed: int = 0, clusters: Clusters | None = None) -> Estimate:
        """Estimate how often ours is better, ties half, over the rows and the judge's answers."""
        return _mean(self.scores, 0.0, 1.0, seed, clusters)

    def position_bias(self, seed: int = 0, clusters: Clusters | None = None) -> Estimate:
        """Estimate how much more often than half the first place wins by itself: 0 is none, +-0.5 is always.

        Of the pairs that have answers in both orders.
        """
        halves = (row_means(self.ours_first) - row_means(self.ours_second)) / 2
        known = self.asked & ~np.isnan(halves)
        some = Clusters.named([str(one) for one in clusters.of[known]]) if clusters else None
        return _mean(halves[known], -0.5, 0.5, seed, some)

    def as_dict(self, seed: int = 0, clusters: Clusters | None = None) -> dict[str, Any]:
        """Return a JSON-able dict; what cannot be told is None."""
        scores, bias = self.scores, self.position_bias(seed, clusters)
        return {
            "win_rate": self.win_rate(seed, clusters).as_dict(),
            "wins": int((scores > 0.5).sum()), "ties": int((scores == 0.5).sum()), "losses": int((scores < 0.5).sum()),
            "position_bias": bias.as_dict() if bias.n else None,
            "judge_noise": noise_share(self.ours_first, self.ours_second), "equal_answers": int((~self.asked).sum()),
            "unreadable": self.unreadable, "replies": self.replies,
        }  # fmt: skip


def compare_pairs(asker: Asker, judge: Judge, pairwise: Pairwise, pairs: Sequence[Pair], what: str) -> Contest:
    """Ask about each pair in both orders, ``judge.times`` times each.

    Raises:
        DataError: if none of its answers can be read.
        RemoteError: if the judge refuses or is unreachable.
    """
    asked = np.array([one.ours.strip() != one.theirs.strip() for one in pairs], dtype=bool)
    requests = [
        ChatRequest(judge.model, pair_messages(pairwise, one.question, *order, one.right), sampling_of(judge), sample)
        for one, differ in zip(pairs, asked, strict=True)
        if differ
        for order in ((one.ours, one.theirs), (one.theirs, one.ours))
        for sample in range(judge.times)
    ]
    found = np.array(readings(asker.ask(requests, what), read_better)).reshape(-1, 2, judge.times)
    first, second = (np.full((len(pairs), judge.times), 0.5) for _ in range(2))
    first[asked], second[asked] = found[:, 0], 1 - found[:, 1]
    return Contest(first, second, asked)


def _mean(values: NDArray[np.float64], least: float, most: float, seed: int, clusters: Clusters | None) -> Estimate:
    """Estimate a mean of values that lie from ``least`` to ``most``."""
    found = bootstrap(
        lambda index: float(values[index].mean()), len(values), seed=seed, clusters=clusters, expanded=True
    )
    return never_certain(found, least, most, most - least)
