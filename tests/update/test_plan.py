"""From feedback to the next version's recipe: what is learnt, what is held out, what is left out and why."""

import json
from pathlib import Path

import pytest

from made import make_dataset
from traffic import Traffic
from tunesmith.core.artifacts import Plan
from tunesmith.core.errors import DataError
from tunesmith.recipe import Recipe, load_recipe
from tunesmith.text.examples import read_examples
from tunesmith.update.plan import plan_update

pytestmark = pytest.mark.slow

LABELS = ("billing", "lost card", "refund")
TRAIN = [(f"old {label} {number}", label) for label in LABELS for number in range(20)]
VALID = [(f"valid {label}", label) for label in LABELS]
TEST = [(f"test {label} {number}", label) for label in LABELS for number in range(3)]


FIELDS = {"name": "tickets", "task": "classify", "data": {"train": "tickets.csv"}, "seed": 3}


def make_recipe(task="classify", **changes):
    return Recipe(**{**FIELDS, "task": task, **changes})


@pytest.fixture
def production(workspace):
    """The model in production, made from a dataset of three labels."""
    return model_of(workspace, make_dataset(workspace, TRAIN, VALID, TEST))


def model_of(workspace, dataset, config=None, files=None):
    plan = Plan("tickets", "model", config or {}, parents=(dataset.id,))
    with workspace.draft(plan) as draft:
        (draft.path / "model").mkdir()
        for name, text in {"config.json": "{}", **(files or {})}.items():
            (draft.path / "model" / name).write_text(text)
    return workspace.get(plan.id)


@pytest.fixture
def traffic(store):
    return Traffic(store)


def records(planned, split):
    path = planned.recipe.parent / f"{split}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers(planned, split):
    """Question to answer of the harvested rows of a split."""
    return {
        one["messages"][-2]["content"]: one["messages"][-1]["content"]
        for one in records(planned, split)
        if "request_id" in one
    }


def harvested(planned):
    return {key: value for split in ("train", "valid", "test") for key, value in answers(planned, split).items()}


def test_corrections_become_examples_and_the_old_ones_stay(store, traffic, workspace, production):
    for number in range(20):
        traffic.correct(f"gift {number}", "gift_card")
        traffic.correct(f"bill {number}", "billing")
    planned = plan_update(make_recipe(), production, store, workspace)
    assert planned.counts["corrections"] == 40 and planned.counts["new_labels"] == ["gift_card"]
    assert planned.counts["harvested"] == {"train": 26, "valid": 2, "test": 12}
    assert planned.counts["rows"] == {"train": 60 + 26, "valid": 3 + 2, "test": 9 + 12}
    for split in ("train", "valid", "test"):
        counts = list(answers(planned, split).values())
        assert counts.count("gift_card") == counts.count("billing") > 0  # each label in its share
    assert "gift_card" in planned.summary and "40 corrections" in planned.summary


def test_what_was_held_out_stays_held_out(store, traffic, workspace, production):
    # catches: a test question that the update learns, so that its gate is worth nothing
    traffic.correct("test refund 0", "billing")
    traffic.correct("VALID  refund", "billing")
    traffic.correct("something new", "billing")
    planned = plan_update(make_recipe(), production, store, workspace)
    assert harvested(planned) == {"something new": "billing"}
    assert planned.counts["left_out"] == {"question held out already": 2}
    seen = {one["messages"][0]["content"] for one in records(planned, "train")}
    assert not seen & {text for text, _ in [*VALID, *TEST]}


def test_the_newest_correction_wins_and_replaces_the_old_example(store, traffic, workspace, production):
    traffic.correct("old refund 3", "billing")
    traffic.correct("Old  REFUND 3", "lost card")
    planned = plan_update(make_recipe(), production, store, workspace)
    assert list(harvested(planned).values()) == ["lost card"]
    texts = [one["messages"][0]["content"].casefold() for one in records(planned, "train")]
    assert "old refund 3" not in texts and planned.counts["rows"]["train"] == len(TRAIN)


