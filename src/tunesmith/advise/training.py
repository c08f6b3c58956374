"""What the curve gives a reason to do: overfitting, training that ended too soon or learnt nothing, rows left out."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tunesmith.advise.advice import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.advise.evidence import Evidence

LEARNT_SHARE = 0.05
"""Share of the first loss that must be gone at the end, or nothing was learnt."""

STILL_FALLING_SHARE = 0.02
"""Share of the validation loss that the last stretch must have taken off to be called still falling."""

FALLS = 2
"""Validations in a row that must each be lower than the one before."""


def overfitting(known: Evidence) -> Iterator[Advice]:
    """The validation loss rose beyond its noise while the training loss fell."""
    found, run = known.model.get("overfitting"), known.model
    if found:
        epochs = run["epochs"] * found["since_step"] / run["steps"]
        yield Advice(
            "overfitting",
            "train for less long, or with more dropout",
            f"since step {found['since_step']:,} of {run['steps']:,} the validation loss rose by "
            f"{found['valid_loss_rose']:.3f}, more than its noise, while the training loss fell by "
            f"{found['train_loss_fell']:.3f}; the best weights were kept, so time is lost and the end of the schedule",
            settings=(("train.epochs", float(f"{epochs:.2g}")), ("train.regularise.dropout", 0.1)),
        )


def underfitting(known: Evidence) -> Iterator[Advice]:
    """The validation loss was still falling when the steps ended."""
    run, points = known.model, known.validations
    if len(points) <= FALLS or run["stopped_by"] != "last step" or run.get("overfitting"):
        return
    losses = [loss for _, loss in points]
    (before, was), (last, now) = points[-2:]
    falling = all(later < earlier for earlier, later in pairwise(losses[-FALLS - 1 :]))
    if not falling or now > min(losses) or was - now < STILL_FALLING_SHARE * was:
        return
    yield Advice(
        "underfitting",
        "train for longer",
        f"the validation loss was still falling, from {was:.3f} to {now:.3f} between steps {before:,} and {last:,}, "
        "when the steps ended",
        settings=(("train.epochs", 2 * run["epochs"]),),
    )


def nothing_learnt(known: Evidence) -> Iterator[Advice]:
    """The training loss hardly fell."""
    losses = [one["loss"] for one in known.steps if "loss" in one]
    tenth = max(1, len(losses) // 10)
    if len(losses) < 10 or "peak_learning_rate" not in known.model:  # a service keeps its own rate
        return
    first, last = (sum(some) / tenth for some in (losses[:tenth], losses[-tenth:]))
    if first - last < LEARNT_SHARE * first:
        yield Advice(
            "nothing learnt",
            "let the peak of the learning rate be searched",
            f"the training loss went from {first:.3f} to {last:.3f} in {len(losses):,} steps, with a peak of "
            f"{known.model['peak_learning_rate']:.2g}",
            settings=(("train.schedule.peak", "auto"),),
            urgent=True,
        )


def steps_left_out(known: Evidence) -> Iterator[Advice]:
    """Steps that would have done harm."""
    if count := known.model.get("steps_left_out", 0):
        yield Advice(
            "steps left out",
            "lower the peak of the learning rate and look at the rows that the messages named",
            f"{count:,} of {known.model['steps']:,} steps had a loss or gradients that were no numbers or too large",
            settings=(("train.schedule.peak", known.model["peak_learning_rate"] / 2),),
            urgent=True,
        )


def too_long(known: Evidence) -> Iterator[Advice]:
    """Rows that were left out because they are longer than the recipe allows."""
    if count := known.model.get("left_out_too_long", 0):
        rows = known.dataset["splits"]["train"]
        yield Advice(
            "rows too long",
            "allow longer rows, or cut them where they may be cut",
            f"{count:,} of {rows:,} training rows are longer than train.max_tokens and were not learnt",
            settings=(("train.max_tokens", "the length of the longest row that matters"),),
            urgent=count > 0.1 * rows,
        )


def unused_tokens(known: Evidence) -> Iterator[Advice]:
    """Tokens of one's own that no training row has."""
    if unused := known.model.get("unused_tokens"):
        yield Advice(
            "unused tokens",
            "write your tokens into the rows, or leave them out of the recipe",
            f"no training row has {', '.join(unused)}: what they mean was not learnt",
            urgent=True,
        )


def peak_at_an_end(known: Evidence) -> Iterator[Advice]:
    """A search of the peak that was still going downhill, or found nothing."""
    search = known.model.get("peak_search")
    tried = {one["peak"]: one["loss"] for one in search["tried"]} if search else {}
    finite = {peak: loss for peak, loss in tried.items() if loss is not None}
    if len(tried) < 2:
        return
    ends = (min(tried), max(tried))
    best = min(finite, key=lambda peak: finite[peak]) if finite else ends[0]
    if best not in ends:
        return
    factor = 0.5 if best == ends[0] else 2.0
    told = (
        f"the lowest loss of {len(tried)} peaks was at the {'lowest' if factor < 1 else 'highest'} of them, {best:.2g}"
    )
    yield Advice(
        "peak at an end",
        "try peaks beyond the end of the search",
        told if finite else f"each of {len(tried)} peaks that were tried diverged",
        settings=(("train.schedule.peak", best * factor),),
        urgent=not finite,
    )


RULES = (peak_at_an_end, nothing_learnt, steps_left_out, overfitting, underfitting, too_long, unused_tokens)
