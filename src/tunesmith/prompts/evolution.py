"""GEPA at work: system messages evolved on rows of train; the best of them join the race.

Owns what GEPA asks the model and is told of its answers. Validation and test rows stay unseen: of the rows of train
that it looks at one half is learnt from, and its proposals are held against the other. Does not own the writer that
words them (`writer`).

Source: Agrawal et al. 2025, "GEPA: reflective prompt evolution can outperform reinforcement learning" (arXiv
2507.19457); its own package, the extra ``gepa``.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.evaluate.answers import expected_of
from tunesmith.evaluate.judge.wording import question_of
from tunesmith.prompts.candidates import Candidate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.prompts.bench import Bench
    from tunesmith.prompts.writer import Proposer
    from tunesmith.text.examples import Example

SYSTEM = "system message"
"""The one component of what GEPA evolves."""

ROWS = 96
"""Rows of train that it looks at."""


def require_gepa() -> None:
    """Refuse where the package is not installed.

    Raises:
        MissingExtraError: naming the extra.
    """
    if find_spec("gepa") is None:
        raise MissingExtraError("gepa", "gepa")


def evolved(proposer: Proposer, best: Candidate) -> list[Candidate]:
    """Return the system messages that GEPA makes of the best prompt so far, the best of them first.

    Raises:
        RemoteError: if the writer's service refuses; what was answered until then is kept.
    """
    import gepa

    settings, rows = proposer.recipe.prompts, proposer.some(ROWS)
    start = best.system or proposer.told()
    found = gepa.optimize(
        seed_candidate={SYSTEM: start},
        trainset=rows[::2],
        valset=rows[1::2],
        adapter=_Adapter(proposer.bench, best),
        reflection_lm=proposer.reflect,
        max_metric_calls=settings.gepa,
        seed=proposer.recipe.seed,
        logger=_Silent(),
        raise_on_exception=True,
    )
    order = sorted(range(len(found.candidates)), key=lambda at: (-found.val_aggregate_scores[at], at))
    texts = dict.fromkeys(found.candidates[at][SYSTEM].strip() for at in order)
    fresh = [text for text in texts if text not in ("", start)][: settings.proposals]
    return [Candidate(f"evolved {at}", text, best.template, best.shots) for at, text in enumerate(fresh, 1)]


class _Adapter:
    """Asks the model with a system message in the place of a prompt's own; see `gepa.GEPAAdapter`."""

    propose_new_texts = None

    def __init__(self, bench: Bench, like: Candidate) -> None:
        self._bench, self._like = bench, like

    def evaluate(self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """Return answers and scores of some rows: 1 for a right answer, of free text the overlap with it."""
        from gepa import EvaluationBatch

        answers = self._bench.ask(replace(self._like, system=candidate[SYSTEM], given=None), batch)
        columns = self._bench.columns(batch, answers)
        scores = [float(one) for one in columns.get("overlap", columns["correct"])]
        traces = list(zip(batch, answers.texts, scores, strict=True)) if capture_traces else None
        return EvaluationBatch(outputs=answers.texts, scores=scores, trajectories=traces)

    def make_reflective_dataset(
        self, _candidate: dict[str, str], evaluated: Any, components: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what the writer is told of each row."""
        told = [
            {
                "Inputs": question_of(row.messages[:-1]),
                "Generated Outputs": answer,
                "Feedback": "right" if score == 1 else f"the right answer is: {expected_of(row)}",
            }
            for row, answer, score in evaluated.trajectories
        ]
        return dict.fromkeys(components, told)


class _Silent:
    def log(self, message: str) -> None:
        """Say nothing: the search tells what is tried."""