def test_a_thumb_confirms_but_overrules_no_correction(store, traffic, workspace, production):
    corrected = traffic.correct("a", "billing")
    traffic.say(corrected, rating=1)
    traffic.say(traffic.ask("a"), rating=1)
    traffic.say(traffic.ask("b"), rating=1)
    doubted = traffic.ask("c")
    traffic.say(doubted, rating=1)
    traffic.say(doubted, rating=-1)
    traffic.say(traffic.ask("d"), rating=-1)
    traffic.say(traffic.ask("e"), comment="hm")
    planned = plan_update(make_recipe(), production, store, workspace)
    assert harvested(planned) == {"a": "billing", "b": "refund"}
    assert (planned.counts["corrections"], planned.counts["confirmations"]) == (1, 1)


def test_labels_nobody_knew_need_two_questions(store, traffic, workspace, production):
    traffic.correct("x", "biling")
    traffic.correct("y", " BILLING ")
    traffic.correct("z", "gift_card")
    traffic.correct("Z", "gift_card")  # the same question again is no second one
    planned = plan_update(make_recipe(), production, store, workspace)
    assert harvested(planned) == {"y": "billing"}
    assert planned.counts["rare_labels"] == {"biling": 1, "gift_card": 1} and planned.counts["new_labels"] == []
    assert planned.counts["left_out"] == {"unknown label": 2} and "biling" in planned.summary
    traffic.correct("another gift", "gift_card")
    planned = plan_update(make_recipe(), production, store, workspace)
    assert planned.counts["new_labels"] == ["gift_card"]
    assert load_recipe(planned.recipe).data.labels.names == ["billing", "gift_card", "lost card", "refund"]


def test_the_recipe_is_a_recipe_and_is_prepared_as_any(store, traffic, workspace, production):
    # catches: an update that its own prepare stage refuses, cleans away or splits again
    prepare = pytest.importorskip("tunesmith.data.prepare").prepare
    system = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "jane", "content": "gift with system"},
    ]
    for number in range(10):
        traffic.correct(f"gift {number}", "gift_card")
    traffic.correct("", "gift_card", messages=system)
    planned = plan_update(make_recipe(), production, store, workspace)
    dataset = prepare(load_recipe(planned.recipe), workspace, recipe_dir=planned.recipe.parent)
    rows = planned.counts["rows"]
    assert dataset.result["splits"] == rows and dataset.result["rows"]["removed"] == 0
    assert {example.label for example in read_examples(dataset.path / "train.parquet")} == {*LABELS, "gift_card"}
    assert json.loads((dataset.path / "labels.json").read_text()) == ["billing", "gift_card", "lost card", "refund"]


def test_the_recipes_settings_are_kept(store, traffic, workspace, production):
    traffic.correct("a", "billing")
    recipe = make_recipe(
        prompt={"system": "Name the topic."}, train={"method": "lora", "epochs": 7}, evaluate={"gate": {"margin": 0.05}}
    )
    found = load_recipe(plan_update(recipe, production, store, workspace).recipe)
    assert found.name == "tickets" and found.seed == 3 and found.prompt.system == "Name the topic."
    assert found.train == recipe.train and found.base == recipe.base
    assert found.evaluate.gate.margin == 0.05 and found.evaluate.gate.against == ["production"]


def test_services_are_asked_anew_only_where_the_gate_compares_with_them(store, traffic, workspace, production):
    """Would let through: a bill for every rival with every update, a gate that names a rival no longer there."""
    traffic.correct("a", "billing")
    rule = {"accuracy": {"not_worse_by": 0.05, "not_worse_than": ["vendor"]}}
    rivals = {"vendor": {"model": "tuned-elsewhere", "as_tuned": True}, "curious": {"model": "large"}}
    for gate, kept in (({"metrics": rule}, ["vendor"]), ({}, []), ({"against": ["curious"]}, [])):
        recipe = make_recipe(evaluate={"rivals": rivals, "gate": gate})
        found = load_recipe(plan_update(recipe, production, store, workspace).recipe)
        assert list(found.evaluate.rivals) == kept


