"""Graders in OpenAI's forms, word for word as a fine-tuning job has them."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate.gleu_score import sentence_gleu
from rouge_score.rouge_scorer import RougeScorer

from closed import needs_closed_process
from graded import columns_of, examples_of, recipe_of
from tunesmith.core.errors import DataError, RecipeError, TunesmithError
from tunesmith.evaluate.graders.formula import Formula
from tunesmith.evaluate.graders.run import grader_metric
from tunesmith.evaluate.graders.similarity import similarity
from tunesmith.evaluate.metric import own_column
from tunesmith.evaluate.metrics import chosen_metrics, main_metric
from tunesmith.evaluate.stage import plan_scorecard
from tunesmith.recipe import parse_recipe

CHECK = {"type": "string_check", "name": "same", "input": "{{ sample.output_text }}", "reference": "{{ item.reference_answer }}", "operation": "eq"}  # fmt: skip
ALIKE = {"type": "text_similarity", "name": "alike", "input": "{{sample.output_text}}", "reference": "{{item.reference_answer}}", "evaluation_metric": "rouge_l"}  # fmt: skip
SHORT = {"type": "python", "name": "short", "source": "def grade(sample, item):\n    return 1.0 if len(sample['output_text']) < len(item['reference_answer']) else 0.0\n"}  # fmt: skip
BOTH = {"type": "multi", "name": "both", "graders": {"same": CHECK, "short": SHORT}, "calculate_output": "0.75 * same + 0.25 * short"}  # fmt: skip


def scores(grader, expected, texts, kept=None, ask=None):
    """Return a grader's column and estimate."""
    parsed = recipe_of("chat", graders=[grader]).evaluate.graders[0]
    metric = grader_metric(parsed, "evaluate.graders[0]", ask)
    examples = [examples_of([right], kept=own or {})[0] for right, own in zip(expected, kept or [None] * len(texts), strict=True)]  # fmt: skip
    columns = columns_of(metric, "chat", expected, texts, examples)
    return columns[own_column(parsed.name)].tolist(), metric.estimate(columns, 0)


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [("eq", [1, 0, 0, 0]), ("ne", [0, 1, 1, 1]), ("like", [1, 0, 1, 0]), ("ilike", [1, 1, 1, 0])],
)
def test_string_check(operation, wanted):
    column, found = scores({**CHECK, "operation": operation}, ["Yes"] * 4, ["Yes", "yes", "Yes, it is", "No"])
    assert column == wanted and (found.method, found.n) == ("wilson", 4)


TEXTS = ("the cat sat on a mat", "the cat sat on the mat today")


def test_similarities_are_their_libraries():
    one, other = TEXTS
    for measure, kind in (("rouge_1", "rouge1"), ("rouge_5", "rouge5"), ("rouge_l", "rougeL")):
        wanted = RougeScorer([kind]).score(other, one)[kind].fmeasure
        assert scores({**ALIKE, "evaluation_metric": measure}, [other], [one])[0] == [pytest.approx(wanted)]
    wanted = sentence_gleu([other.split()], one.split())
    assert scores({**ALIKE, "evaluation_metric": "gleu"}, [other], [one])[0] == [pytest.approx(wanted)]


@given(
    st.text(max_size=60), st.text(max_size=60), st.sampled_from(["fuzzy_match", "bleu", "gleu", "rouge_1", "rouge_l"])
)
def test_similarities_lie_between_0_and_1_and_equal_words_are_alike(one, other, measure):
    alike = similarity(measure, "x")
    assert 0 <= alike(one, other) <= 1 + 1e-9
    assert alike("the same few words", "the same few words") == pytest.approx(1)


@pytest.mark.parametrize("measure", ["cosine", "meteor"])
def test_what_would_be_another_number_under_the_same_name_is_refused(measure):
    with pytest.raises(RecipeError, match=f"{measure} needs"):
        scores({**ALIKE, "evaluation_metric": measure}, ["x"], ["x"])


