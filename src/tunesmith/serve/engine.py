"""The engine: questions in, answers out, one after the other.

Owns the queue, the thread that computes, models in memory, and how each task is answered: a classification by the
probability of every label, anything else by generation. Does not own HTTP (`app`) nor which model a name stands for
(`catalog`).
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tunesmith.core.errors import TunesmithError
from tunesmith.core.progress import say
from tunesmith.serve.errors import ApiError, bad_request, draining, queue_full

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.models.load import LoadedModel
    from tunesmith.serve.catalog import Served
    from tunesmith.text.examples import Message
    from tunesmith.text.task import TaskSpec

MODELS_IN_MEMORY = 2
"""The one in production and the one it is being replaced by."""

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
        cancelled: set by the asker who no longer listens.
    """

    served: Served
    messages: list[Message]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stops: tuple[str, ...] = ()
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some more text of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``label`` and ``probability`` are those of a classification, else None."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    label: str | None = None
    probability: float | None = None


Event = Piece | Answer | ApiError
"""What an asker is told: pieces, then the answer, or an error at any moment."""


class Engine(Protocol):
    """Whatever can answer questions."""

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        """Take a question; ``deliver`` is called from another thread, last with an Answer or an ApiError.

        Raises:
            ApiError: 429 when too many are waiting, 503 when closing.
        """

    def warm(self, served: Sequence[Served]) -> None:
        """Load models before anybody asks, in the background."""

    def status(self) -> dict[str, Any]:
        """Return counts for ``/healthz``."""

    def close(self) -> None:
        """Answer what is waiting, then stop."""


@dataclass(slots=True)
class _Job:
    question: Question
    deliver: Callable[[Event], None]
    finished: bool = False


@dataclass
class _Ready:
    """A model in memory with all that its task needs."""

    loaded: LoadedModel
    task: TaskSpec
    label_ids: list[list[int]]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.task.labels