def test_a_full_model_goes_on_from_production(store, traffic, workspace, production):
    traffic.correct("a", "billing")
    planned = plan_update(make_recipe(train={"method": "full"}), production, store, workspace)
    assert load_recipe(planned.recipe).base == production.id


ADAPTER = {"method": "lora", "lora": {"rank": 4, "alpha": 8.0}, "tokens": {"add": {"<|card|>": "a card"}}}


@pytest.mark.parametrize(
    ("made", "changes", "goes_on"),
    [
        (ADAPTER, {}, True),
        (ADAPTER, {"lora": {"rank": 4, "alpha": 8.0, "dropout": 0.1}}, True),
        (ADAPTER, {"lora": {"rank": 8, "alpha": 8.0}}, False),
        (ADAPTER, {"lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj"]}}, False),
        (ADAPTER, {"method": "dora"}, False),
        (ADAPTER, {"save": "merged"}, False),
        (ADAPTER, {"freeze": {"layers": "0:1"}}, False),
        (ADAPTER, {"tokens": {"add": {"<|card|>": "a card", "<|new|>": "new"}}}, False),
        ({**ADAPTER, "method": "full"}, {}, False),
    ],
)
def test_an_adapter_goes_on_from_production_if_it_is_the_recipes(store, traffic, workspace, made, changes, goes_on):
    """Would let through: a nightly update that is refused for a rank changed since, or for tokens that are there."""
    config = {
        "train": Recipe(**{**FIELDS, "train": ADAPTER}).train.model_dump(mode="json") | {"method": made["method"]}
    }
    tokenizer = json.dumps({"added_tokens": [{"content": "<|card|>"}]})
    production = model_of(workspace, make_dataset(workspace, TRAIN, VALID, TEST), config, {"tokenizer.json": tokenizer})
    traffic.correct("a", "billing")
    recipe = make_recipe(train={**ADAPTER, **changes})
    found = load_recipe(plan_update(recipe, production, store, workspace).recipe)
    assert found.base == (production.id if goes_on else recipe.base)
    assert found.train.lora.earlier == ("continued" if goes_on else "merged")
    assert found.train.tokens == (None if goes_on else recipe.train.tokens)
    assert found.train.lora.dropout == recipe.train.lora.dropout


def test_a_full_model_does_not_add_its_tokens_again(store, traffic, workspace):
    """Would let through: an update refused because the model in production knows the tokens already."""
    dataset = make_dataset(workspace, TRAIN, VALID, TEST)
    tokenizer = json.dumps({"added_tokens": [{"content": "<|card|>"}]})
    production = model_of(workspace, dataset, {"train": {"method": "full"}}, {"tokenizer.json": tokenizer})
    traffic.correct("a", "billing")
    recipe = make_recipe(train={"method": "full", "tokens": ADAPTER["tokens"]})
    found = load_recipe(plan_update(recipe, production, store, workspace).recipe)
    assert (found.base, found.train.tokens) == (production.id, None)


def test_replay_is_a_share_of_the_old_examples(store, traffic, workspace, production):
    traffic.correct("a", "billing")
    few = plan_update(make_recipe(update={"replay": 0.5}), production, store, workspace)
    assert few.counts["rows"] == {"train": 30 + 1, "valid": 3, "test": 9}
    none = plan_update(make_recipe(update={"replay": 0.0}), production, store, workspace)
    assert none.counts["rows"]["train"] == 1


@pytest.mark.parametrize("holdout", [0.0, 0.3, 0.95])
def test_something_is_learnt_whatever_is_held_out(store, traffic, workspace, production, holdout):
    for number in range(4):
        traffic.correct(f"a {number}", "billing")
    planned = plan_update(make_recipe(update={"holdout": holdout}), production, store, workspace)
    assert planned.counts["harvested"]["train"] >= 1
    assert (planned.counts["harvested"]["test"] == 0) == (holdout == 0)


def test_the_same_feedback_gives_the_same_files(store, traffic, workspace, production):
    for number in range(9):
        traffic.correct(f"a {number}", "billing")
    first = plan_update(make_recipe(), production, store, workspace)
    before = {path.name: path.read_bytes() for path in first.recipe.parent.iterdir()}
    second = plan_update(make_recipe(), production, store, workspace)
    assert second == first and {path.name: path.read_bytes() for path in second.recipe.parent.iterdir()} == before
    assert plan_update(make_recipe(seed=4), production, store, workspace).recipe != first.recipe


