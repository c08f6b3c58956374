"""The train stage on a tiny real model: what it writes loads elsewhere, and a resumed run ends in the same bytes."""

import json

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from killed import killed_after
from made import make_dataset
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.models.load import load_model
from tunesmith.models.score import nll
from tunesmith.recipe import Prompt, Recipe
from tunesmith.text.chat import TokenWeights, prompt_ids
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import task_of
from tunesmith.text.task import TaskSpec
from tunesmith.train import stage
from tunesmith.train.memory import ROW_TOKENS
from tunesmith.train.plan import estimate
from tunesmith.train.sets import tokens_of

pytestmark = pytest.mark.slow

PAIRS = [(f"my card {n} is lost", "card") for n in range(12)] + [
    (f"money back for {n} please", "refund") for n in range(12)
]


def recipe(base, **train):
    settings = {"method": "full", "epochs": 4, "batch_tokens": 24, "precision": "float32", "threads": 1}
    settings["schedule"] = {"peak": 0.02}
    return Recipe(name="made", task="classify", base=str(base), data={"train": "x"}, train={**settings, **train})


@pytest.fixture
def dataset(workspace):
    return make_dataset(workspace, PAIRS[::2], PAIRS[1::2])


def test_loss_falls_and_the_result_says_what_happened(workspace, dataset, tiny):
    model = stage.train(recipe(tiny), dataset, workspace)
    rows = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    result = model.result
    assert result["steps"] == len(rows) and result["best"]["value"] == min(
        r["valid_loss"] for r in rows if "valid_loss" in r
    )
    # 12 examples of "card" and 12 of "refund", half of them trained on, each with its end token, 4 epochs
    assert result["tokens"]["target"] == 4 * (6 * 5 + 6 * 7)
    assert TaskSpec.load(model.path / "model").labels == ("card", "refund")
    assert (model.path / "train.html").stat().st_size < 300_000


def test_the_peaks_factor_is_honoured_and_left_out_it_changes_no_id(workspace, dataset, tiny):
    """Would let through: a factor that a service honours and training here ignores, or models made again for nothing."""
    plain = recipe(tiny, max_steps=1)
    halved = recipe(tiny, max_steps=1, schedule={"peak": 0.02, "peak_factor": 0.5})
    by_default = recipe(tiny, max_steps=1, schedule={"peak_factor": 2})
    assert "peak_factor" not in plain.train.model_dump()["schedule"]
    peaks = [stage.train(one, dataset, workspace).result["peak_learning_rate"] for one in (halved, by_default)]
    assert peaks == [
        0.01,
        2 * stage.train(recipe(tiny, schedule={}, max_steps=1), dataset, workspace).result["peak_learning_rate"],
    ]


def test_prompts_that_weigh_are_learnt_and_are_no_targets(workspace, dataset, tiny):
    """Would let through: a weight that reaches no loss, steps or a validation loss that count prompts."""
    plain = stage.train(recipe(tiny), dataset, workspace)
    weighed = recipe(tiny).model_copy(update={"prompt": Prompt(prompt_loss_weight=0.5)})
    model = stage.train(weighed, dataset, workspace)
    first, other = (json.loads((one.path / "metrics.jsonl").read_text().splitlines()[0]) for one in (plain, model))
    assert other["loss"] != first["loss"] and other["target_tokens"] == first["target_tokens"]
    assert model.result["tokens"] == plain.result["tokens"] and model.result["steps"] == plain.result["steps"]
    loaded = load_model(str(model.path / "model"))
    task = task_of(weighed, dataset)
    examples = read_examples(dataset.path / "valid.parquet")
    tokens, _ = tokens_of(loaded, [task], examples, 99, "valid")
    scores = nll(
        loaded,
        [one.ids for one in tokens.rendered],
        [one.targets for one in tokens.rendered],
        precision=model.result["precision"],
    )
    assert model.result["best"]["value"] == pytest.approx(
        sum(one.nats for one in scores) / sum(tokens.num_targets), rel=1e-4
    )


def test_parts_of_answers_weigh_what_the_recipe_says(workspace, dataset, tiny):
    """Would let through: a weight that reaches no loss, words of weight 0 that are learnt, a pattern of questions that
    weighs nothing, Models made again for a setting that is left out.
    """
    plain = recipe(tiny, max_steps=1)
    planned = stage.plan_model(recipe(tiny, freeze={"layers": "0:1"}), dataset, workspace).config
    assert "answer_weights" not in planned["prompt"] and "rows" not in planned["train"]["freeze"]

    def first(parts: dict[str, float]) -> dict[str, float]:
        weighed = plain.model_copy(update={"prompt": Prompt(answer_weights=parts)})
        rows = (stage.train(weighed, dataset, workspace).path / "metrics.jsonl").read_text().splitlines()
        return json.loads(rows[0])

    none, heavy, muted = first({}), first({"ar|ef": 3}), first({"[a-z]+$": 0})
    assert heavy["target_tokens"] == none["target_tokens"] and heavy["loss"] != none["loss"]
    assert muted["target_tokens"] == 6 * 2, "the ends of all 12 answers"
    with pytest.raises(RecipeError, match=r"'lost' matches in no answer of train"):
        estimate(plain.model_copy(update={"prompt": Prompt(answer_weights={"lost": 2})}), dataset, workspace)


