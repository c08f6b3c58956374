"""Tunes through OpenAI's fine-tuning jobs, at OpenAI, Azure, or any service that speaks its protocol.

Owns what is asked and told before a run, what a job is asked for, and what is deleted and cancelled. Does not own the
run (`openai_run`), the rows (`openai_rows`) nor the requests (`openai_service`).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import now_utc
from tunesmith.core.errors import DataError, RecipeError, RemoteError
from tunesmith.providers.hosted import ENDED, Availability, Estimate, cleaned, refuse_dear, status_of
from tunesmith.providers.openai_rows import render
from tunesmith.providers.openai_run import STATUSES, OpenAIRun
from tunesmith.providers.openai_service import OpenAIService
from tunesmith.providers.said import WAY_OUT, day_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.providers.hosted import Outcome, Rows, Tell
    from tunesmith.providers.journal import Journal
    from tunesmith.providers.openai_rows import Rendered
    from tunesmith.recipe import Recipe

_CLOSING = "OpenAI creates no tuning jobs from 2027-01-06 on, and for many accounts none today: that only a job tells"


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
        epochs, price = self.epochs_of(train), self.recipe.hosting.price
        usd = None
        if price is not None and price.training is not None:
            usd = train.tokens * epochs * price.training / 1e6
        notes = (f"{train.left_out:,} rows are left out as too long",) if train.left_out else ()
        if self.recipe.hosting.base_url is None:
            notes = (*notes, _CLOSING)
        return Estimate(
            len(train.lines), len(valid.lines), train.tokens, epochs, usd,
            "" if usd is not None else "provider.price.training", notes=(*notes, self.stopping_told(valid)),
        )  # fmt: skip

    def tune(self, rows: Rows, journal: Journal, tell: Tell) -> Outcome:
        """Tune from wherever the journal says an earlier process came to."""
        train, valid = render(self.recipe, rows, "train"), render(self.recipe, rows, "valid")
        if not journal.steps("job:") and not journal.unclear_steps("job:"):  # before anything is sent
            self.refuse_dear(train, valid)
        run = OpenAIRun(self, rows, journal, tell, train, valid)
        try:
            outcome = run.chained() if self.way(valid) == "chain" else run.at_once()
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

    def epochs_of(self, train: Rendered) -> int:
        """Return how many epochs are made, of ``max_steps`` as many as have so many steps."""
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

    def way(self, valid: Rendered) -> str:
        """Return how early stopping is done; empty if it is not."""
        stopping = self.recipe.train.regularise.early_stopping
        return self.recipe.hosting.stopping if stopping is not None and valid.lines else ""

    def stopping_told(self, valid: Rendered) -> str:
        """Return how early stopping is done, for people."""
        return {
            "checkpoints": "early stopping: the best by validation loss of the last three epochs' checkpoints",
            "chain": "early stopping: a job for each epoch, on top of the one before, until none gains",
            "watch": "early stopping: the job is cancelled when validation no longer gains, which may leave no model",
        }.get(self.way(valid), "no early stopping: the last epoch's model")

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
