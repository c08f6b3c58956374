"""What a machine lacks is told before anything is spent, not after the training."""

import sys

import pytest

from graded import recipe_of
from tunesmith.core.errors import MissingExtraError, SetupError
from tunesmith.evaluate import overlap
from tunesmith.evaluate.ahead import check
from tunesmith.evaluate.sandbox import run
from tunesmith.evaluate.sandbox.syscalls import shut_calls

ALIKE = {"type": "text_similarity", "name": "alike", "input": "x", "reference": "x"}
PYTHON = {"type": "python", "name": "own", "source": "def grade(sample, item): return 1"}


@pytest.fixture(autouse=True)
def forgetful():
    """What was loaded by another test must not hide that it is missing."""
    for cached in (overlap._rouge, overlap._bleu, overlap._chrf):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("package", "settings"),
    [
        ("rouge_score.rouge_scorer", {"metrics": ["rougeL"]}),
        ("sacrebleu", {"metrics": ["bleu"]}),
        ("sacrebleu", {"metrics": ["chrf"]}),
        ("langdetect", {"metrics": ["ifeval_loose"]}),
        ("rapidfuzz.fuzz", {"graders": [{**ALIKE, "evaluation_metric": "fuzzy_match"}]}),
        ("nltk.translate.gleu_score", {"graders": [{**ALIKE, "evaluation_metric": "gleu"}]}),
        (
            "sacrebleu",
            {"graders": [{"type": "multi", "name": "m", "graders": {"a": {**ALIKE, "evaluation_metric": "bleu"}}, "calculate_output": "a"}]},
        ),
    ],
)  # fmt: skip
def test_a_library_that_is_not_installed(monkeypatch, package, settings):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=package.partition(".")[0]):
        check(recipe_of("chat", *settings.get("metrics", ()), graders=settings.get("graders", [])))
    check(recipe_of("chat"))


@pytest.mark.parametrize("settings", [{"names": ["pass_at_1"]}, {"graders": [PYTHON]}])
def test_a_machine_that_cannot_close_a_process_in(monkeypatch, settings):
    monkeypatch.setattr(run, "shut_calls", lambda: {**shut_calls(), "never": [1] * 5000})
    with pytest.raises(SetupError, match="cannot be closed in"):
        check(recipe_of("chat", *settings.get("names", ()), graders=settings.get("graders", [])))
