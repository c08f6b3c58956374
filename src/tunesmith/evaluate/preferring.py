"""Which of two answers a model prefers, and by how much.

Owns the implicit reward of test pairs and the baseline that looks at lengths alone. Does not own metrics (`metrics`)
nor what training makes small (`train.objectives`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.progress import steps
from tunesmith.evaluate.answers import CHUNK_ROWS, Answers
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.models.load import LoadedModel
    from tunesmith.text.examples import Example
    from tunesmith.text.task import TaskSpec

LENGTH = "length"


def likelihoods(
    name: str, loaded: LoadedModel, task: TaskSpec, examples: Sequence[Example], precision: str
) -> NDArray[np.float64]:
    """Return for each example nats and tokens of its chosen and of its rejected answer: (rows, 4).

    A row one of whose answers does not fit into the context is not a number throughout.
    """
    from tunesmith.models.score import nll
    from tunesmith.text.chat import render

    found = np.full((len(examples), 4), np.nan)
    with steps(f"answers weighed by {name}", len(examples)) as bar:
        for start in range(0, len(examples), CHUNK_ROWS):
            some = examples[start : start + CHUNK_ROWS]
            both = [[render(loaded.tokenizer, turns, one.tools) for turns in task.pair(one)] for one in some]
            fits = [row for row, pair in enumerate(both) if max(len(one.ids) for one in pair) <= loaded.context_tokens]
            asked = [one for row in fits for one in both[row]]
            scores = nll(loaded, [one.ids for one in asked], [one.targets for one in asked], precision=precision)
            found[[start + row for row in fits]] = np.array(scores).reshape(-1, 4)
            bar.advance(len(some))
    return found


def rewarded(own: NDArray[np.float64], reference: NDArray[np.float64] | None, examples: Sequence[Example]) -> Answers:
    """Return what a model prefers: the answer that gained more probability over the reference, as a logarithm.

    Without a reference (the base, which has gained nothing): the answer more probable per token. A row that does not
    fit counts as a wrong preference with a margin of 0.

    Source: Rafailov et al. 2023, "Direct preference optimization", section 4: the implicit reward over beta.
    """
    if reference is None:
        leads, margins = own[:, 2] / own[:, 3] - own[:, 0] / own[:, 1], np.zeros(len(own))
    else:
        leads = margins = (own[:, 2] - reference[:, 2]) - (own[:, 0] - reference[:, 0])
    fits = ~np.isnan(leads)
    chosen = np.where(fits[:, None], own[:, :2], 0.0)
    return Answers(
        _preferred(examples, np.where(fits, leads, -1.0)),
        [1 / (1 + math.exp(-min(abs(lead), 700.0))) for lead in np.where(fits, leads, 0.0).tolist()],
        chosen[:, 0].tolist(),
        chosen[:, 1].astype(int).tolist(),
        too_long=int((~fits).sum()),
        leads=np.where(fits, leads, -1.0).tolist(),
        margins=np.where(fits, margins, 0.0).tolist(),
    )


def by_length(train: Sequence[Example], test: Sequence[Example]) -> Answers:
    """Return the preferences of one that sees lengths alone, in characters.

    It prefers the longer answer, or the shorter one if that is what most training pairs prefer. Of two answers equally
    long it prefers neither, which is wrong.
    """
    sign = -1.0 if sum(np.sign(_longer(one)) for one in train) < 0 else 1.0
    leads = [sign * _longer(one) for one in test]
    rows = len(test)
    return Answers(_preferred(test, leads), [0.5] * rows, [0.0] * rows, [0] * rows, leads=leads, margins=[0.0] * rows)


def rejected_of(example: Example) -> str:
    """Return the rejected answer's text."""
    return text_of(example.rejected[-1]) if example.rejected else ""


def _longer(example: Example) -> float:
    return float(len(example.target_text) - len(rejected_of(example)))


def _preferred(examples: Sequence[Example], leads: Sequence[float] | NDArray[np.float64]) -> list[str]:
    return [one.target_text if lead > 0 else rejected_of(one) for one, lead in zip(examples, leads, strict=True)]
