"""The nearest training question's answer: what looking it up would give.

Owns the search: TF-IDF of words, cosine similarity. Does not own the other baselines (`baselines`).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.evaluate.answers import LEAST_PROBABILITY, Answers, expected_of, label_answers
from tunesmith.evaluate.grading import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.text.examples import Example


def nearest(labels: Sequence[str], train: Sequence[Example], test: Sequence[Example]) -> Answers:
    """Return for each test row the answer of the training row whose question is most alike, the first of equals.

    Of labels the probability is the similarity of each one's nearest question, over their sum. Of anything else it
    gives none: ``nats`` are not a number. A question without a known word gets the first answer.
    """
    index = Index([one.asked_text for one in train])
    found = [index.similarities(one.asked_text) for one in test]
    answers = [expected_of(one) for one in train]
    if not labels:
        best = [int(row.argmax()) for row in found]
        sure = [float(row[at]) for row, at in zip(found, best, strict=True)]
        return Answers([answers[at] for at in best], sure, [math.nan] * len(test), [1] * len(test))
    place = {label: number for number, label in enumerate(labels)}
    of = np.array([place[answer] for answer in answers])
    shares = np.full((len(test), len(labels)), LEAST_PROBABILITY)
    for row, similar in zip(shares, found, strict=True):
        np.maximum.at(row, of, similar)
    logs = np.log(shares / shares.sum(1, keepdims=True))
    return Answers(*label_answers(labels, logs, [expected_of(one) for one in test]), [1] * len(test))


class Index:
    """Texts by their words.

    Source: Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988; smoothed and with the
    logarithm of counts as scikit-learn's ``TfidfVectorizer(sublinear_tf=True)``.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        seen = Counter(term for own in counts for term in own)
        self._rarity = {term: math.log((1 + len(texts)) / (1 + rows)) + 1 for term, rows in seen.items()}
        self._size = len(texts)
        rows: dict[str, list[int]] = {term: [] for term in seen}
        weights: dict[str, list[float]] = {term: [] for term in seen}
        for row, own in enumerate(counts):
            for term, weight in self._vector(own).items():
                rows[term].append(row)
                weights[term].append(weight)
        self._where = {term: (np.array(rows[term], np.intp), np.array(weights[term])) for term in seen}

    def similarities(self, text: str) -> NDArray[np.float64]:
        """Return the cosine of the angle to every text: 1 for the same words, 0 for none in common."""
        found = np.zeros(self._size)
        for term, weight in self._vector(Counter(words(text))).items():
            rows, weights = self._where[term]
            found[rows] += weight * weights
        return found

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        weights = {
            term: (1 + math.log(count)) * self._rarity[term] for term, count in counts.items() if term in self._rarity
        }
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        return {term: weight / length for term, weight in weights.items()}
