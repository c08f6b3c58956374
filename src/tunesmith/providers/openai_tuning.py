"""Tunes through OpenAI's fine-tuning jobs, at OpenAI, Azure, or any service that speaks its protocol.

Owns one run: what is uploaded, which jobs are created, how they are watched, which model is chosen, what is deleted.
Does not own the rows (`openai_rows`), the requests (`openai_service`) nor the curves (`openai_curve`).
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import now_utc
from tunesmith.core.errors import DataError, RecipeError, RemoteError
from tunesmith.providers.hosted import (
    ENDED,
    LAST_STEP,
    Availability,
    Checkpoint,
    Estimate,
    Outcome,
    cleaned,
    refuse_dear,
    status_of,
)
from tunesmith.providers.openai_curve import Curve
from tunesmith.providers.openai_rows import render
from tunesmith.providers.openai_service import OpenAIService
from tunesmith.providers.said import WAY_OUT, day_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.providers.hosted import Rows, Status, Tell
    from tunesmith.providers.journal import Journal
    from tunesmith.providers.openai_rows import Rendered
    from tunesmith.recipe import Recipe

_CLOSING = "OpenAI creates no tuning jobs from 2027-01-06 on, and for many accounts none today: that only a job tells"
_UNMEASURED = "the service tells no losses of whole validations, so the last epoch's model is taken"
_PAGE = 100
"""Events of one answer of the service."""

STATUSES: dict[str, Status] = {
    "validating_files": "waiting", "queued": "waiting", "pending": "waiting", "running": "running",
    "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip
_NUMBERED = re.compile(r"\b(?:[Ee]xample|[Ll]ine|[Rr]ow) (\d+)")


class OpenAITuner:
    """Tunes the base of a recipe. Making one sends nothing, and needs no key before something is sent."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.base = recipe, recipe.base.split(":", 1)[1]
        self._service: OpenAIService | None = None

    @property
    def service(self) -> OpenAIService:
        """The endpoint, opened on first use."""
        if self._service is None:
            self._service = OpenAIService(self.recipe)
        return self._service

    def close(self) -> None:
        """Close the connections."""
        if self._service is not None:
            self._service.client.close()

    def available(self) -> Availability:
        """Ask what the service says of the base; that this account may tune it only a job tells."""
        service = self.service
        found = service.asked_if_there(lambda: service.client.models.retrieve(self.base))
        if found is None:
            if self.recipe.hosting.base_url is not None:  # others need not list what they tune
                return Availability(
                    "unknown", f"{service.url} does not list {self.base!r}; whether it tunes it a job tells"
                )
            return Availability(
                "unavailable", f"{service.url} has no model {self.base!r} for this account; {WAY_OUT}"
            )  # fmt: skip
        ends = day_of(getattr(found, "shutdown_date", None))
        if ends is None:
            return Availability("tunable", f"{self.base} is there, and no end of it is announced")
        if ends <= now_utc().date():
            return Availability("ended", f"{self.base} was shut down on {ends}; {WAY_OUT}", ends_on=ends)
        days = (ends - now_utc().date()).days
        told = f"{self.base}, and what is tuned from it, is shut down on {ends}, in {days} days"
        return Availability("tunable", told, ends_on=ends)

    def estimate(self, rows: Rows) -> Estimate:
        """Return what tuning takes, from the rows alone."""
        return self._estimate(render(self.recipe, rows, "train"), render(self.recipe, rows, "valid"))

    def _estimate(self, train: Rendered, valid: Rendered) -> Estimate:
        epochs, price = self._epochs(train), self.recipe.hosting.price
        usd = None
        if price is not None and price.training is not None:
            usd = train.tokens * epochs * price.training / 1e6
        notes = (f"{train.left_out:,} rows are left out as too long",) if train.left_out else ()
        if self.recipe.hosting.base_url is None:
            notes = (*notes, _CLOSING)
        return Estimate(
            len(train.lines), len(valid.lines), train.tokens, epochs, usd,
            "" if usd is not None else "provider.price.training", notes=(*notes, self._stopping_told(valid)),
        )  # fmt: skip

    def tune(self, rows: Rows, journal: Journal, tell: Tell) -> Outcome:
        """Tune from wherever the journal says an earlier process came to."""
        train, valid = render(self.recipe, rows, "train"), render(self.recipe, rows, "valid")
        if not journal.steps("job:") and not journal.unclear_steps("job:"):  # before anything is sent
            self.refuse_dear(train, valid)
        run = _Run(self, rows, journal, tell, train, valid)
        try:
            outcome = run.chained() if self._way(valid) == "chain" else run.at_once()
        except (RemoteError, DataError):
            wanted = self.recipe.hosting.clean_up and not run.under_way()
            if wanted and (note := cleaned(self, journal)):
                tell.said(note)
            raise
        note = cleaned(self, journal) if self.recipe.hosting.clean_up else ""
        return replace(outcome, notes=(*outcome.notes, note)) if note else outcome

    def refuse_dear(self, train: Rendered, valid: Rendered) -> None:
        """Refuse training that may cost more than the recipe allows.

        Raises:
            RecipeError: if it does.
        """
        refuse_dear(self._estimate(train, valid), self.recipe.hosting)

    def clean(self, journal: Journal) -> list[str]:
        """Delete the uploaded files; the tuned models stay. A file that cannot be deleted keeps no other."""
        deleted, left = [], dict[str, RemoteError]()
        for step, facts in journal.steps("upload:").items():
            name = str(facts["id"])
            try:
                self.service.asked_if_there(partial(self.service.client.files.delete, name))
            except RemoteError as error:
                left[name] = error
                continue
            journal.forget(step)
            deleted.append(name)
        if left:
            why = next(iter(left.values()))
            raise RemoteError(f"{', '.join(left)}: {why.message}", expected=why.expected, hint=why.hint)
        return deleted

    def cancel(self, journal: Journal) -> list[str]:
        """Cancel the jobs of a run that have not ended; returns their ids."""
        jobs, cancelled = self.service.client.fine_tuning.jobs, []
        for step in journal.unclear_steps("job:"):
            self.service.unclear_job(journal, step)
        for facts in journal.steps("job:").values():
            name = str(facts["id"])
            job = self.service.asked(partial(jobs.retrieve, name))
            if status_of(job.status, STATUSES) not in ENDED and self.service.cancelled(name):
                cancelled.append(name)
        return cancelled

    def _epochs(self, train: Rendered) -> int:
        epochs = math.ceil(self.recipe.train.epochs)
        if self.recipe.train.max_steps is None:
            return epochs
        size = self._batch(train)
        if size == "auto":
            raise RecipeError(
                "train.max_steps: how many examples a step has is the service's own choice",
                hint="train.batch_examples: 8, or train.epochs alone",
            )
        return max(1, min(epochs, math.ceil(self.recipe.train.max_steps * int(size) / len(train.lines))))

    def _batch(self, train: Rendered) -> int | str:
        settings = self.recipe.train
        if settings.batch_examples is not None:
            return settings.batch_examples
        if "batch_tokens" not in settings.model_fields_set or settings.batch_tokens == "auto":
            return "auto"
        mean = max(1.0, train.target_tokens / len(train.lines))
        return max(1, min(256, round(settings.batch_tokens / mean)))

    def _way(self, valid: Rendered) -> str:
        """Return how early stopping is done; empty if it is not."""
        stopping = self.recipe.train.regularise.early_stopping
        return self.recipe.hosting.stopping if stopping is not None and valid.lines else ""

    def _stopping_told(self, valid: Rendered) -> str:
        return {
            "checkpoints": "early stopping: the best by validation loss of the last three epochs' checkpoints",
            "chain": "early stopping: a job for each epoch, on top of the one before, until none gains",
            "watch": "early stopping: the job is cancelled when validation no longer gains, which may leave no model",
        }.get(self._way(valid), "no early stopping: the last epoch's model")

    def body(self, model: str, files: Sequence[str], epochs: int, train: Rendered) -> dict[str, Any]:
        """Return the request for a job."""
        recipe = self.recipe
        hyper: dict[str, Any] = {"n_epochs": epochs, "batch_size": self._batch(train)}
        if "peak_factor" in recipe.train.schedule.model_fields_set:
            hyper["learning_rate_multiplier"] = recipe.train.schedule.peak_factor
        kind = "dpo" if recipe.objective == "dpo" else "supervised"
        if kind == "dpo":
            hyper["beta"] = recipe.train.preference.strength
        body: dict[str, Any] = {
            "model": model, "training_file": files[0], "seed": recipe.seed,
            "suffix": recipe.hosting.suffix or re.sub(r"[^a-z0-9-]", "-", recipe.name)[:18],
            "method": {"type": kind, kind: {"hyperparameters": hyper}},
        }  # fmt: skip
        return body | ({"validation_file": files[1]} if len(files) > 1 else {})


@dataclass
class _Run:
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
            self.journal.unclear(f"job:{number}") is not None for number in range(self.tuner._epochs(self.train))
        )

    def at_once(self) -> Outcome:
        """Train by one job; of its checkpoints that with the lowest validation loss is taken."""
        epochs, way = self.tuner._epochs(self.train), self.tuner._way(self.valid)
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
        epochs, by = self.tuner._epochs(self.train), LAST_STEP
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
        if best is not None or not self.tuner._way(self.valid):
            self.notes.append(self.tuner._stopping_told(self.valid))
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
            chained = self.tuner._way(self.valid) == "chain"  # which buys the next epoch or not by what events tell
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
            chosen=bool(self.tuner._way(self.valid)),
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