class EmbeddedEngine:
    """Answers in this process with transformers and PEFT, on one worker thread.

    Args:
        queue_size: questions that may wait; one more is refused.
        device: where models run; ``auto`` takes a GPU if there is one.
        precision: see `models.precision.choose_precision`.
    """

    def __init__(self, queue_size: int = 64, *, device: str = "auto", precision: str = "auto") -> None:
        self._device = device
        self._precision = precision
        self._waiting: queue.Queue[_Job | Served | None] = queue.Queue()
        self._queue_size = queue_size
        self._models: OrderedDict[str, _Ready] = OrderedDict()
        self._lock = threading.Lock()
        self._closing = False
        self._counts = {"answered": 0, "failed": 0, "cancelled": 0, "shed": 0, "loads": 0}
        self._pending = 0
        self._thread = threading.Thread(target=self._work, name="tunesmith-engine", daemon=True)
        self._thread.start()

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        """Take a question; see `Engine`."""
        with self._lock:
            if self._closing:
                raise draining()
            if self._pending > self._queue_size:  # one is being answered, the others wait
                self._counts["shed"] += 1
                raise queue_full(self._pending - 1)
            self._pending += 1
            self._waiting.put(_Job(question, deliver))

    def warm(self, served: Sequence[Served]) -> None:
        """Load models before anybody asks; see `Engine`."""
        for one in served:
            self._waiting.put(one)

    def status(self) -> dict[str, Any]:
        """Return counts; see `Engine`."""
        with self._lock:
            return {
                **self._counts,
                "pending": self._pending,
                "queue_size": self._queue_size,
                "loaded": list(self._models),
                "alive": self._thread.is_alive(),
            }

    def close(self) -> None:
        """Answer what is waiting, then stop; see `Engine`."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._waiting.put(None)
        self._thread.join()

    # -- the worker thread --

    def _work(self) -> None:
        held: _Job | Served | None = None
        while True:
            item = held if held is not None else self._waiting.get()
            held = None
            if item is None:
                return
            if not isinstance(item, _Job):
                self._warm_one(item)
                continue
            jobs, held = self._with_companions(item)
            self._answer(jobs)
            if held is None and self._closing and self._waiting.empty():
                return

    def _with_companions(self, first: _Job) -> tuple[list[_Job], _Job | Served | None]:
        """Return the job and the ones waiting right behind it that one pass can answer, and the next other item."""
        jobs = [first]
        ready = self._models.get(first.question.served.model_id)
        while ready is not None and ready.labels and len(jobs) < BATCH:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return jobs, None
            if not isinstance(item, _Job) or item.question.served.model_id != first.question.served.model_id:
                return jobs, item
            jobs.append(item)
        return jobs, None

    def _answer(self, jobs: list[_Job]) -> None:
        wanted = []
        for job in jobs:
            if job.question.cancelled.is_set():
                self._finish(job, "cancelled")
            else:
                wanted.append(job)
        if not wanted:
            return
        try:
            ready = self._ready(wanted[0].question.served)
            if ready.labels:
                self._classify(ready, wanted)
            else:
                self._generate(ready, wanted[0])
        except ApiError as error:
            self._refuse(wanted, error)
        except Exception as error:  # one answer's bug must not end the thread that gives all of them
            say(f"cannot answer with {wanted[0].question.served.model_id}: {type(error).__name__}: {error}")
            self._refuse(wanted, ApiError(500, "The model failed to answer.", code="engine_error"))

    def _classify(self, ready: _Ready, jobs: list[_Job]) -> None:
        """Answer with the most probable label of each; see `models.score.label_scores`."""
        import numpy as np

        from tunesmith.models.score import label_scores

        longest = max(map(len, ready.label_ids))
        asked = [(job, ids) for job in jobs if (ids := self._prompt(ready, job, longest)) is not None]
        prompts = [ids for _, ids in asked]
        scores = label_scores(ready.loaded, prompts, ready.label_ids, precision=self._precision)
        for (job, ids), row in zip(asked, scores, strict=True):
            best = int(np.argmax(row))
            label = ready.labels[best]
            tokens = len(ready.label_ids[best])
            job.deliver(Piece(label))
            answer = Answer(label, len(ids), tokens, "stop", label, float(np.exp(row[best])))
            self._finish(job, "answered", answer)

    def _generate(self, ready: _Ready, job: _Job) -> None:
        """Answer token by token; text is delivered as soon as it is certain."""
        from tunesmith.models.generate import Decoding, stream
        from tunesmith.serve.text_stream import TextStream

        question = job.question
        if (ids := self._prompt(ready, job, 1)) is None:
            return
        limit = min(question.max_tokens, ready.loaded.context_tokens - len(ids))
        decoding = Decoding(limit, question.temperature, question.top_p, seed=question.seed, precision=self._precision)
        text = TextStream(ready.loaded.tokenizer, question.stops)
        pieces: list[str] = []
        tokens = 0
        for token in stream(ready.loaded, ids, decoding):
            tokens += 1
            if piece := text.push(token):
                pieces.append(piece)
                job.deliver(Piece(piece))
            if text.ended or question.cancelled.is_set():
                break
        if question.cancelled.is_set():
            self._finish(job, "cancelled")
            return
        if rest := text.finish():
            pieces.append(rest)
            job.deliver(Piece(rest))
        reason = "length" if tokens == limit and not text.ended else "stop"
        self._finish(job, "answered", Answer("".join(pieces), len(ids), tokens, reason))

    def _prompt(self, ready: _Ready, job: _Job, room: int) -> list[int] | None:
        """Return the prompt's tokens, or refuse the job if not even ``room`` tokens are left for the answer."""
        from tunesmith.text.chat import prompt_ids

        ids = prompt_ids(ready.loaded.tokenizer, ready.task.prompt(job.question.messages))
        context = ready.loaded.context_tokens
        if len(ids) + room <= context:
            return ids
        message = f"This model reads {context} tokens at most; the messages are {len(ids)} tokens and {room} are needed"
        self._refuse([job], bad_request(f"{message} for the answer.", "messages", "context_length_exceeded"))
        return None

    def _refuse(self, jobs: list[_Job], error: ApiError) -> None:
        for job in jobs:
            self._finish(job, "failed", error)

    def _finish(self, job: _Job, how: str, last: Event | None = None) -> None:
        """Count a job as done, once, and tell its asker the last word."""
        if job.finished:
            return
        job.finished = True
        with self._lock:
            self._counts[how] += 1
            self._pending -= 1
        if last is not None:
            job.deliver(last)

    # -- models in memory --

    def _warm_one(self, served: Served) -> None:
        with contextlib.suppress(ApiError):  # said already, and whoever asks for it is told
            self._ready(served)

    def _ready(self, served: Served) -> _Ready:
        """Return the model, loaded on first use; the least recently used one makes room.

        Raises:
            ApiError: 503 if it cannot be loaded.
        """
        if served.model_id in self._models:
            self._models.move_to_end(served.model_id)
            return self._models[served.model_id]
        try:
            ready = _load(served, self._device)
        except TunesmithError as error:
            say(f"cannot load {served.model_id}: {error}")
            raise ApiError(503, f"The model {served.model_id} cannot be loaded.", code="model_unavailable") from error
        with self._lock:
            self._counts["loads"] += 1
            self._models[served.model_id] = ready
            while len(self._models) > MODELS_IN_MEMORY:
                self._models.popitem(last=False)
        return ready


def _load(served: Served, device: str) -> _Ready:
    import torch

    from tunesmith.models.load import load_model
    from tunesmith.text.parity import check_samples
    from tunesmith.text.task import TaskSpec

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    loaded = load_model(served.folder, device=device)
    check_samples(served.folder, loaded.tokenizer)
    task = TaskSpec.load(served.folder)
    return _Ready(loaded, task, [_answer_ids(loaded, label) for label in task.labels])


def _answer_ids(loaded: LoadedModel, answer: str) -> list[int]:
    """Return the tokens of an answer as it was learnt, with the token that ends the turn."""
    from tunesmith.text.chat import render

    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
    rendered = render(loaded.tokenizer, turns)
    return [token for token, target in zip(rendered.ids, rendered.targets, strict=True) if target]
