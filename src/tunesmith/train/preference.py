"""Training on pairs of a chosen and a rejected answer: what a step makes small, and what a validation sees.

Owns how the objectives' arithmetic (`objectives`) meets batches, the reference and the weights of pairs. A pair is
never parted, and what KTO needs of the whole step is made before its first micro-batch, so neither the loss nor its
gradient depends on how a step is laid out. Legend: P pairs, S sequences (chosen, rejected, chosen, ...).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tunesmith.train.likelihood import logps_of, sequence_logps
from tunesmith.train.objectives import WITHOUT_REFERENCE, Likelihoods, Settings, dpo, kto
from tunesmith.train.reference import Elsewhere, reference_of
from tunesmith.train.validate import Judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Preference
    from tunesmith.train.batches import Batch, TokenSet
    from tunesmith.train.loop import Run
    from tunesmith.train.reference import Reference
    from tunesmith.train.validate import Columns


@dataclass(frozen=True)
class Preferring:
    """The objective ``dpo`` or ``kto`` of a recipe; the references are None until `with_reference`."""

    name: str
    settings: Preference
    train: Reference | None = None
    valid: Reference | None = None

    @property
    def pairwise(self) -> bool:
        """Whether a loss is a pair's, and not an answer's."""
        return self.name == "dpo"

    @property
    def looks_back(self) -> bool:
        """Whether training compares with the starting weights."""
        return not (self.pairwise and self.settings.variant in WITHOUT_REFERENCE)

    def of_step(self, run: Run, rows: Sequence[int], batches: Sequence[Batch]) -> _Step:
        """Return the loss of a step on some sequences."""
        del batches
        pairs = [row // 2 for row in rows[::2]]
        away = divergence(run, self.train.elsewhere, pairs) if self.train and not self.pairwise else 0.0
        return _Step(run, self, sum(run.train.weights[2 * pair] for pair in pairs), away)

    def losses(self, chosen: Likelihoods, rejected: Likelihoods, away: float) -> torch.Tensor:
        """Return the loss of each pair (P); ``away`` is KTO's divergence."""
        settings = self.settings
        if self.pairwise:
            numbers = Settings(settings.strength, settings.label_smoothing, settings.margin)
            return dpo(chosen, rejected, settings.variant, numbers, settings.nll_weight)
        wanted = torch.ones(len(chosen.model), dtype=torch.bool, device=chosen.model.device)
        weights = settings.desirable_weight, settings.undesirable_weight
        good, bad = (
            kto(one, wish, away, settings.strength, *weights) for one, wish in ((chosen, wanted), (rejected, ~wanted))
        )
        return (good + bad) / 2

    def judge(self, run: Run) -> Judge:
        """Return the judge of the validation loss, whose look has all that is measured of preferences."""

        def look(_loaded: LoadedModel) -> Columns:
            return self._columns(run)

        return Judge("valid_loss", False, look, lambda seen: float(seen["loss"].mean()))

    def facts(self, columns: Columns) -> dict[str, float]:
        """Return what a validation notes beside its loss."""
        return {
            "preference_accuracy": float(columns["correct"].mean()),
            "margin": float(columns["margin"].mean()),
            "pairs": len(columns["correct"]),
        }

    def _columns(self, run: Run) -> Columns:
        reference = self.valid
        assert reference is not None, "with_reference comes before training"
        pairs = range(run.valid.num_examples)
        away = 0.0 if self.pairwise else divergence(run, reference.elsewhere, pairs)
        found = logps_of(run, run.valid, pairs, run.states.valid if run.states else None)
        model_S = torch.from_numpy(np.concatenate([found[pair] for pair in pairs]))
        chosen, rejected = parted(model_S, run.valid, range(len(run.valid)), reference)
        margin_P = (chosen.ratio - rejected.ratio).numpy()
        return {
            "loss": self.losses(chosen, rejected, away).numpy(),
            "margin": margin_P,
            "lead": (chosen.mean - rejected.mean).numpy(),
            "correct": margin_P > 0,
            "nats": -chosen.model.numpy(),
            "tokens": chosen.tokens.numpy(),
        }