def test_a_tokenizer_that_tells_no_places_is_refused(tiny, monkeypatch):
    """Would let through: a traceback of the tokenizer, in training and in `curve`, which renders rows by itself."""
    loaded = load_model(str(tiny))
    monkeypatch.setattr(type(loaded.tokenizer), "is_fast", False)
    with pytest.raises(RecipeError, match=r"does not tell where its tokens lie"):
        tokens_of(loaded, [], [], 99, "train", weights=TokenWeights(parts={"a": 2}))


@pytest.mark.parametrize(("parts", "per_row"), [({"[a-z]+": 0}, [1, 1]), ({"[a-z]+": 3}, [5, 7])])
def test_what_weighs_nothing_is_not_validated_and_the_rest_alike(workspace, dataset, tiny, parts, per_row):
    """Would let through: words that are only to be read in the validation loss, weights of training in it."""
    weighed = recipe(tiny).model_copy(update={"prompt": Prompt(answer_weights=parts)})
    model = stage.train(weighed, dataset, workspace)
    loaded, task = load_model(str(model.path / "model")), task_of(weighed, dataset)
    tokens, _ = tokens_of(loaded, [task], read_examples(dataset.path / "valid.parquet"), 99, "valid")
    places = [[*one.targets] for one in tokens.rendered]
    if parts["[a-z]+"] == 0:
        places = [[at == len(row) - 1 for at in range(len(row))] for row in places]
    assert sorted({sum(row) for row in places}) == sorted({*per_row})
    scores = nll(loaded, [one.ids for one in tokens.rendered], places, precision=model.result["precision"])
    expected = sum(one.nats for one in scores) / sum(map(sum, places))
    assert model.result["best"]["value"] == pytest.approx(expected, rel=1e-4)


def test_auto_is_the_number_it_chose(workspace, dataset, tiny):
    """Would let through: a plan, a run and a resumed run that disagree about the steps."""
    auto = recipe(tiny, batch_tokens="auto", epochs=2)
    planned = estimate(auto, dataset, workspace)
    result = stage.train(auto, dataset, workspace).result
    assert result["batch_tokens"] == planned["batch_tokens"] == 32 and result["steps"] == planned["steps"]
    fixed = stage.train(recipe(tiny, batch_tokens=32, epochs=2), dataset, workspace)
    assert fixed.result["best"] == result["best"]


def test_same_recipe_is_not_trained_twice(workspace, dataset, tiny, monkeypatch):
    first = stage.train(recipe(tiny), dataset, workspace)
    monkeypatch.setattr(stage, "_make", lambda *_: pytest.fail("trained again"))
    assert stage.train(recipe(tiny), dataset, workspace) == first


@pytest.mark.parametrize("method", ["full", "lora"])
def test_standard_loaders_give_the_same_logits(workspace, dataset, tiny, method):
    model = stage.train(recipe(tiny, method=method), dataset, workspace)
    folder = model.path / "model"
    ours = load_model(folder, device="cpu")
    ids = torch.tensor([prompt_ids(ours.tokenizer, [{"role": "user", "content": "my card is lost"}])])
    if method == "lora":
        theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), folder)
        assert not (folder / "model.safetensors").exists()
    else:
        theirs = AutoModelForCausalLM.from_pretrained(folder)
    before = AutoModelForCausalLM.from_pretrained(tiny)
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == ours.tokenizer.get_vocab()
    with torch.no_grad():
        logits = ours.model(ids).logits
        assert torch.equal(logits, theirs.eval()(ids).logits)
        assert not torch.allclose(logits, before(ids).logits, atol=1e-2)


def test_lora_touches_only_the_adapter(workspace, dataset, tiny):
    model = stage.train(recipe(tiny, method="lora"), dataset, workspace)
    names = {path.name for path in (model.path / "model").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "task.json", "prompts.json", "tokenizer.json"} <= names


GRADUAL = {
    "freeze": {"unfreeze": "gradual"},
    "schedule": {"peak": 0.02, "layer_decay": 0.5, "rates": {"layers.1.mlp": 4}},
}


HELD = {"freeze": {"rows": ":100"}}


