"""How alike two texts are: the ``text_similarity`` grader's measures, each 0 to 1.

Owns which library computes each. Refused are ``meteor``, which needs WordNet's data, and ``cosine``, which needs a
model of OpenAI's: with other data or another model they would be other numbers under the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import MissingExtraError, RecipeError
from tunesmith.evaluate.grading import words
from tunesmith.evaluate.overlap import bleu_of, rouge_scores

if TYPE_CHECKING:
    from collections.abc import Callable

_REFUSED = {"meteor": "needs WordNet's data", "cosine": "needs an embedding model of OpenAI's"}


def similarity(measure: str, where: str) -> Callable[[str, str], float]:
    """Return a measure as a function of an answer and its reference.

    Raises:
        RecipeError: for one that cannot be computed on this machine.
    """
    if measure in _REFUSED:
        raise RecipeError(
            f"{where}: {measure} {_REFUSED[measure]}, which is not at hand",
            expected="fuzzy_match, bleu, gleu, or rouge_1 to rouge_5 or rouge_l",
        )
    if measure.startswith("rouge_"):
        kind = "rouge" + measure.removeprefix("rouge_").upper()
        return lambda text, reference: rouge_scores(kind, [reference], [text])[0]
    return {"fuzzy_match": fuzzy_match, "bleu": bleu_of, "gleu": gleu}[measure]


def fuzzy_match(text: str, reference: str) -> float:
    """Return the weighted ratio of `rapidfuzz`: of equal texts 1, and little less if one is part of the other.

    Raises:
        MissingExtraError: without the ``evaluate`` extra.
    """
    try:
        from rapidfuzz.fuzz import WRatio
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", error.name or "rapidfuzz") from error
    return 1.0 if text == reference else float(WRatio(text, reference)) / 100


def gleu(text: str, reference: str) -> float:
    """Return GLEU over groups of 1 to 4 words.

    Source: Wu et al. 2016, "Google's neural machine translation system", section 6; computed by NLTK.

    Raises:
        MissingExtraError: without the ``evaluate`` extra.
    """
    try:
        from nltk.translate.gleu_score import sentence_gleu
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", error.name or "nltk") from error
    given, right = words(text), words(reference)
    return float(sentence_gleu([right], given)) if given or right else 1.0
