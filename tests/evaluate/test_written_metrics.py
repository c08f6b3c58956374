"""Metrics of written answers, against the libraries that define them and against numbers worked out by hand."""

import math

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from graded import columns_of, difference, estimate, metric_of, recipe_of
from tunesmith.core.errors import DataError, RecipeError

RIGHT = ["the cat sat on the mat", "it rained all day in Paris.", "no", "Send the invoice to Ann by Friday, please."]
GIVEN = ["a cat sat on a mat", "it rained in Paris all day", "yes", "Please send Ann the invoice by Friday."]


@pytest.mark.parametrize("task", ["chat", "extract"])
def test_bleu_and_chrf_are_what_sacrebleu_prints(task):
    """Over all rows together: the mean of the rows' own BLEU would be another number."""
    assert estimate(task, "bleu", RIGHT, GIVEN).value == pytest.approx(sacrebleu.corpus_bleu(GIVEN, [RIGHT]).score)
    assert estimate(task, "chrf", RIGHT, GIVEN).value == pytest.approx(sacrebleu.corpus_chrf(GIVEN, [RIGHT]).score)


def test_resampled_rows_give_resampled_bleu():
    """The interval must be that of the whole's number, drawn from the same rows."""
    metric = metric_of(recipe_of("chat", "bleu"), "bleu")
    columns = columns_of(metric, "chat", RIGHT, GIVEN)
    picked = [0, 0, 3]
    some = {name: column[picked] for name, column in columns.items()}
    wanted = sacrebleu.corpus_bleu([GIVEN[i] for i in picked], [[RIGHT[i] for i in picked]]).score
    assert metric.value(some) == pytest.approx(wanted)
    found = metric.estimate(columns, 0)
    assert found.low < found.value < found.high


def test_bleu_of_rows_that_are_all_wrong_is_not_surely_0():
    """Resampling them gives 0 [0, 0]; eight rows cannot know that."""
    found = estimate("chat", "bleu", ["some words here now"] * 8, ["x"] * 8)
    assert (found.value, found.low) == (0, 0) and 30 < found.high < 35
    delta = difference("chat", "bleu", ["some words here now"] * 8, ["x"] * 8, ["x"] * 8)
    assert delta.low < -30 and delta.high > 30


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_rouge_is_what_rouge_score_gives(name):
    scorer = RougeScorer([name])
    wanted = [scorer.score(right, text)[name].fmeasure for right, text in zip(RIGHT, GIVEN, strict=True)]
    assert estimate("chat", name, RIGHT, GIVEN).value == pytest.approx(sum(wanted) / len(wanted))


def test_rouge_reads_letters_of_other_scripts():
    """The library's own tokenizer keeps a-z alone: a right answer in Russian would score 0."""
    assert estimate("chat", "rouge1", ["доброе утро"], ["Доброе утро!"]).value == 1


@pytest.mark.parametrize(
    ("right", "answer", "same"),
    [
        ("The Eiffel Tower", "eiffel tower.", True),
        ("«Привет»", "привет", True),
        ("ﬁve", "five", True),
        ("theatre", "atre", False),
        ("a b", "ab", False),
        ("5", "five", False),
        ("$5 + 3", "5 3", True),
        ("A", "", False),
        ("A", "a.", True),
        ("the", "an", False),
        ("?", "!", False),
    ],
)
def test_normalised_match(right, answer, same):
    assert estimate("chat", "normalised_match", [right], [answer]).value == same
    assert estimate("chat", "exact_match", [right], [answer]).value == 0


def test_numbers_are_matched_in_the_rows_that_have_one():
    """A row without a number to give is no row of this metric, neither right nor wrong."""
    found = estimate("chat", "numeric_match", ["#### 42", "7", "none"], ["so it is 42.", "8", "none"])
    assert (found.value, found.n, found.method) == (0.5, 2, "wilson")
    delta = difference("chat", "numeric_match", ["1", "2", "none"], ["1", "2", "x"], ["1", "3", "x"])
    assert (delta.value, delta.n) == (0.5, 2)


def test_a_metric_that_fits_no_row_is_refused():
    with pytest.raises(DataError, match="none of 1 rows has a number in its right answer"):
        estimate("chat", "numeric_match", ["yes"], ["no"])
    with pytest.raises(DataError, match="none of 1 rows has 'b' in its right answer"):
        estimate("extract", "slot_f1.b", ['{"a": 1}'], ["{}"])
    with pytest.raises(DataError, match="none of 1 rows has tools"):
        estimate("chat", "tool_calls", ["yes"], ["no"])


def test_json_of_chats_and_schemas():
    assert estimate("chat", "valid_json", ["{}"] * 3, ["{}", "{", "[1]"]).value == pytest.approx(2 / 3)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    for task in ("chat", "extract"):
        recipe = recipe_of(task, "schema_valid", data={"clean": {"answer_schema": schema}})
        metric = metric_of(recipe, "schema_valid")
        texts = ['{"n": 1}', '{"n": "1"}', "{}", "no JSON"]
        assert metric.estimate(columns_of(metric, task, ['{"n": 1}'] * 4, texts), 0).value == 0.25
    with pytest.raises(RecipeError, match=r"data\.clean\.answer_schema is no JSON Schema"):
        metric_of(recipe_of("chat", data={"clean": {"answer_schema": {"type": "objekt"}}}), "token_f1")


@pytest.mark.parametrize("where", ["#/$defs/none", "http://127.0.0.1:9/schema.json"])
def test_references_of_a_schema_lead_to_no_network_and_no_traceback(where):
    """Bug: one to an address was fetched, and one to nowhere ended the evaluation that `prepare` had let begin."""
    schema = {"type": "object", "properties": {"n": {"$ref": where}}, "required": ["n"]}
    metric = metric_of(recipe_of("chat", "schema_valid", data={"clean": {"answer_schema": schema}}), "schema_valid")
    assert metric.estimate(columns_of(metric, "chat", ["x"] * 2, ['{"n": 1}', "{}"]), 0).value == 0.5


def test_slots_of_one_field():
    """A field's score must not be touched by its neighbours, and takes in what lies inside it."""
    right = ['{"who": {"first": "Ann", "last": "Lee"}, "whole": 1}', '{"who": {"first": "Bo"}}']
    given = ['{"who": {"first": "Ann", "last": "Li"}, "whole": 2}', "no JSON"]
    # of who: 1 right, 2 given, 3 there
    assert estimate("extract", "slot_f1.who", right, given).value == pytest.approx(2 / 5)
    assert estimate("extract", "slot_f1.who.first", right, given).value == pytest.approx(2 / 3)
    assert estimate("extract", "slot_f1.whole", right, given).value == 0


def test_bits_per_byte_of_rows_that_could_be_weighed():
    """Bytes, not letters: é has two. A row that did not fit has neither bits nor bytes."""
    found = estimate(
        "chat", "bits_per_byte", ["é", "never weighed"], ["", ""], nats=[4 * math.log(2), 0.0], tokens=[2, 0]
    )
    assert found.value == pytest.approx(2.0)


def test_lengths():
    assert estimate("chat", "answer_chars", ["", ""], ["ab", "abcd"]).value == 3
    assert estimate("chat", "answer_tokens", ["", ""], ["ab", "abcd"]).value == 1
