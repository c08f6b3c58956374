"""Evaluation asks with the prompt that was learnt, and the prompted base with the teacher's, if there is one."""

from __future__ import annotations

import polars as pl

from made import CARDS, make_dataset
from tunesmith.evaluate import stage
from tunesmith.evaluate.answers import Contender
from tunesmith.models.load import load_model
from tunesmith.models.score import label_scores
from tunesmith.recipe import Recipe
from tunesmith.text.chat import answer_ids, prompt_ids
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import prompts_of
from tunesmith.train import stage as training


def test_who_is_asked_with_which_prompt(workspace, tiny):
    """Would let through: a tuned model or base asked without the shots, and a prompted base that is not the teacher."""
    dataset = make_dataset(workspace, CARDS[::2], CARDS[1::4], CARDS[3::4])
    train = {"method": "full", "precision": "float32", "threads": 1, "batch_tokens": 24, "epochs": 2}
    prompt = {"shots": 2, "template": "Say: {input}", "teacher": {"system": "Cards, or money?", "shots": 4}}
    recipe = Recipe(
        name="made", task="classify", base=str(tiny), data={"train": "x"}, train=train, prompt=prompt,
        evaluate={"baselines": ["base", "prompt"]},
    )  # fmt: skip
    model = training.train(recipe, dataset, workspace)
    card = stage.evaluate(recipe, dataset, model, workspace)
    rows, prompts = pl.read_parquet(card.path / "examples.parquet"), prompts_of(recipe, dataset)
    test = read_examples(dataset.path / "test.parquet")
    asked = {
        "answer": (model.path / "model", prompts.own),
        "answer_base": (tiny, prompts.own),
        "answer_prompt": (tiny, prompts.teacher),
    }
    for column, (folder, task) in asked.items():
        loaded = load_model(folder)
        labels = [answer_ids(loaded.tokenizer, task.split(test[0])[0], label) for label in task.labels]
        ids = [prompt_ids(loaded.tokenizer, task.prompt(one.messages[:-1])) for one in test]
        best = label_scores(loaded, ids, labels).argmax(1)
        assert rows[column].to_list() == [task.labels[at] for at in best], column
        again = Contender("x", loaded, lambda one, task=task: task.split(one)[0], task.labels).answer(test)
        assert again.texts == rows[column].to_list()
    assert card.result["baselines"]["prompt"]["perplexity"] != card.result["baselines"]["base"]["perplexity"]