def test_a_threshold_makes_a_share():
    column, found = scores({**ALIKE, "pass_threshold": 0.8}, ["a b c d", "a b c d"], ["a b c d", "a b"])
    assert column == [True, False] and found.method == "wilson"


@needs_closed_process
def test_python_graders_run_in_the_closed_process(tmp_path):
    """Code out of a recipe that somebody sent must not read files or reach the network."""
    column, _ = scores(SHORT, ["long answer", "x"], ["short", "longer"])
    assert column == [1, 0]
    secret = tmp_path / "secret"
    secret.write_text("x")
    reading = {**SHORT, "source": f"def grade(sample, item):\n    return float(open({str(secret)!r}).read() == 'x')"}
    with pytest.raises(DataError, match="could score none of 1 rows, nor their right answers; row r0: PermissionError"):
        scores(reading, ["x"], ["x"])


@needs_closed_process
def test_rows_that_a_python_grader_fails_on_count_as_0_and_are_told(capsys):
    """One answer that is no JSON must not end an evaluation of thousands, nor be left out of it."""
    source = "import json\ndef grade(sample, item):\n    return json.loads(sample['output_text'])['x']"
    column, found = scores({**SHORT, "source": source}, ["x"] * 3, ['{"x": 0.5}', "no JSON", '{"x": "text"}'])
    assert column == [0.5, 0, 0] and found.n == 3
    assert "grader short: 2 of 3 rows count as 0; row r0: json.decoder.JSONDecodeError" in capsys.readouterr().err


@needs_closed_process
def test_one_row_that_ends_the_process_does_not_take_the_others_with_it():
    source = (
        "import os\ndef grade(sample, item):\n    if sample['output_text'] == 'bad':\n        os._exit(0)\n    return 1"
    )
    assert scores({**SHORT, "source": source}, ["x"] * 3, ["good", "bad", "good"])[0] == [1, 0, 1]


@pytest.mark.parametrize("name", ["correct", "overlap", "nats", "tokens", "valid"])
def test_a_grader_may_have_the_name_of_what_other_metrics_are_made_of(name):
    """Bug: a grader called "correct" gave exact match under its name, one called "nats" another perplexity."""
    column, found = scores({**CHECK, "name": name, "operation": "ne"}, ["yes", "yes"], ["yes", "no"])
    assert column == [0, 1] and found.value == 0.5
    metrics = chosen_metrics(recipe_of("chat", "perplexity", graders=[{**CHECK, "name": name}]))
    perplexity = metrics[0]
    columns = columns_of(metrics[1], "chat", ["yes"], ["no"], nats=[2.0])
    assert perplexity.value(columns) == pytest.approx(math.exp(2.0))


def test_a_grader_named_as_a_metric_of_another_task_is_measured():
    """Bug: of chat a grader called "accuracy" was left out without a word."""
    assert [one.name for one in chosen_metrics(recipe_of("chat", "nll", graders=[{**CHECK, "name": "accuracy"}]))] == [
        "nll", "accuracy", "token_f1",
    ]  # fmt: skip


def test_answers_that_all_fail_count_as_0_as_a_base_s_do(capsys):
    """Bug: a base that writes no JSON ended the evaluation of the model that does."""
    check = {**CHECK, "input": "{{ sample.output_json.city }}", "reference": "Oslo"}
    column, found = scores(check, ['{"city": "Oslo"}'] * 2, ["no idea", "Oslo"])
    assert column == [0, 0] and found.n == 2
    assert "2 of 2 rows count as 0; row r0: the answer has no sample.output_json.city" in capsys.readouterr().err
    with pytest.raises(DataError, match="nor their right answers"):
        scores({**check, "input": "{{ sample.output_json.town }}"}, ['{"city": "Oslo"}'], ['{"city": "Rome"}'])


@needs_closed_process
def test_a_row_that_fails_passes_no_threshold():
    """Bug: 0 for a failure reached a threshold of 0."""
    source = "def grade(sample, item):\n    return float(sample['output_text'])"
    column, _ = scores({**SHORT, "source": source, "pass_threshold": 0.0}, ["1"] * 3, ["0.5", "-1", "none"])
    assert column == [True, False, False]


