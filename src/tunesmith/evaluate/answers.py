"""What a model answers to test rows, how sure it is, and how probable it finds the right answer.

A classification is answered by the probabilities of the labels, so every answer is a label; anything else by greedy
generation. Does not own prompts of baselines (`baselines`) nor what is right (`grading`).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.disk import write_whole
from tunesmith.core.progress import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tunesmith.core.progress import Bar
    from tunesmith.evaluate.grading import Columns
    from tunesmith.models.load import LoadedModel
    from tunesmith.text.examples import Example, Message

LEAST_PROBABILITY = 1e-9
"""Labels less probable than this, and those a model does not know, count as this probable."""

CHUNK_ROWS = 64
"""Rows between two moves of the progress bar."""

CHOOSING_ROWS = 256
"""The same for choosing among labels: few of many rows need the last passes."""


@dataclass(frozen=True)
class Answers:
    """Answers to some rows, one value per row.

    ``confidences``: probability of the given answer (for generated text, the geometric mean per token). ``nats``:
    negative log-likelihood of the right answer over ``tokens`` tokens (a label counts as one; 0 if it could not be
    scored). ``too_long`` rows did not fit into the model's context: their answer is empty, which is wrong.
    ``cut`` answers were ended by the limit of new tokens. Of preferences only: ``leads``, by how much the chosen answer
    is preferred to the rejected one, and ``margins``, its implicit reward above that one's, in nats. Of generated text
    only: ``written``, its tokens without the one that ends it. ``graded``: columns that some metrics alone need, which
    are not saved.
    """

    texts: list[str]
    confidences: list[float]
    nats: list[float]
    tokens: list[int]
    too_long: int = 0
    cut: int = 0
    leads: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    graded: Columns = field(default_factory=dict)

    def at(self, rows: Sequence[int]) -> Answers:
        """Return the answers to some of the rows."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        lists: dict[str, Any] = {
            name: [value[row] for row in rows] for name, value in own.items() if isinstance(value, list) and value
        }
        return replace(self, **lists, graded={})

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Return the answers to several sets of rows, one after the other."""
        lists: dict[str, Any] = {
            one.name: [value for part in parts for value in getattr(part, one.name)]
            for one in fields(cls)
            if one.name not in ("too_long", "cut", "graded")
        }
        return cls(**lists, too_long=sum(one.too_long for one in parts), cut=sum(one.cut for one in parts))

    def save(self, path: Path) -> None:
        """Write to a file that is complete or not there."""
        write_whole(path, json.dumps({**asdict(self), "graded": {}}))

    @classmethod
    def load(cls, path: Path) -> Answers:
        """Read what `save` wrote; floats come back exactly."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass
class Contender:
    """A model in memory with its way to ask: ``prompt`` makes the messages before the answer.

    ``labels`` is empty unless the answers are the labels of a classification.
    """

    name: str
    loaded: LoadedModel
    prompt: Callable[[Example], list[Message]]
    labels: tuple[str, ...] = ()
    max_new_tokens: int = 128
    precision: str = "auto"

    def answer(self, examples: Sequence[Example]) -> Answers:
        """Return the answers to the examples, in order."""
        with steps(f"answers of {self.name}", len(examples)) as bar:
            if self.labels:
                return _choose_labels(self, examples, bar)
            return _write(self, examples, bar)


def expected_of(example: Example) -> str:
    """Return the right answer's text; for an answer that is tool calls, their JSON."""
    last = example.messages[-1]
    if not example.target_text and last.get("tool_calls"):
        return json.dumps(last["tool_calls"], ensure_ascii=False, sort_keys=True)
    return example.target_text


def until_stop(text: str, stops: Sequence[str]) -> str:
    """Return what an answer shows: the text before the first token that stops it; a label that is one stays."""
    shown = min((text.index(stop) for stop in stops if stop in text), default=len(text))
    return text[:shown] or text


def label_answers(
    labels: Sequence[str], log_probabilities: NDArray[np.float64], expected: Sequence[str]
) -> tuple[list[str], list[float], list[float]]:
    """Return the most probable label of each row, its probability, and the nats of the expected one."""
    place = {label: number for number, label in enumerate(labels)}
    best = log_probabilities.argmax(1)
    confidences = np.exp(log_probabilities[np.arange(len(best)), best])
    most = -math.log(LEAST_PROBABILITY)
    nats = [
        min(-float(row[place[right]]), most) if right in place else most
        for row, right in zip(log_probabilities, expected, strict=True)
    ]
    return [labels[i] for i in best], confidences.tolist(), [max(0.0, one) for one in nats]


