"""Steps that would do harm: a loss or gradient that is no number, a gradient far above the usual.

Owns when a step is one and what is done. Its examples are named by file and line. Does not own clipping (`loop`).
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.core.progress import say
from tunesmith.models.score import nll
from tunesmith.train.sharded import gathered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.train.loop import Run
    from tunesmith.train.progress import Progress

USUAL_STEPS = 100
"""Steps whose median gradient norm is the usual one."""

FEWEST_STEPS = 10
"""Below this many steps nothing is usual yet."""

NAMED = 3
"""Examples that are named."""

IN_A_ROW = 5
"""Steps left out one after the other at which training stops whatever is set: the trouble is not the examples."""

BACKED_OFF = 0.5


def harm(run: Run, loss: float, norm: float, progress: Progress) -> str:
    """Return in words why a step would do harm; empty if it would not."""
    if not math.isfinite(loss):
        return f"the loss is no longer a number (loss {loss}, gradient norm {norm})"
    if not math.isfinite(norm):
        return f"the gradient norm is no longer a number (loss {loss:.4g}, gradient norm {norm})"
    spike = run.settings.guard.spike
    usual = [row["grad_norm"] for row in progress.metrics[-USUAL_STEPS:] if "skipped" not in row]
    if spike is None or len(usual) < FEWEST_STEPS or norm <= spike * median(usual):
        return ""
    return f"the gradient norm {norm:.3g} is {norm / median(usual):.3g} times the usual {median(usual):.3g}"


def leave_out(run: Run, step: int, rows: Sequence[int], why: str, progress: Progress) -> None:
    """Note that a step is left out, and with ``back_off`` halve the rate of all later ones.

    Raises:
        DataError: if the recipe wants to stop, or too many steps were left out one after the other.
    """
    names = _worst(run, rows)
    where = f"step {step + 1}, with {', '.join(names)}" if names else f"step {step + 1}"
    action = run.settings.guard.action
    last = progress.metrics[1 - IN_A_ROW :]
    if action == "stop" or (len(last) == IN_A_ROW - 1 and all("skipped" in row for row in last)):
        raise _stops(run, f"{why} at {where}")
    if action == "back_off":
        progress.backed_off *= BACKED_OFF
    told = f", the rate is {progress.backed_off:g} of what was planned from here on" if action == "back_off" else ""
    say(f"  left out: {why} at {where}{told}")
    progress.metrics.append({"step": step + 1, "skipped": why, "examples": names, "lr": 0.0})


def _stops(run: Run, told: str) -> DataError:
    """Return the error that ends the run, with what it may have: a loss and gradients that are numbers, no spike."""
    guard = run.settings.guard
    numbers = "a loss and gradients that are numbers"
    most = f"{numbers}, with a norm of at most {guard.spike:g} times the usual" if guard.spike else numbers
    instead = ["look at these examples for damaged text", "lower train.schedule.peak"]
    instead += ["raise train.guard.spike"] if guard.spike else []
    instead += ["train.guard.action: skip"] if guard.action == "stop" else []
    return DataError(
        told,
        expected=most if guard.action == "stop" else f"fewer than {IN_A_ROW} such steps in a row",
        hint=f"{', '.join(instead[:-1])}, or {instead[-1]}",
    )


def _worst(run: Run, rows: Sequence[int]) -> list[str]:
    """Return where the examples of a step lie whose loss is the largest, those without a number first."""
    if not run.train.names:
        return []
    run.loaded.model.eval()
    rendered = [run.train.rendered[row] for row in rows]
    ids, targets = [one.ids for one in rendered], [one.targets for one in rendered]
    with gathered(run.loaded.model):
        scores = nll(run.loaded, ids, targets, precision=run.precision)
    weights = [run.train.weights[row] for row in rows]
    losses = [weight * one.nats / max(1, one.num_targets) for weight, one in zip(weights, scores, strict=True)]
    worst = [loss if math.isfinite(loss) else math.inf for loss in losses]
    order = sorted(range(len(rows)), key=lambda at: -worst[at])
    names = dict.fromkeys(run.train.names[rows[at]] for at in order)  # both answers of a pair have one name
    return list(names)[:NAMED]
