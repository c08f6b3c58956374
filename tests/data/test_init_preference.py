"""``init`` for preferences: every common form of pairs gives a recipe that prepares and says what it trains."""

from __future__ import annotations

import json

import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError
from tunesmith.data.init import write_recipe
from tunesmith.data.prepare import prepare
from tunesmith.evaluate.ahead import chosen_baselines
from tunesmith.recipe import load_recipe
from tunesmith.text.examples import read_examples


def asked(number: int) -> dict[str, str]:
    return {"role": "user", "content": f"Where is parcel {number} which I sent to {'abcdefghij'[number % 10] * 5}?"}


def says(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


FORMS = {
    "strings": lambda n: {"prompt": asked(n)["content"], "chosen": "On its way.", "rejected": "No idea."},
    "messages": lambda n: {"prompt": [asked(n)], "chosen": [says("On its way.")], "rejected": [says("No idea.")]},
    "implicit prompt": lambda n: {
        "chosen": [asked(n), says("On its way.")], "rejected": [asked(n), says("No idea.")]
    },
    "openai": lambda n: {
        "input": {"messages": [asked(n)]}, "preferred_output": [says("On its way.")],
        "non_preferred_output": [says("No idea.")],
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_pairs_gives_a_recipe_that_works(tmp_path, form):
    """Lets through: a form that init writes down and prepare refuses; another objective; baselines of answers."""
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(f"{json.dumps(FORMS[form](n))}\n" for n in range(30)))
    recipe = load_recipe(write_recipe(tmp_path / "out", "preference", file))
    assert recipe.objective == "dpo"
    assert chosen_baselines(recipe) == ["base", "length"]
    dataset = prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path / "out")
    example = read_examples(dataset.path / "train.parquet")[0]
    assert example.input_text.startswith("Where is parcel") and len(example.messages) == 2
    assert example.target_text == "On its way." and example.rejected == [says("No idea.")]


def test_answers_without_their_opposite_are_refused_and_nothing_is_written(tmp_path):
    """Lets through: a recipe whose every row prepare removes."""
    file = tmp_path / "kto.jsonl"
    file.write_text(json.dumps({"prompt": "Where?", "completion": "Here.", "label": True}) + "\n")
    with pytest.raises(DataError, match="read as pairs"):
        write_recipe(tmp_path / "out", "preference", file)
    assert not (tmp_path / "out").exists()
