"""The evaluate stage on a tiny real model: right numbers, the same bytes again, and what it refuses."""

import json
import math
import random

import polars as pl
import pytest
import sacrebleu
import torch
from sklearn.metrics import accuracy_score, f1_score

from made import make_dataset
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import ArtifactError, DataError, RecipeError
from tunesmith.core.two_groups import holm
from tunesmith.evaluate import ahead, answers, baselines, stage
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.train import stage as training

pytestmark = pytest.mark.slow

FILES = ("examples.parquet", "scorecard.html")


def examples(card):
    return pl.read_parquet(card.path / "examples.parquet")


def numbers(value):
    """Yield every number in a JSON-able value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


def sequence_logp(loaded, prompt, answer):
    """The log-probability of an answer and its end token, by the plainest of means."""
    tokenizer = loaded.tokenizer
    before = tokenizer.encode(f"<|user|>{prompt}<|end|><|assistant|>", add_special_tokens=False)
    ids = before + tokenizer.encode(f"{answer}<|end|>", add_special_tokens=False)
    with torch.inference_mode():
        logp = torch.log_softmax(loaded.model(input_ids=torch.tensor([ids])).logits[0].double(), -1)
    return sum(float(logp[place - 1, ids[place]]) for place in range(len(before), len(ids)))


def test_classification_from_end_to_end(arena):
    card = arena("classify").evaluate()
    result, rows = card.result, examples(card)
    assert result["scorecard"] == card.id and card.stage == "scorecard"
    assert list(result["metrics"]) == ["accuracy", "macro_f1", "perplexity", "ece"]
    assert list(result["baselines"]) == list(result["deltas"]) == ["base", "prompt", "linear", "nearest", "majority"]
    expected, answered = rows["expected"].to_list(), rows["answer"].to_list()
    assert result["metrics"]["accuracy"]["value"] == accuracy_score(expected, answered)
    assert result["metrics"]["macro_f1"]["value"] == pytest.approx(f1_score(expected, answered, average="macro"))
    assert result["metrics"]["perplexity"]["value"] == pytest.approx(math.exp(rows["nll"].mean()))
    assert rows["correct"].to_list() == [a == b for a, b in zip(expected, answered, strict=True)]
    for who in result["baselines"]:
        theirs = accuracy_score(expected, rows[f"answer_{who}"].to_list())
        assert result["baselines"][who]["accuracy"]["value"] == theirs
        ours = result["metrics"]["accuracy"]["value"]
        assert result["deltas"][who]["accuracy"]["value"] == pytest.approx(ours - theirs)
    assert result["verdict"] in ("pass", "fail", "undecided") and result["reasons"] and result["summary"]


def test_metrics_of_their_own_columns_reach_the_scorecard_with_differences(arena):
    """Their columns are made per system on its rows: those of a sample must not be compared with those of all."""
    names = ["bleu", "rougeL", "normalised_match", "answer_chars", "bits_per_byte"]
    card = arena("chat").evaluate(metrics=names, baselines=["base"], gate={"against": ["base"]})
    rows = examples(card)
    assert list(card.result["metrics"]) == [*names, "token_f1"]
    bleu = sacrebleu.corpus_bleu(rows["answer"].to_list(), [rows["expected"].to_list()]).score
    base = sacrebleu.corpus_bleu(rows["answer_base"].to_list(), [rows["expected"].to_list()]).score
    assert card.result["metrics"]["bleu"]["value"] == pytest.approx(bleu)
    assert card.result["deltas"]["base"]["bleu"]["value"] == pytest.approx(bleu - base)
    assert card.result["metrics"]["answer_chars"]["value"] == rows["answer"].str.len_chars().mean()
    assert "bits_per_byte" in (card.path / "scorecard.html").read_text()


def test_a_metric_about_none_of_a_baseline_s_rows_is_left_out_there(arena):
    """Slow baselines answer a sample: where no row of it counts, the evaluation must not end after hours of answers."""
    ring = arena("chat")
    path = ring.dataset.path / "test.parquet"
    frame = pl.concat([pl.read_parquet(path)] * 4)
    sampled = random.Random(ring.recipe().seed).sample(range(frame.height), 10)
    only = next(row for row in range(frame.height) if row not in sampled)
    kept = [json.dumps({"name": "hi there"}) if row == only else None for row in range(frame.height)]
    frame.with_columns(pl.Series("kept", kept, dtype=pl.String)).write_parquet(path)
    grader = {"type": "string_check", "name": "named", "operation": "eq", "input": "{{sample.output_text}}"}
    settings = {"graders": [{**grader, "reference": "{{item.name}}"}], "baselines": ["base"], "baseline_rows": 10}
    card = ring.evaluate(**settings)
    assert card.result["metrics"]["named"]["n"] == 1 and "named" in (card.path / "scorecard.html").read_text()
    assert "named" not in card.result["deltas"]["base"] and "token_f1" in card.result["deltas"]["base"]
    with pytest.raises(DataError, match=r"named, and none of 10 rows has item\.name"):
        ring.evaluate(**settings, gate={"metric": "named", "against": ["base"]})


def test_labels_are_written_one_by_one(arena):
    card = arena("classify").evaluate(baselines=[], gate={"against": []})
    found, rows = json.loads((card.path / "labels.json").read_text()), examples(card)
    assert {one["label"]: one["rows"] for one in found["labels"]} == dict(rows["expected"].value_counts().iter_rows())


def test_probabilities_are_those_of_the_model(arena):
    """A label without its end token, or a prompt rendered otherwise than in training, gives other probabilities."""
    ring = arena("classify")
    rows = examples(ring.evaluate(baselines=[], gate={"against": []}))
    loaded = load_model(ring.model.path / "model", device="cpu")
    for row in rows.head(3).to_dicts():
        logp = {label: sequence_logp(loaded, row["input"], label) for label in ("card", "refund")}
        total = math.log(sum(map(math.exp, logp.values())))
        assert row["answer"] == max(logp, key=logp.__getitem__)
        assert row["probability"] == pytest.approx(math.exp(logp[row["answer"]] - total), abs=2e-3)
        assert row["nll"] == pytest.approx(total - logp[row["expected"]], rel=0.01, abs=2e-3)


def test_perplexity_of_text_is_that_of_the_model(arena):
    ring = arena("chat")
    card = ring.evaluate(baselines=[], gate={"against": []})
    loaded = load_model(ring.model.path / "model", device="cpu")
    rows = examples(card)
    logps = [sequence_logp(loaded, row["input"], row["expected"]) for row in rows.to_dicts()]
    assert rows["nll"].to_list() == pytest.approx([-logp for logp in logps], rel=1e-4)
    tokens = len(rows) * (len("hi there") + 1)  # the tiny tokenizer's tokens are bytes
    assert card.result["metrics"]["perplexity"]["value"] == pytest.approx(math.exp(-sum(logps) / tokens), rel=1e-4)


@pytest.mark.parametrize(("task", "metric"), [("extract", "slot_f1"), ("chat", "token_f1")])
def test_generated_answers_are_measured(arena, task, metric):
    card = arena(task).evaluate()
    result, rows = card.result, examples(card)
    assert metric in result["metrics"] and list(result["baselines"]) == ["base", "prompt", "nearest"]
    right = [row["expected"] == row["answer"] for row in rows.to_dicts()]
    assert result["metrics"]["exact_match"]["value"] == sum(right) / len(right)
    assert sum(right) > len(right) / 2, "the tiny model learns this by heart, so generation does work"
    assert result["deltas"]["base"]["perplexity"]["high"] < 0
    assert all(0 <= p <= 1 for p in rows["probability"])
    assert result["verdict"] == "pass"


def test_result_is_plain_json_without_nan(arena):
    for task in ("classify", "chat"):
        result = arena(task).evaluate().result
        json.dumps(result, allow_nan=False)
        assert all(math.isfinite(one) for one in numbers(result))
        for one in result["metrics"].values():
            assert one["low"] <= one["value"] <= one["high"] and one["n"] == (12 if task == "classify" else 8)


def test_rows_in_groups_are_counted_by_group(arena):
    """Questions of one customer are alike: counted as rows, the model looks surer than it is."""
    ring = arena("classify")
    plain = ring.evaluate(baselines=["linear"], gate={"against": ["linear"]}).result
    ring = arena("classify")
    file = ring.dataset.path / "test.parquet"
    group = (pl.int_range(pl.len()) // 3).cast(pl.String).alias("group")
    pl.read_parquet(file).with_columns(group).write_parquet(file)
    card = ring.evaluate(baselines=["linear"], gate={"against": ["linear"]})
    for name in ("accuracy", "macro_f1", "perplexity"):
        own, alone = card.result["metrics"][name], plain["metrics"][name]
        assert own["clusters"] == 4 and own["n"] == 12 and "clustered" in own["method"] and "clusters" not in alone
    assert card.result["metrics"]["accuracy"]["low"] < plain["metrics"]["accuracy"]["low"]
    assert card.result["deltas"]["linear"]["accuracy"]["clusters"] == 4
    assert card.result["notes"] == ["The 12 test rows form 4 groups: intervals and tests count groups."]
    assert "n=12 in 4 groups" in card.result["summary"]
    assert "groups of rows" in (card.path / "scorecard.html").read_text()
    assert examples(card)["group"].to_list() == [str(row // 3) for row in range(12)]


def test_one_group_alone_says_nothing_of_others(arena):
    """With one cluster the spread between clusters is 0 / 0."""
    ring = arena("classify")
    file = ring.dataset.path / "test.parquet"
    pl.read_parquet(file).with_columns(pl.lit("a").alias("group")).write_parquet(file)
    result = ring.evaluate(baselines=[], gate={"against": []}).result
    assert "one group" in result["notes"][0] and "clusters" not in result["metrics"]["accuracy"]


def test_the_gate_is_tested_on_the_rows_it_judges(arena):
    result = arena("classify").evaluate().result
    assert result["controls"] == {"right": "pass", "shuffled": "undecided"} or result["controls"]["shuffled"] == "fail"
    found = result["criteria"]
    assert [(one["metric"], one["kind"], one["against"]) for one in found] == [
        ("accuracy", "over", "base"), ("accuracy", "not_worse", "production"),
    ]  # fmt: skip
    assert found[0]["corrected_p"] == found[0]["p"] and found[1]["p"] is None


def test_several_metrics_are_gated_and_corrected_together(arena):
    rules = {
        "accuracy": {"over": ["base", "majority"]},
        "perplexity": {"not_worse_by": 0.5, "not_worse_than": ["base"]},
    }
    card = arena("classify").evaluate(metrics=["accuracy"], baselines=[], gate={"against": [], "metrics": rules})
    result = card.result
    assert list(result["metrics"]) == ["accuracy", "perplexity"] and list(result["baselines"]) == ["base", "majority"]
    ps = [one["p"] for one in result["criteria"]]
    assert [one["corrected_p"] for one in result["criteria"]] == holm(ps) and len(ps) == 3
    assert all("corrected for 3 criteria" in reason for reason in result["reasons"][:3])


def test_same_scorecard_is_not_made_twice(arena, monkeypatch):
    ring = arena("classify")
    first = ring.evaluate()
    monkeypatch.setattr(stage, "_Evaluation", lambda *_: pytest.fail("evaluated again"))
    assert ring.evaluate() == first


def test_elsewhere_it_is_the_same_id_and_the_same_bytes(arena):
    """Time, place or an unseeded sample in the output would show."""
    first, second = (arena("classify").evaluate(baseline_rows=10) for _ in range(2))
    assert first.path != second.path and first.id == second.id
    for name in FILES:
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


@pytest.fixture
def asked(monkeypatch):
    """The names of the models that are asked from here on."""
    names = []
    real = answers.Contender.answer

    def counted(self, rows):
        names.append(self.name)
        return real(self, rows)

    monkeypatch.setattr(answers.Contender, "answer", counted)
    return names


def test_killed_and_started_again_it_ends_in_the_same_bytes(arena, monkeypatch, asked):
    """And does not ask again what had been answered: for a large model that is hours."""
    whole, ring = arena("classify").evaluate(), arena("classify")
    asked.clear()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(baselines, "linear", killed)
        with pytest.raises(KeyboardInterrupt):
            ring.evaluate()
    assert ring.workspace.find(whole.id) is None
    again = ring.evaluate()
    assert asked == ["tuned", "base", "prompt"]
    assert again.id == whole.id
    for name in FILES:
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert list(ring.workspace.leftovers()) == []


def test_answers_of_another_machine_are_not_taken_for_this_ones(arena, asked, monkeypatch):
    """Catches a gate that fails because answers kept from a GPU are held against what this CPU serves."""
    ring = arena("classify")
    ring.evaluate()
    asked.clear()
    monkeypatch.setattr("tunesmith.evaluate.systems.made_here", lambda _: "cuda, weights in float32")
    ring.evaluate(metrics=["macro_f1"], served=0)
    assert "tuned" in asked


def test_other_metrics_and_another_gate_ask_no_model_again(arena, asked):
    """Catches answers that are given anew for a number, which for a large model is hours; and answers of one system or
    setting that are taken for those of another.
    """
    ring = arena("classify")
    first = ring.evaluate()
    assert asked == ["tuned", "base", "prompt"]
    second = ring.evaluate(metrics=["macro_f1"], gate={"against": ["linear"]})
    assert asked == ["tuned", "base", "prompt"]
    assert second.id != first.id
    assert second.result["metrics"]["macro_f1"] == first.result["metrics"]["macro_f1"]
    for name, one in second.result["baselines"].items():
        assert one["macro_f1"] == first.result["baselines"][name]["macro_f1"]
    ring.evaluate(baseline_rows=10)
    assert asked[3:] == ["base", "prompt"]
    ring.evaluate(max_new_tokens=8)
    assert asked[5:] == ["tuned", "base", "prompt"]


def test_damaged_answers_are_given_again(arena, asked, capsys):
    """Catches a traceback after a full disk, or answers to some of the rows."""
    ring = arena("classify")
    first = ring.evaluate()
    for file in ring.workspace.answers_dir.iterdir():
        file.write_bytes(file.read_bytes()[:40])
    second = ring.evaluate(metrics=["accuracy"])
    assert asked == 2 * ["tuned", "base", "prompt"]
    assert "damaged" in capsys.readouterr().err
    assert second.result["metrics"]["accuracy"] == first.result["metrics"]["accuracy"]


def test_slow_baselines_are_measured_on_a_sample_of_the_same_rows(arena):
    card = arena("classify").evaluate(baseline_rows=10)
    result, rows = card.result, examples(card)
    assert result["baselines"]["base"]["accuracy"]["n"] == result["deltas"]["base"]["accuracy"]["n"] == 10
    assert result["baselines"]["linear"]["accuracy"]["n"] == 12
    some = rows.filter(pl.col("answer_base").is_not_null())
    assert len(some) == 10
    ours, theirs = some["correct"].mean(), (some["answer_base"] == some["expected"]).mean()
    assert result["deltas"]["base"]["accuracy"]["value"] == pytest.approx(ours - theirs)


def test_against_itself_in_production_nothing_differs(arena):
    """Rows out of order, or another way of loading, would give a difference."""
    ring = arena("classify")
    settings = {"baselines": [], "gate": {"against": ["production"], "margin": 0.3}}
    card = ring.evaluate(production=ring.model, **settings)
    delta = card.result["deltas"]["production"]
    assert all(delta[name]["value"] == 0 for name in ("accuracy", "macro_f1", "perplexity", "ece"))
    assert card.parents == (ring.dataset.id, ring.model.id, ring.model.id)
    assert card.id != ring.evaluate(**settings).id


def test_production_may_know_other_labels(arena):
    """The label that production never learnt is wrong for it, not a crash."""
    ring = arena("classify")
    pairs = [(f"what is fee {n}", "fee") for n in range(4)] + [(f"my card {n} is lost", "card") for n in range(4)]
    dataset = make_dataset(ring.workspace, pairs[::2], pairs[:2], pairs)
    production, ring.dataset = ring.model, dataset
    ring.model = training.train(ring.recipe(), dataset, ring.workspace)
    card = ring.evaluate(production=production, baselines=[], gate={"against": ["production"]})
    given = examples(card).filter(pl.col("expected") == "fee")["answer_production"]
    assert set(given) <= {"card", "refund"}
    assert card.result["baselines"]["production"]["accuracy"]["value"] <= 0.5


def test_a_label_that_no_test_row_has(arena):
    """Its recall is 0 of 0."""
    ring = arena("classify")
    pairs = [(f"my card {n} is lost", "card") for n in range(6)] + [("money back", "refund"), ("my fee", "fee")]
    ring.dataset = make_dataset(ring.workspace, pairs, pairs, pairs[:6])
    ring.model = training.train(ring.recipe(), ring.dataset, ring.workspace)
    card = ring.evaluate(baselines=["linear"], gate={"against": []})
    assert card.result["metrics"]["accuracy"]["n"] == 6
    assert "scorecard" in (card.path / "scorecard.html").read_text().lower()


def test_rows_longer_than_the_model_reads_count_as_wrong(arena):
    """Left out, the score would be of the easy rows; cut, of other rows."""
    ring = arena("classify")
    train = ring.dataset.path / "test.parquet"
    frame = pl.read_parquet(train)
    long = json.dumps([{"role": "user", "content": "card " * 200}, {"role": "assistant", "content": "card"}])
    replaced = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(long)).otherwise("messages").alias("messages")
    frame.with_columns(replaced).write_parquet(train)
    card = ring.evaluate(baselines=["prompt"], gate={"against": ["prompt"]})
    row = examples(card).row(3, named=True)
    assert (row["answer"], row["correct"], row["probability"], row["nll"]) == ("", False, 0.0, None)
    assert "1 of 12 rows do not fit into the context of tuned" in card.result["summary"]
    assert card.result["metrics"]["accuracy"]["n"] == 12


def test_cut_answers_are_counted(arena):
    card = arena("chat").evaluate(max_new_tokens=2, baselines=[], gate={"against": []})
    assert card.result["notes"] == ["8 of 8 answers of tuned were cut at 2 tokens."]
    assert set(examples(card)["answer"]) == {"hi"}


def test_gate_needs_what_it_compares_with(arena):
    card = arena("classify").evaluate(baselines=["linear"], gate={"against": ["majority"]})
    assert list(card.result["baselines"]) == ["linear", "majority"] and len(card.result["reasons"]) == 1


def test_without_test_rows_nothing_is_measured(arena):
    ring = arena("classify")
    path = ring.dataset.path / "test.parquet"
    pl.read_parquet(path).head(0).write_parquet(path)
    with pytest.raises(DataError, match="no test rows"):
        ring.evaluate()
    assert ring.workspace.list("scorecard") == []


def test_a_model_that_reads_prompts_otherwise_is_refused(arena):
    """A changed tokenizer gives other tokens than in training, and numbers of another model."""
    ring = arena("classify")
    file = ring.model.path / "model" / "prompts.json"
    samples = json.loads(file.read_text())
    samples[0]["ids"][0] += 1
    file.write_text(json.dumps(samples))
    with pytest.raises(ArtifactError, match="other token ids"):
        ring.evaluate(baselines=[], gate={"against": []})


def test_base_may_be_an_earlier_model(arena):
    ring = arena("classify")
    earlier = ring.model
    settings = {"baselines": ["base"], "gate": {"against": []}}
    recipe = ring.recipe(**settings).model_copy(update={"base": earlier.id})
    card = stage.evaluate(recipe, ring.dataset, earlier, ring.workspace)
    assert card.result["deltas"]["base"]["perplexity"]["value"] == 0


@pytest.mark.parametrize(
    ("task", "settings", "words"),
    [
        ("chat", {"baselines": ["base", "linear"]}, "evaluate.baselines: linear needs labels"),
        ("extract", {"gate": {"against": ["majority"]}}, "evaluate.gate.against: majority needs labels"),
        ("chat", {"metrics": ["accuracy"]}, "no metric 'accuracy'"),
        ("chat", {"gate": {"metrics": {"accuracy": {"over": ["base"]}}}}, "evaluate.gate.metrics: chat has no metric"),
        ("chat", {"gate": {"metrics": {"nll": {"over": "linear"}}}}, "evaluate.gate.metrics: linear needs labels"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_spent(tmp_path, task, settings, words):
    recipe = Recipe(name="x", task=task, data={"train": "x"}, evaluate=settings)
    with pytest.raises(RecipeError, match=words):
        ahead.check(recipe)
    nothing = Workspace(tmp_path).root
    with pytest.raises(RecipeError, match=words):
        stage.evaluate(recipe, nothing, nothing, Workspace(tmp_path))


def test_default_baselines_are_those_of_the_task():
    def chosen(task, **settings):
        return ahead.chosen_baselines(Recipe(name="x", task=task, data={"train": "x"}, evaluate=settings))

    assert chosen("classify") == ["base", "prompt", "linear", "nearest", "majority"]
    assert chosen("chat") == ["base", "prompt", "nearest"]
    assert chosen("chat", gate={"metrics": {"nll": {"not_worse_by": 0.1, "not_worse_than": "nearest"}}}, baselines=[]) == [
        "base", "nearest",
    ]  # fmt: skip
    assert chosen("chat", baselines=[], gate={"against": ["production"]}) == []
    assert chosen("classify", baselines=["linear"]) == ["linear", "base"], "the gate compares with the base"