@pytest.mark.parametrize("changes", [{}, {"method": "lora"}, GRADUAL, {"method": "lora", **GRADUAL}, HELD])
def test_run_killed_at_any_step_ends_in_the_same_bytes(tmp_path, workspace, dataset, tiny, changes):
    """Catches state that a checkpoint lacks: of a method, of what is unfrozen by now, of groups with rates of their own."""
    settings = {"regularise": {"dropout": 0.1}, "eval_every": 2, **changes}
    if changes.get("method") == "lora":
        settings["lora"] = {"dropout": 0.1}
    undisturbed = stage.train(recipe(tiny, **settings), dataset, workspace).manifest["files"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same_dataset = make_dataset(elsewhere, PAIRS[::2], PAIRS[1::2])
    assert same_dataset.id == dataset.id
    for at in (1, 3, 3, 2):
        killed_after(at, lambda: stage.train(recipe(tiny, **settings), same_dataset, elsewhere))
        assert elsewhere.list("model") == []
    files = stage.train(recipe(tiny, **settings), same_dataset, elsewhere).manifest["files"]
    differing = {name for name in files if files[name] != undisturbed[name]}
    assert differing <= {"train.html"}  # which shows seconds


@pytest.mark.parametrize("method", ["full", "lora"])
def test_computing_activations_twice_changes_no_byte(tmp_path, workspace, dataset, tiny, method):
    """Would let through: a Model that depends on how much memory was free."""
    settings = {"method": method, "regularise": {"dropout": 0.1}, "precision": "bfloat16"}
    plain = stage.train(recipe(tiny, **settings), dataset, workspace)
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same_dataset = make_dataset(elsewhere, PAIRS[::2], PAIRS[1::2])
    twice = stage.train(recipe(tiny, **settings, activation_checkpointing="always"), same_dataset, elsewhere)
    files = twice.manifest["files"]
    assert {name for name in files if files[name] != plain.manifest["files"][name]} <= {"train.html"}


def test_best_weights_are_kept_and_early_stopping_stops(workspace, tiny):
    noise = [(f"text {n}", "ab"[(n * 7919) % 13 % 2]) for n in range(16)]
    overfit = recipe(tiny, epochs=60, eval_every=1, regularise={"dropout": 0, "early_stopping": {"patience": 4}})
    dataset = make_dataset(workspace, noise, [(text, "ba"["ab".index(label)]) for text, label in noise])
    model = stage.train(overfit, dataset, workspace)
    rows = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
    best = model.result["best"]
    assert model.result["stopped_by"].startswith("valid_loss")
    assert best["step"] == model.result["steps"] - 4 == min(rows, key=lambda row: row["valid_loss"])["step"]


def test_accumulation_and_padding_change_nothing(workspace, dataset, tiny, monkeypatch):
    exact = recipe(tiny, max_steps=3, regularise={"dropout": 0})
    whole = stage.train(exact, dataset, workspace)
    losses = [json.loads(line)["loss"] for line in (whole.path / "metrics.jsonl").read_text().splitlines()]
    monkeypatch.setitem(ROW_TOKENS, "cpu", (1, 1))  # every example alone
    monkeypatch.setattr(stage, "CODE", "train-test")
    alone = stage.train(exact, dataset, workspace)
    ours = [json.loads(line)["loss"] for line in (alone.path / "metrics.jsonl").read_text().splitlines()]
    assert ours == pytest.approx(losses, rel=1e-5)


def test_too_long_examples_are_counted_or_refused_never_cut(workspace, tiny):
    short = [(f"short {n}", "a") for n in range(200)]
    one_long = make_dataset(workspace, [("x" * 600, "a"), *short], short[:5])
    model = stage.train(recipe(tiny, max_steps=1), one_long, workspace)
    assert model.result["left_out_too_long"] == 1
    many = make_dataset(workspace, [("x" * 600, "a"), ("y" * 700, "b"), *short[:20]], short[:5])
    with pytest.raises(DataError, match=r"2 of 22 train examples are longer than 512 tokens.*train\.csv:3"):
        stage.train(recipe(tiny), many, workspace)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "openai:gpt-4.1-mini"}, "not with base: openai"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_spent(changes, message, tiny):
    with pytest.raises(RecipeError, match=message):
        stage.check(recipe(tiny).model_copy(update=changes))


def test_wrong_lora_target_is_the_users_error(workspace, dataset, tiny):
    with pytest.raises(RecipeError, match="query_key_value"):
        stage.train(recipe(tiny, method="lora", lora={"targets": ["query_key_value"]}), dataset, workspace)


def test_training_goes_on_from_an_earlier_model(workspace, dataset, tiny):
    first = stage.train(recipe(tiny, max_steps=2), dataset, workspace)
    second = stage.train(recipe(first.id, max_steps=1), dataset, workspace)
    first_rows = (first.path / "metrics.jsonl").read_text().splitlines()
    second_row = json.loads((second.path / "metrics.jsonl").read_text())
    assert second_row["loss"] < json.loads(first_rows[0])["loss"]


def test_plan_agrees_with_what_training_does(workspace, dataset, tiny):
    planned = estimate(recipe(tiny), dataset, workspace)
    done = stage.train(recipe(tiny), dataset, workspace).result
    assert planned["steps"] == done["steps"]
    assert 4 * planned["tokens_per_epoch"]["target"] == done["tokens"]["target"]
    assert len(planned["learning_rate"]) > 1 and planned["seconds_per_step"] > 0
