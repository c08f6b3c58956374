"""Overfitting: when it is called that, and in which words.

Owns both. Does not own the noise of the validation loss (`validate.Judge`) nor which weights are kept (`stop`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunesmith.train.progress import Progress
    from tunesmith.train.validate import Columns, Judge

ERRORS = 2
"""Standard errors of the rise, by the validation rows, that are called noise."""


def look(loss: Judge, columns: Columns, progress: Progress) -> None:
    """Note, and say once, that the validation loss rises beyond its noise while the training loss falls.

    A new lowest validation loss takes it back.
    """
    from tunesmith.train.checkpoint import as_lists

    recent, value, lowest = training_loss(progress), loss.value(columns), progress.lowest
    if not lowest or value < lowest["valid_loss"]:
        progress.lowest = {"step": progress.step, "valid_loss": value, "loss": recent, "columns": as_lists(columns)}
        progress.overfitting = {}
        return
    risen, fallen = value - lowest["valid_loss"], lowest["loss"] - recent
    if fallen <= 0 or risen <= ERRORS * loss.noise(columns, lowest["columns"]):
        return
    first = not progress.overfitting
    progress.overfitting = {"since_step": lowest["step"], "valid_loss_rose": risen, "train_loss_fell": fallen}
    if first:
        say(f"  {told(progress.overfitting)}")


def told(found: Mapping[str, float]) -> str:
    """Return what was found as a sentence."""
    return (
        f"overfitting: since step {found['since_step']:,} the validation loss rose by {found['valid_loss_rose']:.3f}, "
        f"more than its noise, while the training loss fell by {found['train_loss_fell']:.3f}: the examples are being "
        "learnt by heart"
    )


def advice(result: Mapping[str, Any]) -> str:
    """Return what became of the weights of a run that overfitted, and what to do, as sentences."""
    since, best = result["overfitting"]["since_step"], result["best"]
    epochs = result["epochs"] * since / result["steps"]
    kept = f"The weights of step {best['step']:,} were kept, so nothing is lost. " if best else ""
    return (
        f"{kept}Next time: train.epochs: {epochs:.2g} instead of {result['epochs']:.2g}, more or more varied examples, "
        "a lower train.schedule.peak or more train.regularise.dropout."
    )


def training_loss(progress: Progress) -> float:
    """Return the mean training loss of the steps since the last validation."""
    losses: list[float] = []
    for row in reversed(progress.metrics):
        if "valid_loss" in row:
            break
        if "loss" in row:
            losses.append(row["loss"])
    return sum(losses) / max(1, len(losses))
