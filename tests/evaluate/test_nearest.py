"""The nearest training question's answer, as scikit-learn would find it."""

import math

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Questions, contend, measure
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.nearest import Index, nearest
from tunesmith.text.examples import Example

TEXTS = [
    "my card is lost",
    "Lost my card, lost!",
    "money back please",
    "what is the fee of a card",
    "the fee",
    "卡丢了",
]


def example(text, answer):
    return Example([{"role": "user", "content": text}, {"role": "assistant", "content": answer}])


def test_similarities_are_those_of_scikit_learn():
    tfidf = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    known = tfidf.fit_transform(TEXTS[:5])
    for text in ("a lost card", "the the fee", "nothing of it", *TEXTS[:5]):
        expected = (known @ tfidf.transform([text]).T).toarray().ravel()
        assert Index(TEXTS[:5]).similarities(text) == pytest.approx(expected)


def test_texts_get_the_nearest_ones_answer_and_no_probability_of_the_right_one():
    """Nats of 0 would be the best perplexity there is."""
    train = [example(text, f"answer {n}") for n, text in enumerate(TEXTS)]
    found = nearest((), train, [example("is my card lost", "x"), example("fee", "x"), example("我的卡", "x")])
    assert found.texts == ["answer 0", "answer 4", "answer 5"]
    assert all(math.isnan(one) for one in found.nats)


def test_labels_get_probabilities_by_their_nearest_question():
    labels = ("card", "fee", "refund", "unseen")
    train = [example(text, label) for text, label in zip(TEXTS, ("card", "card", "refund", "fee", "fee"), strict=False)]
    found = nearest(labels, train, [example("fee of a card", "unseen"), example("zzz", "card")])
    assert found.texts[0] == "fee" and 0.5 < found.confidences[0] < 1
    assert found.nats[0] > 10, "what no training row has is not probable"
    assert found.nats[1] == pytest.approx(math.log(4)), "without a known word nothing is known"
    assert np.isfinite(found.nats).all()


def test_it_has_no_tokens_and_stands_beside_one_that_has():
    """Lengths in tokens of none at all ended the evaluation as soon as another metric looked at some of the rows."""
    names = ("token_f1", "numeric_match", "answer_tokens", "answer_chars")
    metrics = [metric for metric in METRICS["chat"] if metric.name in names]
    rows = [example("how many cards", "4 cards"), example("is it lost", "no")]
    test = Questions("chat", [one.target_text for one in rows], [None, None], 0, rows)
    ours = measure(test, Answers(["4", "no"], [1.0] * 2, [0.1] * 2, [2] * 2, written=[1, 1]), metrics)
    other = contend(ours, "nearest", [0, 1], nearest((), rows, rows), test, metrics)
    assert set(other.deltas) == {*names} - {"answer_tokens"} and ours.estimates["answer_tokens"].value == 1
    assert other.estimates["numeric_match"].n == 1
