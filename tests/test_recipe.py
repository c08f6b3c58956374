"""Recipes: strict, line-numbered, nothing ignored."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import RecipeError
from tunesmith.recipe import Recipe, json_schema, load_recipe, parse_recipe

GOOD = "name: tickets\ntask: classify\ndata:\n  train: tickets.csv\n"

BAD_RECIPES = {
    # name: (text, what the one message must contain)
    "empty": ("", ["empty"]),
    "a list": ("- a\n- b\n", ["a list", "name, task"]),
    "a sentence": ("just words\n", ["a str"]),
    "broken yaml": ("name: [tickets\ntask: classify\n", ["recipe.yaml:", "not valid YAML"]),
    "tab indent": ("name: a\ndata:\n\ttrain: x.csv\n", ["recipe.yaml:3", "YAML"]),
    "duplicate key": (GOOD + "name: again\n", ["recipe.yaml:5", "'name' is given twice", "line 1"]),
    "duplicate nested key": (GOOD + "  train: b.csv\n", ["data.train", "twice"]),
    "unknown key": (GOOD + "epochs: 3\n", ["recipe.yaml:5", "'epochs'"]),
    "misspelt key": (GOOD + "train:\n  epoch: 3\n", ["recipe.yaml:6", "train.epoch", "'epochs'"]),
    "misspelt section": (GOOD + "evalute: {}\n", ["recipe.yaml:5", "'evaluate'"]),
    "missing name": ("task: classify\ndata: {train: x.csv}\n", ["'name' is missing"]),
    "missing data": ("name: a\ntask: classify\n", ["'data' is missing"]),
    "missing train files": ("name: a\ntask: classify\ndata: {}\n", ["data.train", "missing"]),
    "no train files": ("name: a\ntask: classify\ndata:\n  train: []\n", ["recipe.yaml:4", "data.train"]),
    "name with spaces": ("name: My Model\ntask: classify\ndata: {train: x}\n", ["recipe.yaml:1", "'My Model'"]),
    "unknown task": ("name: a\ntask: classification\ndata: {train: x}\n", ["recipe.yaml:2", "classify"]),
    "epochs a word": (GOOD + "train:\n  epochs: many\n", ["recipe.yaml:6", "train.epochs", "'many'"]),
    "1e9 epochs": (GOOD + "train:\n  epochs: 1.0e9\n", ["recipe.yaml:6", "train.epochs", "1000"]),
    "negative epochs": (GOOD + "train: {epochs: -1}\n", ["train.epochs", "-1"]),
    "epochs not a number": (GOOD + "train: {epochs: .nan}\n", ["train.epochs"]),
    "dropout of one": (GOOD + "train:\n  regularise:\n    dropout: 1\n", ["recipe.yaml:7", "train.regularise.dropout"]),
    "zero batch": (GOOD + "train: {batch_tokens: 0}\n", ["train.batch_tokens"]),
    "split leaves nothing": (GOOD + "  split: {valid: 0.6, test: 0.5}\n", ["data.split", "leaves nothing"]),
    "template without input": (GOOD + "prompt:\n  template: classify this\n", ["prompt", "{input}"]),
    "section a string": (GOOD + "train: lora\n", ["recipe.yaml:5", "train"]),
    "learning rate zero": (GOOD + "train: {schedule: {peak: 0}}\n", ["train.schedule.peak"]),
    "later: schedule": (GOOD + "train: {schedule: {shape: cyclic}}\n", ["train.schedule.shape", "does not have yet"]),
    "later: dora": (GOOD + "train: {method: dora}\n", ["train.method", "does not have yet"]),
    "later: near dedup": (GOOD + "  dedup: {near: 0.8}\n", ["data.dedup.near", "does not have yet"]),
    "later: tokens": (GOOD + "train: {tokens: {add: {a: b}}}\n", ["train.tokens", "does not have yet"]),
    "later: judge": (GOOD + "evaluate: {judge: {model: x}}\n", ["evaluate.judge", "does not have yet"]),
    "null task": ("name: a\ntask:\ndata: {train: x}\n", ["recipe.yaml:2", "task"]),
    "seed too large": (GOOD + "seed: 99999999999\n", ["recipe.yaml:5", "seed"]),
    "yaml object": ("name: !!python/object:os.system {}\ntask: classify\n", ["recipe.yaml:1", "YAML"]),
    "deep nesting": ("[" * 3000, ["recipe.yaml"]),
}


@pytest.mark.parametrize("name", BAD_RECIPES)
def test_bad_recipe_names_the_place_and_the_way_out(name, tmp_path):
    text, fragments = BAD_RECIPES[name]
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert "pydantic" not in str(caught.value).lower()


def test_missing_file_folder_and_binary_are_told_apart(tmp_path):
    with pytest.raises(RecipeError, match="no recipe at"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="is a folder"):
        load_recipe(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(RecipeError, match="cannot be read as text"):
        load_recipe(tmp_path / "binary.yaml")


def test_defaults_are_in_force_and_what_was_given_is_kept():
    recipe = parse_recipe(GOOD)
    assert recipe.data.train == ["tickets.csv"]
    assert (recipe.base, recipe.train.method, recipe.train.schedule.shape) == ("nano", "lora", "cosine")
    assert recipe.given() == {"name": "tickets", "task": "classify", "data": {"train": ["tickets.csv"]}}


def test_a_recipe_written_in_python_equals_one_in_yaml():
    ours = Recipe(name="tickets", task="classify", data={"train": "tickets.csv"})
    assert ours == parse_recipe(GOOD)


def test_a_full_dump_of_a_recipe_loads_again():
    recipe = parse_recipe(GOOD + "train: {epochs: 2, regularise: {early_stopping: null}}\n")
    assert parse_recipe(yaml.safe_dump(recipe.model_dump(mode="json"))) == recipe


def test_every_section_of_the_design_is_there():
    sections = {"data", "prompt", "train", "evaluate", "serve", "monitor", "update"}
    assert sections <= json_schema()["properties"].keys()
    assert {
        "clean",
        "dedup",
        "privacy",
        "relevance",
        "labels",
        "balance",
        "size",
        "split",
        "decontaminate",
    } <= json_schema()["$defs"]["Data"]["properties"].keys()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
)
def test_any_yaml_is_a_recipe_or_a_recipe_error(value):
    try:
        parse_recipe(yaml.safe_dump(value, allow_unicode=True))
    except RecipeError as error:
        assert str(error)
