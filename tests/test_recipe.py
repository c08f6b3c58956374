"""Recipes: strict, line-numbered, nothing ignored."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bad_recipes import BAD_RECIPES, GOOD
from tunesmith.core.errors import RecipeError
from tunesmith.recipe import Recipe, json_schema, load_recipe, parse_recipe


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


def test_labels_that_are_numbers_are_their_digits():
    """Bug: `names: [0, 1, 2]` is refused although the file has 0, 1 and 2."""
    recipe = parse_recipe(GOOD + "  labels: {names: [0, 1, 2.5]}\n")
    assert recipe.data.labels.names == ["0", "1", "2.5"]


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


def test_off_without_quotes_is_the_word():
    """Bug: the recipe as the documentation writes it is refused, because YAML takes off for false."""
    recipe = parse_recipe(GOOD.replace("data:", "data:\n  clean: {html: off, echo: OFF}\n  labels: {fix: off}", 1))
    assert (recipe.data.clean.html, recipe.data.clean.echo, recipe.data.labels.fix) == ("off", "off", "off")
    with pytest.raises(RecipeError, match="false"):
        parse_recipe(GOOD.replace("data:", "data:\n  clean: {html: yes}", 1))
