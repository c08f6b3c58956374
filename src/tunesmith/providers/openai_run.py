"""One run through OpenAI's fine-tuning jobs, from files to the model that is chosen, through any kill.

Owns which jobs are created, how they are watched, what of them is told, and which model is taken. Does not own what a
job is asked for (`openai_tuning`), the requests (`openai_service`) nor the curves (`openai_curve`).
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, RemoteError
from tunesmith.providers.hosted import ENDED, LAST_STEP, Checkpoint, Outcome, status_of
from tunesmith.providers.openai_curve import Curve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.providers.hosted import Rows, Status, Tell
    from tunesmith.providers.journal import Journal
    from tunesmith.providers.openai_rows import Rendered
    from tunesmith.providers.openai_tuning import OpenAITuner

_UNMEASURED = "the service tells no losses of whole validations, so the last epoch's model is taken"
_PAGE = 100
"""Events of one answer of the service."""

STATUSES: dict[str, Status] = {
    "validating_files": "waiting", "queued": "waiting", "pending": "waiting", "running": "running",
    "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip
_NUMBERED = re.compile(r"\b(?:[Ee]xample|[Ll]ine|[Rr]ow) (\d+)")


@dataclass
class OpenAIRun:
    """One run: its files, its jobs, what was told and measured."""

    tuner: OpenAITuner
    rows: Rows
    journal: Journal
    tell: Tell
    train: Rendered
    valid: Rendered
    notes: list[str] = field(default_factory=list)
    tokens: int = 0
    _running: bool = False

    def under_way(self) -> bool:
        """Tell whether a job may still need the files."""
        return self._running or any(
            self.journal.unclear(f"job:{number}") is not None for number in range(self.tuner.epochs_of(self.train))
        )

    def at_once(self) -> Outcome:
        """Train by one job; of its checkpoints that with the lowest validation loss is taken."""
        epochs, way = self.tuner.epochs_of(self.train), self.tuner.way(self.valid)
        job, curve = self._job(0, self.tuner.base, epochs, Curve(), watch=way == "watch")
        points = self._checkpoints(job.id)
        losses = {
            one.step: one.metrics["full_valid_loss"] for one in points if "full_valid_loss" in one.metrics
        } if way else {}  # fmt: skip
        best = min(losses, key=lambda step: (losses[step], step), default=None)
        chosen = next((one.model for one in points if one.step == best), None)
        last = max((one.step for one in points), default=None)
        model = job.fine_tuned_model if best is None or best == last else chosen
        model = model or chosen
        stopped = status_of(job.status, STATUSES) == "cancelled"
        if not model:
            raise RemoteError(
                f"job {job.id} ended as {job.status} and left no model" + self._moderated(),
                hint="provider.stopping: checkpoints, which cancels nothing"
                if stopped
                else "see the service's console",
            )
        if way and best is None:
            self.notes.append(_UNMEASURED)
        early = stopped or (best is not None and best != last)
        found = {"step": best, "metric": "valid_loss", "value": losses[best]} if best is not None else None
        return self._outcome(
            model, [job.id], points, curve, epochs, "early stopping" if early else LAST_STEP, found
        )  # fmt: skip

    def chained(self) -> Outcome:
        """Train by a job for each epoch, each on top of the one before, until validation no longer gains."""
        stopping = self.tuner.recipe.train.regularise.early_stopping
        assert stopping is not None
        delta = 0.0 if stopping.min_delta == "auto" else stopping.min_delta
        model, models, jobs, curve, stall = self.tuner.base, [], [], Curve(), 0
        best: tuple[float, int, str] | None = None
        epochs, by = self.tuner.epochs_of(self.train), LAST_STEP
        for number in range(epochs):
            job, curve = self._job(number, model, 1, curve)
            jobs.append(job.id)
            if not job.fine_tuned_model:
                raise RemoteError(f"job {job.id} ended as {job.status} and left no model" + self._moderated())
            model = job.fine_tuned_model
            measured = [one for one in curve.validations() if one[0] > curve.before]
            if not measured:
                models.append(Checkpoint(model, max(curve.rows, default=curve.before)))
                continue
            step, loss = measured[-1]
            models.append(Checkpoint(model, step, {"full_valid_loss": loss}))
            gains = best is None or loss < best[0] - delta
            best, stall = ((loss, step, model), 0) if gains else (best, stall + 1)
            if stall >= stopping.patience:
                by = "early stopping"
                break
        if best is None:
            self.notes.append(_UNMEASURED)
            return self._outcome(model, jobs, models, curve, len(jobs), by, None)
        found = {"step": best[1], "metric": "valid_loss", "value": best[0]}
        return self._outcome(best[2], jobs, models, curve, len(jobs), by, found)

    def _outcome(
        self, model: str, jobs: list[str], points: list[Checkpoint], curve: Curve, epochs: int, by: str,
        best: dict[str, Any] | None,
    ) -> Outcome:  # fmt: skip
        if best is not None or not self.tuner.way(self.valid):
            self.notes.append(self.tuner.stopping_told(self.valid))
        return Outcome(
            model, tuple(jobs), tuple(points), curve.ordered(), self.tokens or None, epochs, by, best,
            notes=tuple(dict.fromkeys(self.notes)),
        )  # fmt: skip

    def _job(self, number: int, model: str, epochs: int, before: Curve, watch: bool = False) -> tuple[Any, Curve]:
        """Return a job that has ended well, created unless it was before, and the curve up to its end."""
        step, service = f"job:{number}", self.tuner.service
        if self.journal.of(step) is None and not service.unclear_job(self.journal, step):
            self.tuner.refuse_dear(self.train, self.valid)
            body = self.tuner.body(model, self._files(), epochs, self.train)
            service.job(self.journal, step, body)
        name = str((self.journal.of(step) or {})["id"])
        self.tell.said(f"job {name} at {service.url}")
        last = max(before.rows, default=0)
        curve = Curve(last, rows=dict(before.rows))
        self._running = True
        job = self._followed(name, curve, watch)
        self._running = False
        self.tokens += job.trained_tokens or 0
        self._refuse_failed(job)
        if not curve.validations() or len(curve.rows) == len(before.rows):
            self._result_files(job, curve)
        return job, curve

    def _files(self) -> list[str]:
        files = []
        for split, made in (("train", self.train), ("valid", self.valid)):
            if made.lines:
                path = made.save(self.rows.folder / f"{split}.jsonl")
                files.append(self.tuner.service.file(self.journal, f"upload:{split}", path))
        return files

    def _followed(self, name: str, curve: Curve, watch: bool) -> Any:
        """Wait until a job ends, telling what it tells. A word for a status that nobody knows says nothing."""
        service = self.tuner.service
        jobs, strange, cancelled = service.client.fine_tuning.jobs, set(), False
        while True:
            job = service.asked(lambda: jobs.retrieve(name))
            ask = partial(self._unseen, name, curve)
            chained = self.tuner.way(self.valid) == "chain"  # which buys the next epoch or not by what events tell
            events = service.asked(ask) if chained else self._beside("events", ask, [])
            rows, said = curve.take(events)
            for sentence in said:
                self.tell.said(sentence)
            self.notes += [str(one.message) for one in events if str(one.type) == "moderation_checks"]
            for row in rows:
                self.tell.measured(row, curve.total_steps)
            status = status_of(job.status, STATUSES)
            if status in ENDED:
                return job
            if status == "unknown" and job.status not in strange:
                strange.add(job.status)
                self.tell.said(f"the job is {job.status!r}, a state that is not known here; waiting on")
            if watch and not cancelled and self._stalled(curve) and max(curve.rows) != curve.total_steps:
                cancelled = True
                self.journal.done("cancel", id=name)
                try:
                    service.cancelled(name)
                except RemoteError as error:
                    self.tell.said(f"the job goes on: {error.message}")
            time.sleep(service.poll_s)

    def _unseen(self, name: str, curve: Curve) -> list[Any]:
        return curve.unseen(self.tuner.service.client.fine_tuning.jobs.list_events(name, limit=_PAGE), _PAGE)

    def _stalled(self, curve: Curve) -> bool:
        stopping = self.tuner.recipe.train.regularise.early_stopping
        assert stopping is not None
        delta = 0.0 if stopping.min_delta == "auto" else stopping.min_delta
        best, stall = math.inf, 0
        for _, loss in curve.validations():
            best, stall = (loss, 0) if loss < best - delta else (best, stall + 1)
        return stall >= stopping.patience

    def _refuse_failed(self, job: Any) -> None:
        status = status_of(job.status, STATUSES)
        if status == "cancelled" and self.journal.of("cancel") is None:
            self._forget(job)
            raise RemoteError(f"job {job.id} was cancelled", hint="the same command makes a new one")
        if status != "failed":
            return
        error = job.error if job.error and getattr(job.error, "code", None) else None
        why = str(error.message) if error else "the service does not say why" + self._moderated()
        split = self.valid if error and error.param == "validation_file" else self.train
        places = [f"{place} (its example {number})" for number in _NUMBERED.findall(why)
                  if (place := split.place(int(number)))]  # fmt: skip
        self._forget(job)
        if places or (error and error.param in ("training_file", "validation_file")):
            raise DataError(
                f"job {job.id} failed by its data: {why}" + (f"\n- {', '.join(places)}" if places else ""),
                hint="mend or remove these rows, then train again",
            )
        raise RemoteError(f"job {job.id} failed: {why}", hint="train again makes a new one; see the service's console")

    def _forget(self, job: Any) -> None:
        """Note that a job came to nothing, so that the next process makes a new one."""
        self.journal.forget(next(step for step, one in self.journal.steps("job:").items() if one["id"] == job.id))

    def _moderated(self) -> str:
        return f" ({'; '.join(dict.fromkeys(self.notes))})" if self.notes else ""

    def _checkpoints(self, name: str) -> list[Checkpoint]:
        service = self.tuner.service
        jobs = service.client.fine_tuning.jobs
        listed = self._beside(
            "checkpoints",
            lambda: list(jobs.checkpoints.list(name, limit=100)),
            [],
            chosen=bool(self.tuner.way(self.valid)),
        )
        made = [
            Checkpoint(
                one.fine_tuned_model_checkpoint, one.step_number,
                {key: float(value) for key, value in one.metrics.model_dump().items() if value is not None},
            )
            for one in listed
        ]  # fmt: skip
        return sorted(made, key=lambda one: one.step)

    def _result_files(self, job: Any, curve: Curve) -> None:
        files = self.tuner.service.client.files
        for name in job.result_files or ():
            content = self._beside(f"result file {name}", partial(files.content, name), None)
            if content is not None:
                curve.result_file(content.read())

    def _beside(self, what: str, call: Callable[[], Any], instead: Any, chosen: bool = False) -> Any:
        """Return what a call gives; what cannot be had beside a model that is paid for is told once, not raised.

        ``chosen``: the model is chosen by it, so that what passes is waited for: the next process asks again.
        """
        try:
            return self.tuner.service.asked(call)
        except RemoteError as error:
            if chosen and (getattr(error.__cause__, "status_code", None) or 500) >= 500:
                raise
            note = f"the {what} cannot be had: {error.message}"
            if note not in self.notes:
                self.notes.append(note)
                self.tell.said(note)
            return instead