def _choose_labels(asked: Contender, examples: Sequence[Example], bar: Bar) -> Answers:
    from tunesmith.models.score import label_scores
    from tunesmith.text.chat import answer_ids, prompt_ids

    loaded = asked.loaded
    prompts = [prompt_ids(loaded.tokenizer, asked.prompt(one), one.tools) for one in examples]
    labels = [answer_ids(loaded.tokenizer, asked.prompt(examples[0]), label) for label in asked.labels]
    room = max(map(len, labels))
    answers = _unanswered(len(examples))
    fitting = [i for i, prompt in enumerate(prompts) if len(prompt) + room <= loaded.context_tokens]
    place = {label: number for number, label in enumerate(asked.labels)}
    expected = [expected_of(one) for one in examples]
    right = [place.get(one) for one in expected]
    lengths = [
        len(prompt) + (0 if own is None else len(labels[own])) for prompt, own in zip(prompts, right, strict=True)
    ]
    for chunk in _chunks(fitting, lengths, CHOOSING_ROWS):
        scores = label_scores(
            loaded, [prompts[i] for i in chunk], labels, right=[right[i] for i in chunk], precision=asked.precision
        )
        for i, text, confidence, nats in zip(
            chunk, *label_answers(asked.labels, scores, [expected[i] for i in chunk]), strict=True
        ):  # fmt: skip
            answers.texts[i], answers.confidences[i], answers.nats[i], answers.tokens[i] = text, confidence, nats, 1
        bar.advance(len(chunk))
    return replace(answers, too_long=len(examples) - len(fitting))


def _write(asked: Contender, examples: Sequence[Example], bar: Bar) -> Answers:
    from tunesmith.models.generate import Decoding, generate
    from tunesmith.models.score import nll
    from tunesmith.text.chat import decode

    loaded, context = asked.loaded, asked.loaded.context_tokens
    wholes = [rendered(loaded, asked.prompt(one), one.messages[-1], one.tools) for one in examples]
    prompts = [ids[: targets.index(True)] for ids, targets in wholes]
    answers, cut = replace(_unanswered(len(examples)), written=[0] * len(examples)), 0
    fitting = [i for i, (ids, _) in enumerate(wholes) if len(ids) <= context and len(prompts[i]) < context]
    roomy = [i for i in fitting if len(prompts[i]) + asked.max_new_tokens <= context]
    alone = [[i] for i in sorted({*fitting} - {*roomy})]  # each has room for an answer of its own length
    for chunk in [*_chunks(roomy, [len(prompt) for prompt in prompts], CHUNK_ROWS), *alone]:
        asked_ids = [prompts[i] for i in chunk]
        limit = min(asked.max_new_tokens, context - max(map(len, asked_ids)))
        written = generate(loaded, asked_ids, Decoding(limit, precision=asked.precision))
        right = nll(loaded, *_columns(wholes[i] for i in chunk), precision=asked.precision)
        own = [([*p, *w], [False] * len(p) + [True] * len(w)) for p, w in zip(asked_ids, written, strict=True)]
        sure = nll(loaded, *_columns(own), precision=asked.precision)
        for place, i in enumerate(chunk):
            answers.texts[i] = decode(loaded.tokenizer, written[place])
            answers.confidences[i] = math.exp(-sure[place].nats / sure[place].num_targets) if written[place] else 0.0
            answers.nats[i], answers.tokens[i] = right[place]
            answers.written[i] = len(written[place])
            cut += len(written[place]) >= limit
        bar.advance(len(chunk))
    return replace(answers, too_long=len(examples) - len(fitting), cut=cut)


def rendered(
    loaded: LoadedModel, messages: list[Message], answer: Message, tools: object = None
) -> tuple[list[int], list[bool]]:
    """Return token ids of a conversation with its answer, and which of them are the answer."""
    from tunesmith.text.chat import context_only, render

    found = render(loaded.tokenizer, [*context_only(messages), {**answer, "weight": 1}], tools)
    return list(found.ids), [bool(one) for one in found.targets]


def _columns(pairs: Iterable[tuple[list[int], list[bool]]]) -> tuple[list[list[int]], list[list[bool]]]:
    ids, targets = zip(*pairs, strict=True)
    return list(ids), list(targets)


def _chunks(rows: Sequence[int], lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the rows in chunks of similar length."""
    order = sorted(rows, key=lambda row: (lengths[row], row))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _unanswered(count: int) -> Answers:
    return Answers([""] * count, [0.0] * count, [0.0] * count, [0] * count)