@needs_closed_process
@pytest.mark.parametrize("value", ["10**400", "float('inf')", "float('nan')", "None", "'1'", "[1]", "10**5000"])
def test_what_is_no_number_fails_its_row_and_nothing_else(value):
    """Bug: a whole number too large for a float ended the evaluation with a traceback."""
    source = f"def grade(sample, item):\n    return 1 if sample['output_text'] == 'good' else {value}"
    assert scores({**SHORT, "source": source}, ["x"] * 2, ["good", "bad"])[0] == [1, 0]


@needs_closed_process
def test_multi_puts_scores_together():
    column, found = scores(BOTH, ["yes", "yes", "long"], ["yes", "no", "no"])
    assert column == pytest.approx([0.75, 0.25, 0.25]) and found.value == pytest.approx(1.25 / 3)


def test_graders_see_columns_that_were_kept_json_and_tool_calls():
    check = {**CHECK, "input": "{{ sample.output_json.city }}-{{ sample.output_json.days[0] }}", "reference": "{{ item.place['name'] }}-{{ item.n }}"}  # fmt: skip
    kept = [{"place": {"name": "Oslo"}, "n": 3}] * 2
    assert scores(check, ["x"] * 2, ['{"city": "Oslo", "days": [3]}', '{"city": "Rome", "days": [3]}'], kept)[0] == [
        1,
        0,
    ]
    call = {**CHECK, "input": "{{ sample.output_tools[0].function.name }}", "reference": "weather"}
    assert scores(call, ["x"] * 2, ['<tool_call>{"name": "weather", "arguments": {}}</tool_call>', "no"])[0] == [1, 0]


def test_rows_without_a_column_do_not_count_and_a_column_of_no_row_is_refused():
    """Rows that came back from traffic lack the columns of the user's files; a slip of the pen is in no row."""
    check = {**CHECK, "reference": "{{ item.answer }}"}
    _, found = scores(check, ["x"] * 3, ["a", "b", "a"], [{"answer": "a"}, {"answer": "a"}, {}])
    assert (found.value, found.n) == (0.5, 2)
    with pytest.raises(DataError, match=r"same, and none of 1 rows has item\.anwser"):
        scores({**CHECK, "reference": "{{ item.anwser }}"}, ["x"], ["a"], [{"answer": "a"}])


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("a + b * 2", 2.0), ("2 ^ a ^ 2", 2.0), ("-a + 3", 2.0), ("min(a, b) + max(a, b, 3)", 3.5), ("abs(b - a)", 0.5),
        ("floor(b) + ceil(b)", 1.0), ("a +\n  b * 2\n", 2.0), ("exp(log(a))", 1.0), ("sqrt(a) / b", 2.0), ("1e2 * b", 50.0),
    ],
)  # fmt: skip
def test_formulas(formula, value):
    assert Formula(formula, ("a", "b"), "x").value({"a": 1.0, "b": 0.5}) == pytest.approx(value)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('true')", "a.real", "a[0]", "a if a else a", "a == a", "'a' * 9", "lambda: a", "(a, a)", "print(a)", "min(a)",
        "sqrt(a, a)", "max(*a)", "exp(x=a)", "c", "a b", "", "a" * 3000, "a; a", "[a for a in a]", "not a", "a // 2", "-" * 1999 + "a", "a" + " + a" * 400, "(" * 500, "True", "1j",
    ],
)  # fmt: skip
def test_a_formula_is_arithmetic_and_nothing_else(formula):
    with pytest.raises(RecipeError):
        Formula(formula, ("a", "b"), "x")


def test_a_formula_without_a_value_is_a_fault_of_its_row():
    for formula in ("1 / a", "log(a)", "sqrt(a - 1)", "10 ^ 10 ^ 10", "exp(10000)"):
        with pytest.raises(ArithmeticError):
            Formula(formula, ("a",), "x").value({"a": 0.0})