@pytest.mark.parametrize("what", ["nothing", "thumbs", "complaints", "other name", "learnt"])
def test_nothing_new_is_an_error_that_says_why(store, traffic, workspace, production, what):
    if what == "thumbs":
        traffic.say(traffic.ask("a"), rating=1)
    if what == "complaints":
        traffic.say(traffic.ask("a"), rating=-1, comment="wrong")
    if what == "other name":
        Traffic(store, "other").correct("a", "billing")
    if what == "learnt":
        traffic.correct("old refund 1", "refund", answer="billing")
    with pytest.raises(DataError, match="no new correction of tickets's answers") as caught:
        plan_update(make_recipe(), production, store, workspace)
    assert "/v1/feedback" in caught.value.expected and ("1 learnt already" in str(caught.value)) == (what == "learnt")
    assert not (workspace.root / "updates").exists()


def test_a_correction_that_only_repeats_the_answer_is_a_confirmation(store, traffic, workspace, production):
    traffic.correct("a", "refund", answer="refund")
    with pytest.raises(DataError):
        plan_update(make_recipe(), production, store, workspace)


def test_failed_requests_teach_nothing(store, traffic, workspace, production):
    traffic.correct("a", "billing", status=500)
    with pytest.raises(DataError):
        plan_update(make_recipe(), production, store, workspace)


def test_extraction_takes_json_objects_only(store, traffic, workspace):
    pairs = [(f"invoice {number}", json.dumps({"total": number})) for number in range(9)]
    production = model_of(workspace, make_dataset(workspace, pairs[:5], pairs[5:7], pairs[7:], classify=False))
    for text, right in (("a", '{"total": 5}'), ("b", "five"), ("c", "[5]"), ("d", "5"), ("e", "")):
        traffic.correct(text, right, answer="{}")
    planned = plan_update(make_recipe("extract"), production, store, workspace)
    assert harvested(planned) == {"a": '{"total": 5}'}
    assert planned.counts["left_out"] == {"not JSON": 1, "not a JSON object": 2, "empty answer": 1}
    assert load_recipe(planned.recipe).data.labels.names is None


def test_free_answers_are_split_without_labels(store, traffic, workspace):
    pairs = [(f"question {number}", f"answer {number}") for number in range(9)]
    production = model_of(workspace, make_dataset(workspace, pairs[:5], pairs[5:7], pairs[7:], classify=False))
    for number in range(20):
        traffic.correct(f"new {number}", f"better {number}", answer="x")
    planned = plan_update(make_recipe("chat"), production, store, workspace)
    assert planned.counts["harvested"] == {"train": 13, "valid": 1, "test": 6}
    assert Path(planned.recipe).is_relative_to(workspace.root / "updates")


def test_many_corrections_over_many_examples_take_no_minutes(store, traffic, workspace):
    # catches: comparing every correction with every example
    many = [(f"old {number}", LABELS[number % 3]) for number in range(5000)]
    production = model_of(workspace, make_dataset(workspace, many, VALID, TEST))
    for number in range(300):
        traffic.correct(f"new {number}", LABELS[number % 3])
    planned = plan_update(make_recipe(), production, store, workspace)
    assert planned.counts["rows"]["train"] > 5000


def test_paths_of_graders_and_functions_lead_there_from_the_update_too(store, traffic, workspace, production, tmp_path):
    # catches: the update's recipe lies in another folder, so its evaluation finds neither
    traffic.correct("something new", "billing")
    recipe = make_recipe(evaluate={"functions": {"mine": "./my.py:f"}, "graders_file": "graders.json"})
    found = load_recipe(plan_update(recipe, production, store, workspace, tmp_path).recipe).evaluate
    assert found.functions == {"mine": str(tmp_path.resolve() / "my.py:f")}
    assert found.graders_file == str(tmp_path.resolve() / "graders.json")
