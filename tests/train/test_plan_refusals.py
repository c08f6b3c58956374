"""What `plan` refuses before anything is spent: each with the setting, its value, and what would do, which then does."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import pytest
import yaml

from tiny import tiny_base
from tunesmith import flow
from tunesmith.core.errors import MissingExtraError, TunesmithError
from tunesmith.train import stage, unfit

pytestmark = pytest.mark.slow

PAIRS = {"task": "preference", "data": {"train": "pairs.jsonl"}}
TOKENS = {"add": {"<|refund|>": "money back"}}

BY_ITSELF = {
    # name: (the train section, or the whole recipe under "*", what is told, what would do instead)
    "epochs 0": ({"epochs": 0}, ["train.epochs", "got 0", "train.epochs: 3"], {"epochs": 3}),
    "steps of no tokens": ({"batch_tokens": 0}, ["train.batch_tokens", "got 0", "512"], {"batch_tokens": "auto"}),
    "max_steps 0": ({"max_steps": 0}, ["train.max_steps", "got 0", "leave it out"], {}),
    "examples of no length": ({"max_tokens": 2}, ["train.max_tokens", "got 2", "what the base allows"], {}),
    "a method that is none": ({"method": "layers"}, ["train.method", "'layers'", "freeze leaves"], {"method": "full"}),
    "parts of four bits": (
        {"method": "qlora", "shard": "always"}, ["shard: always", "method: qlora", "shard: auto"], {"method": "qlora"},
    ),
    "a pull of four bits": (
        {"method": "qlora", "regularise": {"l2sp": 0.1}}, ["l2sp", "method: qlora", "weight_decay"], {"method": "qlora"},
    ),
    "precision that is none": ({"precision": "fp8"}, ["train.precision", "'fp8'", "auto"], {"precision": "auto"}),
    "lora of full": (
        {"method": "full", "lora": {"rank": 8}}, ["train.lora.rank", "full", "leave it out"], {"method": "full"},
    ),
    "all maps and some": (
        {"lora": {"targets": ["all-linear", "q_proj"]}}, ["all-linear stands for", "give it alone"],
        {"lora": {"targets": ["q_proj"]}},
    ),
    "no maps": ({"lora": {"targets": []}}, ["train.lora.targets", "leave it out"], {"lora": {"targets": "all-linear"}}),
    "rank 0": ({"lora": {"rank": 0}}, ["train.lora.rank", "got 0", "16"], {"lora": {"rank": 16}}),
    "freezes nothing": ({"freeze": {}}, ["train.freeze", "freezes nothing", "give layers"], {"freeze": {"layers": "0:1"}}),
    "layers in words": ({"freeze": {"layers": "low"}}, ["train.freeze.layers", "'0:9'"], {"freeze": {"layers": "0:1"}}),
    "pace without gradual": (
        {"freeze": {"layers": "0:1", "pace": 0.1}}, ["pace means nothing", "unfreeze: gradual"],
        {"freeze": {"unfreeze": "gradual", "pace": 0.1}},
    ),
    "pace of no epoch": (
        {"freeze": {"unfreeze": "gradual", "pace": "0 epoch"}}, ["train.freeze", "pace 0"],
        {"freeze": {"unfreeze": "gradual", "pace": "0.1 epochs"}},
    ),
    "unfreezes after the end": (
        {"freeze": {"layers": "0:1", "unfreeze": {1.5: "0:1"}}}, ["train.freeze.unfreeze", "share of the run"],
        {"freeze": {"layers": "0:1", "unfreeze": {0.5: "0:1"}}},
    ),
    "thaws what is not frozen": (
        {"freeze": {"unfreeze": {0.5: "0:1"}}}, ["layers freezes none"],
        {"freeze": {"layers": "0:1", "unfreeze": {0.5: "0:1"}}},
    ),
    "tokens alone, none added": ({"method": "tokens"}, ["train.tokens.add", "no tokens are added"], {}),
    "freeze beside tokens alone": (
        {"method": "tokens", "tokens": TOKENS, "freeze": {"layers": "0:1"}}, ["freeze means nothing", "new rows alone"],
        {"method": "tokens", "tokens": TOKENS},
    ),
    "a decay from layer to layer of no layers": (
        {"method": "tokens", "tokens": TOKENS, "schedule": {"layer_decay": 0.9}},
        ["train.schedule.layer_decay", "new rows alone", "train.method: lora"],
        {"method": "lora", "tokens": TOKENS, "schedule": {"layer_decay": 0.9}},
    ),
    "a pull of adapters": (
        {"method": "lora", "regularise": {"l2sp": 0.1}}, ["l2sp", "method: lora", "weight_decay"],
        {"method": "full", "regularise": {"l2sp": 0.1}},
    ),
    "parts of an adapter": (
        {"method": "lora", "shard": "always"}, ["shard: always", "method: lora", "shard: auto"], {"shard": "auto"},
    ),
    "parts beside frozen layers": (
        {"method": "full", "shard": "always", "freeze": {"layers": "0:1"}}, ["shard: always", "with freeze"],
        {"method": "full", "shard": "always"},
    ),
    "two means": ({"regularise": {"ema": 0.9, "average": 0.5}}, ["ema and average", "give one"], {"regularise": {"average": 0.5}}),
    "two draws of nothing": (
        {"regularise": {"r_drop": 1, "dropout": 0}}, ["r_drop", "dropout is 0", "0.05"], {"regularise": {"r_drop": 1}},
    ),
    "two draws of nothing beside what has no adapter": (
        {"method": "tokens", "tokens": TOKENS, "regularise": {"r_drop": 1, "dropout": 0}}, ["r_drop", "dropout is 0"],
        {"lora": {"dropout": 0.1}, "regularise": {"r_drop": 1, "dropout": 0}},
    ),
    "dropout of all": ({"regularise": {"dropout": 1}}, ["regularise.dropout", "0.05"], {"regularise": {"dropout": 0.05}}),
    "patience 0": (
        {"regularise": {"early_stopping": {"patience": 0}}}, ["early_stopping.patience", "got 0", "3"],
        {"regularise": {"early_stopping": {"patience": 3}}},
    ),
    "stops before it slows": (
        {"schedule": {"shape": "plateau", "patience": 3}}, ["schedule.patience 3", "early_stopping.patience: 6"],
        {"schedule": {"shape": "plateau", "patience": 3}, "regularise": {"early_stopping": {"patience": 6}}},
    ),
    "a setting of another shape": (
        {"schedule": {"shape": "cosine", "cycles": 2}}, ["cycles means nothing to shape cosine", "floor, warmup"],
        {"schedule": {"shape": "restarts", "cycles": 2}},
    ),
    "a peak of nothing": ({"schedule": {"peak": 0}}, ["train.schedule.peak", "leave it out"], {}),
    "warm-up in megabytes": (
        {"schedule": {"warmup": "20 MB"}}, ["train.schedule.warmup", "'20 MB'", "20000 tokens"],
        {"schedule": {"warmup": "20 tokens"}},
    ),
    "a spike of nothing": ({"guard": {"spike": 1}}, ["train.guard.spike", "leave it out"], {"guard": {"spike": 10}}),
    "early stopping without validation": (
        {"*": {"data": {"train": "cards.csv", "split": {"valid": 0}}}, "regularise": {"early_stopping": {"patience": 5}}},
        ["train.regularise.early_stopping", "validation examples", "data.split.valid: 0.1"],
        {"regularise": {"early_stopping": {"patience": 5}}},
    ),
    "validations of nothing": (
        {"*": {"data": {"train": "cards.csv", "split": {"valid": 0}}}, "eval_every": 2},
        ["train.eval_every", "data.split.valid: 0.1"], {"eval_every": 2},
    ),
    "preferences without pairs": ({"objective": "dpo"}, ["train.objective", "task: preference", "sft"], {"objective": "sft"}),
    "half of the preferences wrong": (
        {"*": PAIRS, "preference": {"label_smoothing": 0.5}}, ["label_smoothing", "got 0.5", "0.0"], {},
    ),
    "kto with a form of dpo": (
        {"*": PAIRS, "objective": "kto", "preference": {"variant": "ipo"}}, ["preference.variant", "kto", "leave it out"], {},
    ),
    "dpo with a weight of kto": (
        {"*": PAIRS, "preference": {"desirable_weight": 2}}, ["desirable_weight", "dpo", "leave it out"], {},
    ),
    "robust to nothing": ({"*": PAIRS, "preference": {"variant": "robust"}}, ["label_smoothing above 0", "0.05"], {}),
    "r_drop of pairs": ({"*": PAIRS, "regularise": {"r_drop": 1}}, ["r_drop", "objective sft", "leave it out"], {}),
}  # fmt: skip

WITH_THE_BASE = {
    "warm-up longer than the run": (
        {"schedule": {"warmup": 5000}}, ["train.schedule.warmup", "5,000", "a longer run"], {"schedule": {"warmup": 2}},
    ),
    "more cycles than steps": (
        {"schedule": {"shape": "restarts", "cycles": 100}}, ["train.schedule.cycles", "100", "cycles: "],
        {"schedule": {"shape": "restarts", "cycles": 2}},
    ),
    "a mean longer than the run": (
        {"regularise": {"ema": 0.9999}}, ["train.regularise.ema", "10,000 steps", "ema: 0."], {"regularise": {"ema": 0.5}},
    ),
    "a mean of one step": (
        {"regularise": {"average": 0.01}}, ["train.regularise.average", "0.01", "average: 0."], {"regularise": {"average": 0.5}},
    ),
    "a run of one step": (
        {"batch_tokens": 100000, "epochs": 1}, ["train.batch_tokens", "100,000", "auto"], {"batch_tokens": "auto"},
    ),
    "never stopped early": (
        {"eval_every": 9000, "regularise": {"early_stopping": {"patience": 1}}}, ["train.eval_every", "9,000", "eval_every: "],
        {"regularise": {"early_stopping": {"patience": 1}}},
    ),
    "patience longer than the run": (
        {"eval_every": 20, "regularise": {"early_stopping": {"patience": 30}}},
        ["train.regularise.early_stopping.patience: 30", "before the last", "the first always gains", "eval_every: "],
        {"eval_every": 2, "regularise": {"early_stopping": {"patience": 30}}},
    ),
    "a plateau of one validation": (
        {"eval_every": 70, "schedule": {"shape": "plateau"}}, ["train.schedule.shape: plateau", "3 validations", "eval_every: "],
        {"eval_every": 20, "schedule": {"shape": "plateau"}},
    ),
    "a spike in a run without a usual": (
        {"max_steps": 10, "guard": {"spike": 10}}, ["train.guard.spike: 10", "after 10 steps", "a longer run"],
        {"max_steps": 11, "guard": {"spike": 10}},
    ),
    "unfrozen all at once": (
        {"freeze": {"unfreeze": "gradual", "pace": 0.001}}, ["train.freeze.pace: 0.001", "of a step", "pace: 1"],
        {"freeze": {"unfreeze": "gradual", "pace": 1}},
    ),
    "unfrozen from the first step": (
        {"freeze": {"layers": "0:1", "unfreeze": {0.001: "0:1"}}},
        ["train.freeze.unfreeze", "'0:1' at 0.001", "from the first step on", "{0.5: '0:1'}"],
        {"freeze": {"layers": "0:1", "unfreeze": {0.5: "0:1"}}},
    ),
    "layers beyond the model": (
        {"freeze": {"layers": "0:9"}}, ["train.freeze.layers", "'0:9'", "which has 2", "'0:1'"], {"freeze": {"layers": "0:1"}},
    ),
    "everything frozen": (
        {"method": "full", "freeze": {"patterns": ["*"]}}, ["train.freeze", "nothing is left to learn", "freeze fewer"],
        {"method": "full", "freeze": {"patterns": ["norm"]}},
    ),
    "two draws of dropout below all that learns": (
        {"method": "full", "freeze": {"layers": ":"}, "regularise": {"r_drop": 1}}, ["r_drop", "':-1'", "leave r_drop out"],
        {"method": "full", "freeze": {"layers": ":-1"}, "regularise": {"r_drop": 1}},
    ),
    "a pattern of nothing": (
        {"method": "full", "freeze": {"patterns": ["layer.1"]}}, ["train.freeze.patterns", "'layer.1'", "layers.1"],
        {"method": "full", "freeze": {"patterns": ["layers.1"]}},
    ),
    "unfrozen after the end": (
        {"method": "full", "freeze": {"unfreeze": "gradual", "pace": 5000}}, ["train.freeze.unfreeze", "5,000", "pace"],
        {"method": "full", "freeze": {"unfreeze": "gradual", "pace": 1}},
    ),
    "thawed twice": (
        {"freeze": {"layers": "0:1", "unfreeze": {0.2: "0:1", 0.5: "0:1"}}}, ["train.freeze.unfreeze", "twice", "each once"],
        {"freeze": {"layers": "0:1", "unfreeze": {0.2: "0:1"}}},
    ),
    "a rate of nothing": (
        {"schedule": {"rates": {"nrom": 2}}}, ["train.schedule.rates", "'nrom'", "names near it"],
        {"schedule": {"rates": {"lora_B": 16}}},
    ),
    "maps of another family": (
        {"lora": {"targets": ["c_attn"]}}, ["train.lora.targets", "'c_attn'", "all-linear"], {"lora": {"targets": ["q_proj"]}},
    ),
    "one of the maps misspelt": (
        {"lora": {"targets": ["q_proj", "v_porj"]}}, ["train.lora.targets", "'v_porj'", "v_proj"],
        {"lora": {"targets": ["q_proj", "v_proj"]}},
    ),
    "one end of a tied base": (
        {"lora": {"targets": ["q_proj", "embed_tokens"]}}, ["train.lora.targets", "embed_tokens", "train.tokens"],
        {"lora": {"targets": ["q_proj"]}},
    ),
    "a rank above the width": (
        {"lora": {"rank": 200}}, ["train.lora.rank", "200", "rank: 8", "method: full"], {"lora": {"rank": 8}},
    ),
    "longer than the base reads": (
        {"max_tokens": 4096}, ["train.max_tokens", "4,096", "max_tokens: 512"], {"max_tokens": 512},
    ),
    "shorter than the examples": ({"max_tokens": 8}, ["at most 8 tokens", "raise train.max_tokens"], {"max_tokens": 200}),
    "new tokens in a frozen beginning": (
        {"method": "full", "tokens": TOKENS, "freeze": {"layers": "0:1"}}, ["train.freeze.layers", "embeddings", "method: lora"],
        {"method": "lora", "tokens": TOKENS, "freeze": {"layers": "0:1"}},
    ),
    "new tokens in embeddings frozen by name": (
        {"method": "full", "tokens": TOKENS, "freeze": {"patterns": ["embed_tokens"]}},
        ["train.freeze.patterns", "embeddings", "no pattern"], {"method": "lora", "tokens": TOKENS},
    ),
    "a token that is there": (
        {"tokens": {"add": {"<|end|>": "the end"}}}, ["train.tokens.add", "'<|end|>'", "leave it out"], {"tokens": TOKENS},
    ),
    "a stop that is not there": (
        {"tokens": {**TOKENS, "stops": ["<|stop|>"]}}, ["train.tokens.stops", "'<|stop|>'", "add it"],
        {"tokens": {**TOKENS, "stops": ["<|refund|>"]}},
    ),
    "a metric that is none": (
        {"regularise": {"early_stopping": {"metric": "acuracy"}}}, ["early_stopping.metric", "'acuracy'", "'accuracy'"],
        {"regularise": {"early_stopping": {"metric": "accuracy"}}},
    ),
    "more shots than rows": (
        {"*": {"prompt": {"shots": 500}}}, ["prompt.shots", "500 examples and one to spare", "prompt.shots: "],
        {"*": {"prompt": {"shots": 2}}},
    ),
    "shots beyond the context": (
        {"*": {"prompt": {"shots": 40}}}, ["prompt.shots: 40", "must fit into 512", "longer context"],
        {"*": {"prompt": {"shots": 4}}},
    ),
    "a teacher beyond the context": (
        {"*": {"prompt": {"teacher": {"shots": 40}}}}, ["prompt.teacher.shots: 40", "must fit into 512"],
        {"*": {"prompt": {"teacher": {"shots": 4}}}},
    ),
    "nothing to evaluate on": (
        {"*": {"data": {"train": "cards.csv", "split": {"test": 0}}}}, ["data.split.test is 0", "hold some rows out"], {},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("refused")
    rows = [f"my card {n} is lost since {n} days,card" for n in range(40)]
    rows += [f"money back for order {n} please,refund" for n in range(40)]
    (place / "cards.csv").write_text("\n".join(["text,label", *rows]))
    tiny_base(place / "base")
    return place


def recipe_of(folder: Path, train: dict) -> Path:
    train = copy.deepcopy(train)
    whole = {"name": "r", "task": "classify", "base": str(folder / "base"), "data": {"train": "cards.csv"}}
    whole |= train.pop("*", {})
    settings = {"threads": 1, "batch_tokens": 16, "precision": "float32", **train}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**whole, "train": settings}))
    return folder / "recipe.yaml"


def plan(folder: Path, train: dict) -> dict:
    return flow.plan(flow.Project.of(recipe_of(folder, train), folder / "home"))


def refused(folder: Path, train: dict) -> TunesmithError:
    with pytest.raises(TunesmithError) as caught:
        plan(folder, train)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("name", BY_ITSELF)
def test_a_recipe_refuses_by_itself(folder, name):
    """Would let through: a setting that cannot be, told without its line or without what would do."""
    train, told, instead = BY_ITSELF[name]
    error = refused(folder, train)
    assert all(one in str(error) for one in [*told, "recipe.yaml:"]), str(error)
    flow.Project.of(recipe_of(folder, instead), folder / "home")


@pytest.mark.parametrize("name", WITH_THE_BASE)
def test_a_plan_refuses_what_base_and_run_cannot_give(folder, name):
    """Would let through: hours of training that a setting makes void, or advice that is refused in turn."""
    train, told, instead = WITH_THE_BASE[name]
    error = refused(folder, train)
    assert all(one in str(error) for one in told), str(error)
    assert error.hint or error.expected
    plan(folder, instead)


@pytest.mark.parametrize(
    "train",
    [
        {"max_steps": 1}, {"max_steps": 2, "regularise": {"early_stopping": {"metric": "accuracy"}}},
        {"max_steps": 2, "freeze": {"unfreeze": "gradual"}}, {"max_steps": 2, "guard": {"action": "skip"}},
    ],
    ids=["nothing", "a metric", "unfreezing", "a guard"],
)  # fmt: skip
def test_a_short_run_is_not_refused_for_what_the_recipe_does_not_say(folder, train):
    """Would let through: a default patience, pace or spike that forbids a run of a step or two."""
    plan(folder, train)


def test_there_are_forty_kinds():
    assert len(BY_ITSELF) + len(WITH_THE_BASE) >= 40


def test_a_quantised_base_is_refused_before_it_is_loaded(folder, tmp_path):
    """Would let through: a failure deep in a library that is not installed."""
    settings = json.loads((folder / "base" / "config.json").read_text())
    tiny_base(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**settings, "quantization_config": {"quant_method": "gptq"}}))
    error = refused(folder, {"*": {"base": str(tmp_path)}})
    assert "quantised (gptq)" in str(error) and "float32" in error.expected and "export" in error.hint


def test_a_disk_too_small_is_told_before_training(folder, monkeypatch):
    """Would let through: a run that dies at its first checkpoint."""
    monkeypatch.setattr(unfit, "disk_usage", lambda _path: type("Free", (), {"free": 10_000})())
    error = refused(folder, {"method": "full"})
    assert "of disk" in str(error) and "train.method: lora" in error.hint
    monkeypatch.undo()
    plan(folder, {"method": "full"})


def test_an_adapter_on_an_adapter_is_refused(folder):
    """Would let through: an adapter whose base is not what its file says."""
    project = flow.Project.of(recipe_of(folder, {"max_steps": 1}), folder / "home")
    model = flow.train(project)
    error = refused(folder, {"*": {"base": model.id}, "method": "lora"})
    assert "is itself an adapter" in str(error) and "train.method: full" in error.hint
    assert "is itself an adapter" in str(refused(folder, {"*": {"base": model.id}, "method": "qlora"}))
    plan(folder, {"*": {"base": model.id}, "method": "full"})


def test_four_bits_without_what_calculates_with_them_are_refused(folder, monkeypatch):
    """Would let through: rows prepared for minutes, then an import that fails."""
    plan(folder, {"method": "qlora"})
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr(flow, "prepare", None)
    error = refused(folder, {"method": "qlora"})
    assert isinstance(error, MissingExtraError)
    assert "'bitsandbytes' is not installed" in error.message and error.hint == "pip install 'tunesmith[qlora]'"


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"epochs": 0, "lora": {"rank": 0}, "regularise": {"dropout": 1}}, ["train.epochs", "lora.rank", "dropout"]),
        ({"max_tokens": 4096, "lora": {"rank": 200, "targets": ["q_proj", "x"]}}, ["max_tokens", "lora.rank", "'x'"]),
        (
            {"regularise": {"ema": 0.9999}, "freeze": {"layers": "0:9"}, "schedule": {"warmup": 5000}},
            ["regularise.ema", "freeze.layers", "schedule.warmup"],
        ),
    ],
    ids=["by itself", "of the base", "of the run"],
)
def test_what_is_found_together_is_told_together(folder, train, told):
    """Would let through: one error after the other, each after a minute of preparing."""
    error = refused(folder, train)
    assert f"{len(told)} things do not fit" in error.message
    assert all(one in str(error) for one in told)
    assert str(error).count("  try: ") == len(told)


def test_what_base_and_run_refuse_says_where_it_stands(folder):
    """Would let through: a search for the line, or a line beside the advice, which stands nowhere yet."""
    error = refused(folder, {"max_tokens": 4096, "lora": {"rank": 200}})
    lines = (folder / "recipe.yaml").read_text().splitlines()
    for key in ("max_tokens", "rank"):
        number = next(n for n, line in enumerate(lines, 1) if line.strip().startswith(f"{key}:"))
        assert error.message.count(f"recipe.yaml:{number}: train.") == 1, str(error)
    assert all("recipe.yaml" not in line for line in str(error).splitlines() if line.startswith("  try: "))


def test_train_refuses_what_plan_refuses(folder):
    """Would let through: a plan that is right and a run that starts all the same."""
    project = flow.Project.of(recipe_of(folder, {"lora": {"rank": 200}}), folder / "home")
    with pytest.raises(TunesmithError, match=r"train\.lora\.rank"):
        stage.train(project.recipe, flow.prepare(project), project.workspace)