@given(st.text(max_size=40))
def test_no_text_makes_a_formula_fall_over(text):
    with contextlib.suppress(TunesmithError, ArithmeticError):
        Formula(text, ("a",), "x").value({"a": 0.5})


JUDGE = {"type": "score_model", "name": "judge", "model": "gpt", "input": [{"role": "user", "content": "Rate {{ sample.output_text }}"}], "range": [0, 10]}  # fmt: skip
LABEL = {"type": "label_model", "name": "kind", "model": "gpt", "input": JUDGE["input"], "labels": ["good", "bad"], "passing_labels": ["good"]}  # fmt: skip


def test_models_judge_only_if_one_is_handed_in():
    for grader in (JUDGE, LABEL):
        with pytest.raises(RecipeError, match="asks another model"):
            scores(grader, ["x"], ["x"])
    asked = []

    def ask(model, messages, sampling):
        asked.append((model, messages))
        return {"Rate a": "Score: 7", "Rate b": "99", "Rate c": "no idea"}[messages[0]["content"]]

    assert scores(JUDGE, ["x"] * 3, ["a", "b", "c"], ask=ask)[0] == [7, 10, 0]
    assert asked[0] == ("gpt", [{"role": "user", "content": "Rate a"}])
    assert scores(LABEL, ["x"] * 2, ["a", "b"], ask=lambda *given: given[1][0]["content"].replace("Rate a", "good"))[
        0
    ] == [1, 0]


RECIPE = """name: x
task: chat
data: {train: x}
evaluate:
  gate: {metric: same}
  graders:
    - {type: string_check, name: same, input: "{{sample.output_text}}", reference: yes it is, operation: eq}
    - {type: text_similarity, name: alike, input: "{{sample.output_text}}", reference: a, evaluation_metric: bleu}
"""


def test_graders_of_a_recipe_are_metrics_by_their_names():
    recipe = parse_recipe(RECIPE)
    assert [one.name for one in chosen_metrics(recipe)][-2:] == ["same", "alike"] and main_metric(recipe).name == "same"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("operation: eq", "operation: equals", r"recipe:7: evaluate\.graders\.0\.operation: Input should be 'eq'"),
        ("type: string_check", "type: string_chek", "recipe:7: .*'string_chek'"),
        ("reference: a,", "referense: a,", r"recipe:8: unknown key 'evaluate\.graders\.1\.referense'"),
        ("name: alike", "name: same", "two metrics are called 'same'"),
        ("name: alike", "name: bleu", "two metrics are called 'bleu'"),
        ("{{sample.output_text}}", "{{ output }}", "is no path"),
    ],
)
def test_a_grader_that_is_wrong_is_refused_with_its_place(before, after, words):
    with pytest.raises(RecipeError, match=words):
        chosen_metrics(parse_recipe(RECIPE.replace(before, after)))


def test_graders_may_lie_in_a_file_whose_content_counts(tmp_path, arena):
    file = tmp_path / "graders.json"
    file.write_text(json.dumps([CHECK, BOTH]))
    ring = arena("chat")
    recipe = ring.recipe(graders_file="graders.json")
    assert [one.name for one in chosen_metrics(recipe, tmp_path)][-2:] == ["same", "both"]
    before = plan_scorecard(recipe, ring.dataset, ring.model, None, tmp_path)
    file.write_text(json.dumps([CHECK]))
    assert plan_scorecard(recipe, ring.dataset, ring.model, None, tmp_path) != before
    file.write_text(json.dumps([{**BOTH, "graders": {"my-check": CHECK}, "calculate_output": "1"}]))
    with pytest.raises(RecipeError, match="no formula can name 'my-check'"):
        chosen_metrics(recipe, tmp_path)
    for text, words in (("{", "is no JSON"), ('[{"type": "string_check"}]', "string_check.name"), ("3", "type")):
        file.write_text(text)
        with pytest.raises(RecipeError, match=words):
            chosen_metrics(recipe, tmp_path)
    file.unlink()
    with pytest.raises(RecipeError, match="no file"):
        chosen_metrics(recipe, tmp_path)
