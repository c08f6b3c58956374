"""What a terminal shows while a model is trained: loss, validation, speed, memory, overfitting.

Owns what the lines say. Does not own where they stand (`core.progress`) nor the numbers (`loop`, `validate`). Lines are
made by another thread than the one that trains, which is why they only read, and ask the device for nothing it must
wait for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.core.clock import monotonic_s
from tunesmith.core.progress import duration, sparkline
from tunesmith.train.flops import needed_flops, peak_flops
from tunesmith.train.memory import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.progress import Lines
    from tunesmith.train.loop import Run
    from tunesmith.train.progress import Progress

RECENT_STEPS = 20
"""Steps that the loss and the speed are means of."""

POINTS = 32
"""Points of the line of losses."""

COUNTED = 1000
"""Sequences whose operations are counted."""

SAMPLED = 16
"""Most losses that a point is the mean of, so that a look costs the same in a run of any length."""


class View:
    """The lines about a run. `see` is for the loop, `lines` for who shows them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._progress: Progress | None = None
        self._began = (0, 0.0)  # step and time at which the first step of this process was done

    def see(self, progress: Progress) -> None:
        """Note how far the run is."""
        if self._progress is None:
            self._began = (progress.step, monotonic_s())
        self._progress = progress

    def lines(self) -> Lines:
        """Return the lines as of now, each with its style; none before the first step is done."""
        progress = self._progress
        if progress is None:
            return []
        lines = [(self._loss(progress), ""), (self._validation(progress), ""), (self._speed(progress), "dim")]
        if progress.overfitting:
            lines.append((_overfitting(progress), "bold yellow"))
        return [(f"    {text}", style) for text, style in lines if text]

    def _loss(self, progress: Progress) -> str:
        rows = [row for row in progress.metrics[-RECENT_STEPS:] if "loss" in row]
        if not rows:
            return ""
        mean = sum(row["loss"] for row in rows) / len(rows)
        line = sparkline(_curve(progress.metrics))
        return f"loss   {mean:.4g}  {line}  gradient norm {rows[-1]['grad_norm']:.3g}  rate {rows[-1]['lr']:.2g}"

    def _validation(self, progress: Progress) -> str:
        if not len(self._run.valid):
            return ""
        values, best, judge = list(progress.validations), progress.best, self._run.judge
        if not values:
            return f"valid  first at step {self._run.eval_every:,}"
        sign, name = (-1, judge.name) if judge and judge.higher_is_better else (1, judge.name if judge else "")
        parts = [f"valid  {values[-1]:.4g}", *_gap(progress.metrics)]
        if best.step >= 0:
            ago = progress.step - best.step
            since = f", {ago:,} steps ago" if ago else ""
            parts.append(f"best {f'{name} ' if name else ''}{sign * best.value:.4g} at step {best.step:,}{since}")
        return " · ".join(parts)

    def _speed(self, progress: Progress) -> str:
        timed = progress.timed[-RECENT_STEPS:]
        _, tokens, read, seconds = (sum(column) for column in zip(*timed, strict=True))
        parts = [f"{tokens / seconds:,.0f} tokens/s"] if seconds and tokens else []
        if self._peak and tokens and seconds:
            parts.append(f"MFU {self._flops_a_token * min(tokens, read) / seconds / self._peak:.0%}")
        step, began_s = self._began
        if progress.step > step:
            pace_s = (monotonic_s() - began_s) / (progress.step - step)
            parts.append(f"{duration(pace_s * (self._run.total_steps - progress.step))} left")
        if memory := self._memory():
            parts.append(f"{memory / 2**30:.2f} GiB")
        return f"speed  {' · '.join(parts)}"

    @cached_property
    def _peak(self) -> float | None:
        """Operations a second of all devices; None where it is not known, or weights are frozen in part."""
        device, settings = self._run.loaded.model.device, self._run.settings
        told = settings.freeze is None and settings.method != "tokens"
        peak = peak_flops(device, self._run.precision) if told else None
        return peak and peak * self._run.ranks.count

    @cached_property
    def _flops_a_token(self) -> float:
        """Operations that a token of the first training sequences needs in the mean."""
        sequences = self._run.train.rendered[:COUNTED]
        needed = needed_flops(self._run.loaded, self._run.settings.method)
        return needed(sequences) / sum(len(one.ids) for one in sequences)

    def _memory(self) -> int:
        """Return the most bytes the device has given so far; on a CPU those of this process now."""
        device = self._run.loaded.model.device
        return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident_bytes()


def _curve(metrics: Sequence[dict[str, Any]]) -> list[float]:
    """Return at most `POINTS` losses of a run, each the mean of some of its stretch."""
    count = len(metrics)
    means = []
    for point in range(min(POINTS, count)):
        start, end = point * count // min(POINTS, count), (point + 1) * count // min(POINTS, count)
        some = [row["loss"] for row in metrics[start : end : max(1, (end - start) // SAMPLED)] if "loss" in row]
        means += [sum(some) / len(some)] if some else []
    return means


def _overfitting(progress: Progress) -> str:
    found = progress.overfitting
    kept = f"; the weights of step {progress.best.step:,} are kept" if progress.best.step >= 0 else ""
    return (
        f"overfitting since step {found['since_step']:,}: validation +{found['valid_loss_rose']:.3g}, "
        f"training -{found['train_loss_fell']:.3g}{kept}"
    )


def _gap(metrics: Sequence[dict[str, Any]]) -> list[str]:
    """Return how far the last validation loss lies from the training loss of the steps before it."""
    at = next((at for at in range(len(metrics) - 1, -1, -1) if "valid_loss" in metrics[at]), None)
    if at is None:
        return []
    before = [row["loss"] for row in metrics[max(0, at + 1 - RECENT_STEPS) : at + 1] if "loss" in row]
    if not before:
        return []
    gap = metrics[at]["valid_loss"] - sum(before) / len(before)
    return [f"{abs(gap):.3g} {'above' if gap >= 0 else 'below'} training"]
