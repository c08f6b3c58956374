"""The cheap alternatives a tuned model has to beat: a prompt, a linear model, the most frequent label.

Owns how each is made from the training split. Does not own asking a language model (`answers`).
"""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import MissingExtraError
from tunesmith.evaluate.answers import LEAST_PROBABILITY, Answers, expected_of, label_answers
from tunesmith.text.examples import has_more_than_text, text_of
from tunesmith.text.shots import SEEKING_ROWS, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tunesmith.models.load import LoadedModel
    from tunesmith.text.examples import Example, Message
    from tunesmith.text.task import TaskSpec

SHOTS = 8
"""Most examples shown in the prompt of the prompted base, unless the recipe's own prompt shows more."""

LINEAR_ROWS = 100_000
"""Most training rows the linear baseline learns from, chosen by the seed; more no longer move it."""

LINEAR_C = 30.0
"""Inverse strength of regularisation of the linear baseline."""

_KEYS_SHOWN = 40


def prompted(task: TaskSpec, train: Sequence[Example], seed: int, shots: int) -> Callable[[Example], list[Message]]:
    """Return how to ask an untuned model: what to do, the allowed answers, and some training examples.

    The instruction stands at the beginning of the first user turn, which every chat template renders.
    """
    task = task.without_shots()
    chosen = choose([one for one in train if len(one.messages) >= 2], shots, seed, by_label=bool(task.labels))
    turns = [turn for example in chosen for turn in _pair(task, example)]
    words = instruction(task, train)

    def prompt(example: Example) -> list[Message]:
        own, _ = task.split(example)
        systems = [message for message in own if message["role"] == "system"]
        rest = [message for message in own if message["role"] != "system"]
        messages = [*systems, *turns, *rest]
        first = next((i for i, message in enumerate(messages) if message["role"] == "user"), None)
        if first is None:
            return messages
        messages[first] = {**messages[first], "content": _after(words, messages[first])}
        return messages

    return prompt


def fitting_prompt(
    task: TaskSpec, train: Sequence[Example], test: Sequence[Example], loaded: LoadedModel, seed: int, room: int
) -> tuple[Callable[[Example], list[Message]], int]:
    """Return the prompt with as many examples as the model's context has room for, and how many those are.

    ``room`` is how many tokens stay free for the answer. Where not even the instruction fits, the prompt has no
    examples and the rows count as too long.
    """
    from tunesmith.text.chat import prompt_ids

    shots = min(max(SHOTS, len(task.shots)), len(train))
    longest = sorted(test, key=lambda one: -sum(len(text_of(message)) for message in one.messages))[:20]
    while True:
        prompt = prompted(task, train, seed, shots)
        lengths = [len(prompt_ids(loaded.tokenizer, prompt(one), one.tools)) for one in longest]
        if shots == 0 or max(lengths) + room <= loaded.context_tokens:
            return prompt, shots
        shots //= 2


def instruction(task: TaskSpec, train: Sequence[Example]) -> str:
    """Return the words that tell an untuned model what to answer."""
    if task.labels:
        return "Answer with exactly one of these labels and nothing else: " + ", ".join(task.labels) + "."
    if task.task == "extract":
        keys = _keys(train)
        named = f" Its keys are among: {', '.join(keys)}." if keys else ""
        return f"Answer with JSON and nothing else, in the form of the examples.{named}"
    return "Answer the last message in the manner of the examples, and nothing else."


def linear(labels: Sequence[str], train: Sequence[Example], test: Sequence[Example], seed: int) -> Answers:
    """Return the answers of a logistic regression on TF-IDF of words and characters.

    Raises:
        MissingExtraError: without the ``evaluate`` extra.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline, make_union
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", error.name or "sklearn") from error
    rows = _sample(train, LINEAR_ROWS, seed)
    known = sorted({expected_of(example) for example in rows})
    if len(known) < 2:
        return _constant(labels, rows, test)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    letters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2 if len(rows) > 500 else 1
    )
    model = make_pipeline(
        make_union(words, letters),
        OneVsRestClassifier(LogisticRegression(C=LINEAR_C, solver="liblinear", random_state=seed)),
    )
    model.fit([one.asked_text for one in rows], [expected_of(one) for one in rows])
    found = model.predict_proba([one.asked_text for one in test])
    columns = {label: number for number, label in enumerate(model.classes_)}
    probabilities = np.full((len(test), len(labels)), LEAST_PROBABILITY)
    for number, label in enumerate(labels):
        if label in columns:
            probabilities[:, number] = np.maximum(found[:, columns[label]], LEAST_PROBABILITY)
    return _from_probabilities(labels, probabilities, test)


def majority(labels: Sequence[str], train: Sequence[Example], test: Sequence[Example]) -> Answers:
    """Return the most frequent label of the training split for every row, with its frequency as probability."""
    return _constant(labels, train, test)


def _constant(labels: Sequence[str], train: Sequence[Example], test: Sequence[Example]) -> Answers:
    counts = Counter(expected_of(example) for example in train)
    shares = np.array([counts[label] + 1.0 for label in labels])
    return _from_probabilities(labels, np.tile(shares, (len(test), 1)), test)


def _from_probabilities(labels: Sequence[str], probabilities: NDArray[np.float64], test: Sequence[Example]) -> Answers:
    logs = np.log(probabilities / probabilities.sum(1, keepdims=True))
    texts, confidences, nats = label_answers(labels, logs, [expected_of(one) for one in test])
    return Answers(texts, confidences, nats, [1] * len(texts))


def _after(words: str, message: Message) -> Any:
    """Return a message's content behind an instruction; parts that are no text stay."""
    if has_more_than_text(message):
        return [{"type": "text", "text": words}, *message["content"]]
    return f"{words}\n\n{text_of(message)}"


def _pair(task: TaskSpec, example: Example) -> list[Message]:
    """Return an example's last question and its answer as two turns."""
    questions = [message for message in example.messages[:-1] if message["role"] == "user"][-1:]
    asked = [message for message in task.prompt(questions) if message["role"] != "system"]
    return [*asked, {"role": "assistant", "content": expected_of(example)}] if asked else []


def _keys(train: Sequence[Example]) -> list[str]:
    counts: Counter[str] = Counter()
    for example in train[:SEEKING_ROWS]:
        counts.update(_object(expected_of(example)).keys())
    return [key for key, _ in counts.most_common(_KEYS_SHOWN)]


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _sample(rows: Sequence[Example], most: int, seed: int) -> list[Example]:
    return random.Random(seed).sample(list(rows), min(most, len(rows)))
