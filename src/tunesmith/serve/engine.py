"""The engine: questions in, answers out.

Owns the queue, the thread that computes, the thread that loads, and which models are in memory. Loading never stops
the answering: a question whose model is not in memory waits beside the queue while others are answered. Does not own
how a question is answered (`answering`), HTTP (`app`), nor which model a name stands for (`catalog`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tunesmith.core.progress import say
from tunesmith.serve.errors import ApiError, draining, queue_full

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tunesmith.serve.answering import Ready
    from tunesmith.serve.catalog import Served
    from tunesmith.text.examples import Message

MODELS_IN_MEMORY = 3
"""Production, candidate, and the one that is about to replace either."""

BATCH = 16
"""Waiting classifications answered by one pass over the model."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to answer, with which model, and how.

    Args:
        served: the model.
        messages: the conversation as the client sent it; the task's prompt is not applied yet.
        max_tokens: most tokens of the answer; what the model's context leaves is the limit above it.
        temperature: 0 takes the most probable token.
        top_p: sample from the smallest set of tokens with at least this probability.
        seed: of the sampling.
        stops: strings that end the answer.
        given: sampling parameters as the client gave them, for engines that have defaults of their own.
        cancelled: set by the asker who no longer listens.
    """

    served: Served
    messages: list[Message]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stops: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more text of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Args:
        text: what the asker sees.
        prompt_ids: the tokens that the model was asked with.
        ids: the tokens of the answer.
        finish_reason: ``stop`` or ``length``.
        made_in: how it was computed; see `LoadedModel.arithmetic`.
        labels: those of a classification with their probabilities, best first, else None.
        counted: tokens of the question and the answer, where a service counted them and told no ids.
    """

    text: str
    prompt_ids: list[int]
    ids: list[int]
    finish_reason: str
    made_in: str
    labels: tuple[tuple[str, float], ...] | None = None
    counted: tuple[int, int] | None = None

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the model was asked with."""
        return self.counted[0] if self.counted else len(self.prompt_ids)

    @property
    def completion_tokens(self) -> int:
        """How many tokens the answer has."""
        return self.counted[1] if self.counted else len(self.ids)


Event = Piece | Answer | ApiError
"""What an asker is told: pieces, then the answer, or an error at any moment."""


class Engine(Protocol):
    """Whatever can answer questions."""

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        """Take a question; ``deliver`` is called from another thread, last with an Answer or an ApiError.

        Raises:
            ApiError: 429 when too many are waiting, 503 when closing.
        """

    def warm(self, served: Served) -> None:
        """Load a model before anybody asks, in the background; what is loaded or being loaded is left alone."""

    def loaded(self) -> set[str]:
        """Return the ids of the models that can answer without loading."""

    def broken(self) -> dict[str, str]:
        """Return why models could not be loaded, by id."""

    def status(self) -> dict[str, Any]:
        """Return counts for ``/healthz``."""

    def close(self) -> None:
        """Answer what is waiting, then stop."""


@dataclass(slots=True, eq=False)
class Job:
    """A question on its way through the engine, and whom to tell."""

    question: Question
    deliver: Callable[[Event], None]
    finished: bool = False

    @property
    def model_id(self) -> str:
        """The model it asks."""
        return self.question.served.model_id


class EmbeddedEngine:
    """Answers in this process with transformers and PEFT.

    Args:
        queue_size: questions that may wait; one more is refused.
        device: where models run; ``auto`` takes a GPU if there is one.
    """

    def __init__(self, queue_size: int = 64, *, device: str = "auto") -> None:
        self._device = device
        self.queue_size = queue_size
        self._models: OrderedDict[str, Ready] = OrderedDict()
        self._broken: dict[str, str] = {}
        self._counts = {"answered": 0, "refused": 0, "failed": 0, "cancelled": 0, "shed": 0, "loads": 0}
        self._pending = 0
        self._closing = False
        self._lock = threading.Condition()
        self._jobs: list[Job] = []
        self._to_load: OrderedDict[str, Served] = OrderedDict()
        self._waiting: dict[str, list[Job]] = {}
        self._threads = [
            threading.Thread(target=work, name=f"tunesmith-{work.__name__.strip('_')}", daemon=True)
            for work in (self._compute, self._load)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        """Take a question; see `Engine`."""
        with self._lock:
            if self._closing:
                raise draining()
            if self._pending > self.queue_size:  # one is being answered, the others wait
                self._counts["shed"] += 1
                raise queue_full(self._pending - 1)
            self._pending += 1
            self._queue(Job(question, deliver))

    def warm(self, served: Served) -> None:
        """Load a model before anybody asks; see `Engine`."""
        with self._lock:
            if served.model_id not in self._models and not self._closing:
                self._to_load.setdefault(served.model_id, served)
                self._lock.notify_all()

    def loaded(self) -> set[str]:
        """Return what is in memory; see `Engine`."""
        with self._lock:
            return set(self._models)

    def broken(self) -> dict[str, str]:
        """Return what cannot be loaded; see `Engine`."""
        with self._lock:
            return dict(self._broken)

    def status(self) -> dict[str, Any]:
        """Return counts; see `Engine`."""
        with self._lock:
            return {
                **self._counts,
                "pending": self._pending,
                "queue_size": self.queue_size,
                "loaded": list(self._models),
                "broken": dict(self._broken),
                "alive": all(thread.is_alive() for thread in self._threads),
            }

    def close(self) -> None:
        """Answer what is waiting, then stop; see `Engine`."""
        with self._lock:
            self._closing = True
            for model_id in [one for one in self._to_load if one not in self._waiting]:
                del self._to_load[model_id]  # nobody waits for it
            self._lock.notify_all()
        for thread in self._threads:
            thread.join()

    def _queue(self, job: Job) -> None:
        """Put a job where it can go on: to be computed, or to wait for its model."""
        if job.model_id in self._models:
            self._jobs.append(job)
        else:
            self._waiting.setdefault(job.model_id, []).append(job)
            self._to_load.setdefault(job.model_id, job.question.served)
        self._lock.notify_all()

    # -- the thread that computes --

    def _compute(self) -> None:
        while (taken := self._next_jobs()) is not None:
            ready, jobs = taken
            wanted = [job for job in jobs if not self._gave_up(job)]
            try:
                if wanted:
                    self._answer(ready, wanted)
            except Exception as error:  # one answer's bug must not end the thread that gives all of them
                say(f"cannot answer with {jobs[0].model_id}: {type(error).__name__}: {error}")
                for job in wanted:
                    self._finish(job, "failed", ApiError(500, "The model failed to answer.", code="engine_error"))

    def _next_jobs(self) -> tuple[Ready, list[Job]] | None:
        """Wait for work; None when closing and all is answered. Classifications of one model come together."""
        with self._lock:
            while True:
                if self._jobs:
                    job = self._jobs.pop(0)
                    if (ready := self._models.get(job.model_id)) is not None:
                        self._models.move_to_end(job.model_id)
                        return ready, [job, *self._companions(ready, job)]
                    self._queue(job)  # it lost its place in memory meanwhile
                elif self._closing and not self._pending:
                    self._lock.notify_all()
                    return None
                else:
                    self._lock.wait()

    def _companions(self, ready: Ready, first: Job) -> list[Job]:
        if not ready.labels:
            return []
        found = [job for job in self._jobs if job.model_id == first.model_id][: BATCH - 1]
        self._jobs = [job for job in self._jobs if job not in found]
        return found

    def _answer(self, ready: Ready, jobs: list[Job]) -> None:
        """Ask the model; refusals are told at once, the others when they are there."""
        asked: list[tuple[Job, list[int]]] = []
        for job in jobs:
            try:
                asked.append((job, ready.prompt(job.question)))
            except ApiError as error:
                self._finish(job, "refused", error)
        if ready.labels and asked:
            for (job, _), answer in zip(asked, ready.classify([ids for _, ids in asked]), strict=True):
                job.deliver(Piece(answer.text))
                self._finish(job, "answered", answer)
            return
        for job, ids in asked:
            generated = ready.generate(ids, job.question, job.deliver)
            if generated is None:
                self._finish(job, "cancelled")
            else:
                self._finish(job, "answered", generated)

    def _gave_up(self, job: Job) -> bool:
        if job.question.cancelled.is_set():
            self._finish(job, "cancelled")
            return True
        return False

    def _finish(self, job: Job, how: str, last: Event | None = None) -> None:
        """Count a job as done, once, and tell its asker the last word."""
        if job.finished:
            return
        job.finished = True
        with self._lock:
            self._counts[how] += 1
            self._pending -= 1
            self._lock.notify_all()
        if last is not None:
            job.deliver(last)

    # -- the thread that loads --

    def _load(self) -> None:
        while (served := self._next_to_load()) is not None:
            try:
                from tunesmith.serve.answering import Ready

                ready = Ready.load(served, self._device)
            except Exception as error:  # whatever is wrong with this model, the others go on being served
                self._give_up_loading(served, error)
            else:
                self._take_in(served, ready)

    def _next_to_load(self) -> Served | None:
        with self._lock:
            while not self._to_load:
                if self._closing and not self._pending:
                    return None
                self._lock.wait()
            return next(iter(self._to_load.values()))

    def _take_in(self, served: Served, ready: Ready) -> None:
        """Put a model into memory, the least recently used one making room, and let its questions go on."""
        with self._lock:
            self._counts["loads"] += 1
            self._models[served.model_id] = ready
            self._broken.pop(served.model_id, None)
            while len(self._models) > MODELS_IN_MEMORY:
                self._models.popitem(last=False)
            self._to_load.pop(served.model_id, None)
            self._jobs = self._waiting.pop(served.model_id, []) + self._jobs
            self._lock.notify_all()

    def _give_up_loading(self, served: Served, error: Exception) -> None:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        say(f"cannot load {served.model_id}: {error}")
        with self._lock:
            self._broken[served.model_id] = reason
            self._to_load.pop(served.model_id, None)
            jobs = self._waiting.pop(served.model_id, [])
        for job in jobs:
            refusal = ApiError(503, f"The model {served.model_id} cannot be loaded.", code="model_unavailable")
            self._finish(job, "failed", refusal)
