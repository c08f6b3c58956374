"""From what was expected and what was answered to columns of numbers, one value per row.

Owns when two answers are the same, what a slot is and what a word is. Does not own metrics, which are computed on the
columns (`metrics`), nor answers (`answers`).
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import regex

from tunesmith.core.ids import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.answers import Answers

Columns = dict[str, "NDArray[Any]"]
"""Name to one value per row, all of the same length."""

_WORD = regex.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
    r"|(?:(?![\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])[\p{L}\p{M}\p{N}\u200c\u200d])+"
)


class Parsed(NamedTuple):
    """A text read as JSON; ``value`` is the text itself where it is none."""

    valid: bool
    value: Any


def grade(task: str, expected: Sequence[str], answers: Answers) -> Columns:
    """Return the columns of a task for some answers; ``expected`` are the right answers to the same rows.

    Columns that some metrics alone need come with the answers (`metric.with_columns`).
    """
    shared = {"nats": np.asarray(answers.nats), "tokens": np.asarray(answers.tokens), **answers.graded}
    if task == "classify":
        return {**shared, **_grade_labels(expected, answers)}
    if task == "extract":
        return {**shared, **_grade_json(expected, answers.texts)}
    if task == "preference":
        return {**shared, "correct": np.asarray(answers.leads) > 0, "margin": np.asarray(answers.margins)}
    return {**shared, **_grade_text(expected, answers.texts)}


def _grade_labels(expected: Sequence[str], answers: Answers) -> Columns:
    names = label_names(expected, answers.texts)
    place = {name: number for number, name in enumerate(names)}
    wanted = np.array([place[name] for name in expected], dtype=np.int64)
    given = np.array([place[name] for name in answers.texts], dtype=np.int64)
    return {
        "wanted": wanted,
        "given": given,
        "correct": wanted == given,
        "confidence": np.asarray(answers.confidences, dtype=np.float64),
    }


def label_names(expected: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return the labels in the order of their numbers in the columns ``wanted`` and ``given``."""
    return sorted({*expected, *texts})


def _grade_json(expected: Sequence[str], texts: Sequence[str]) -> Columns:
    wanted, given = [parse_json(text) for text in expected], [parse_json(text) for text in texts]
    found = [
        (slots(right.value), slots(answer.value) if answer.valid else Counter[str]())
        for right, answer in zip(wanted, given, strict=True)
    ]
    return {
        "valid": np.array([answer.valid for answer in given]),
        "correct": np.array([_same(a, b) for a, b in zip(wanted, given, strict=True)]),
        "hits": np.array([(right & answer).total() for right, answer in found]),
        "claimed": np.array([answer.total() for _, answer in found]),
        "there": np.array([right.total() for right, _ in found]),
    }


def _grade_text(expected: Sequence[str], texts: Sequence[str]) -> Columns:
    pairs = list(zip(expected, texts, strict=True))
    return {
        "correct": np.array([right.strip() == answer.strip() for right, answer in pairs]),
        "overlap": np.array([word_f1(right, answer) for right, answer in pairs]),
    }


def parse_json(text: str) -> Parsed:
    """Read a whole text as JSON; equal values get equal canonical forms (1.0 is 1). Never raises."""
    try:
        value = _whole_numbers(json.loads(text, parse_constant=_refuse_constant))
        canonical_json(value)
    except (ValueError, RecursionError):
        return Parsed(False, text.strip())
    return Parsed(True, value)


def slots(value: Any) -> Counter[str]:
    """Return the leaves of a JSON value with their paths, counted; list items have no order.

    Nulls and empty strings, lists and objects are no slot: they say that nothing was found.
    """
    return Counter(canonical_json([path, leaf]) for path, leaf in _leaves(value, ""))


def word_f1(expected: str, answer: str) -> float:
    """Return the F1 of the words the two texts share, case and punctuation apart; 1 if neither has any.

    Source: Rajpurkar et al. 2016, "SQuAD"; without its removal of English articles.
    """
    right, given = Counter(words(expected)), Counter(words(answer))
    total = right.total() + given.total()
    return 2 * (right & given).total() / total if total else 1.0


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation; Chinese, Japanese and Korean sign by sign."""
    found: list[str] = _WORD.findall(text.lower())
    return found


def _same(wanted: Parsed, given: Parsed) -> bool:
    return wanted.valid == given.valid and canonical_json(wanted.value) == canonical_json(given.value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    return value


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{path}[]")
    elif value is not None and value != "":
        yield path, value