class _Step:
    """The loss of a step: the mean over its pairs by their weights, batch by batch."""

    def __init__(self, run: Run, objective: Preferring, whole: float, away: float) -> None:
        self._run, self._objective, self._whole, self._away = run, objective, whole, away
        self._ahead: list[torch.Tensor] = []

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the batch's share of the loss, with gradient."""
        run, objective = self._run, self._objective
        model_S = sequence_logps(
            run.loaded.model, batch.to(run.loaded.model.device), run.shortcuts, run.settings.regularise.neftune
        )
        rows = list(batch.places)
        reference = objective.train if objective.looks_back else None
        chosen, rejected = parted(model_S, run.train, rows, reference)
        losses_P = objective.losses(chosen, rejected, self._away)
        margin_P = chosen.ratio - rejected.ratio if reference else chosen.mean - rejected.mean
        self._ahead.append(margin_P.detach() > 0)
        weights_P = model_S.new_tensor([run.train.weights[row] for row in rows[::2]])
        return (losses_P * weights_P).sum() / self._whole

    def facts(self) -> dict[str, float]:
        """Return what is noted of the step beside its loss."""
        own = torch.cat([torch.zeros(0), *(one.float().cpu() for one in self._ahead)])
        ahead, seen = self._run.ranks.sum(float(own.sum()), len(own))
        return {"train_accuracy": ahead / seen, **({"kl": self._away} if self._away else {})}


def parted(
    model_S: torch.Tensor, tokens: TokenSet, rows: Iterable[int], reference: Reference | None
) -> tuple[Likelihoods, Likelihoods]:
    """Return the likelihoods of chosen and of rejected answers (P each); without a reference its numbers are 0."""
    rows = list(rows)
    lengths_S = model_S.new_tensor([tokens.rendered[row].num_targets for row in rows])
    known = [reference.logps[row // 2][row % 2] if reference else 0.0 for row in rows]
    reference_S = model_S.new_tensor(known)
    chosen, rejected = (Likelihoods(model_S[own::2], reference_S[own::2], lengths_S[own::2]) for own in (0, 1))
    return chosen, rejected


def divergence(run: Run, elsewhere: Elsewhere | None, pairs: Sequence[int]) -> float:
    """Return how far the model is from the starting weights on answers to other questions, in nats, at least 0.

    The mean over those of the pairs given, which have one each. No gradient, no dropout.

    Source: Ethayarajh et al. 2024, "KTO", section 4.1 (the estimate by mismatched answers), as in TRL, which pairs the
    answers of a micro-batch anew; here the round is fixed for the whole run, so that the reference is computed once.
    """
    if elsewhere is None:
        return 0.0
    own = [elsewhere.of_pair[pair] for pair in pairs if pair in elsewhere.of_pair]
    if not own:
        return 0.0
    now = logps_of(run, elsewhere.tokens, own)
    return max(0.0, float(np.mean([now[one] - elsewhere.logps[one] for one in own])))


def with_reference(run: Run, examples: Sequence[int] | None = None) -> Run:
    """Return the run with its reference at hand, if its objective needs one; ``examples`` None means all.

    Raises:
        OSError: if the disk refuses to take it.
    """
    objective: Any = run.objective
    if not isinstance(objective, Preferring):
        return run
    states, apart = run.states, not objective.pairwise
    wanted = range(run.train.num_examples) if examples is None else examples
    train = None
    if objective.looks_back:
        train = reference_of(run, run.train, wanted, elsewhere=apart, states=states.train if states else None)
    seen = range(run.valid.num_examples) if examples is None else ()
    valid = reference_of(run, run.valid, seen, elsewhere=apart, states=states.valid if states else None)
    return replace(run, objective=replace(objective, train=train, valid=valid))
