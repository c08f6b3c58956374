"""The table of what each provider makes of each setting: complete, in step with the docs, and told all at once."""

import importlib.util
import re
from pathlib import Path
from typing import get_origin

import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.providers.capabilities import cells_of, check, findings
from tunesmith.providers.capability_table import COLUMNS, TABLE
from tunesmith.recipe import Recipe, parse_recipe
from tunesmith.recipe.section import section_type

ROOT = Path(__file__).parent.parent.parent
BASE = {"name": "t", "data": {"train": "rows.jsonl"}}
HOSTED = "openai:gpt-4.1-mini-2025-04-14"


def settings(section=Recipe, prefix=""):
    """Yield every setting that holds a value, and every section that may be null."""
    for name, info in section.model_fields.items():
        inner = section_type(info.annotation)
        if inner and get_origin(info.annotation) is not dict and "list" not in str(info.annotation):
            yield from settings(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def recipe(base=HOSTED, task="chat", **sections):
    return Recipe(**BASE, base=base, task=task, **sections)


@pytest.mark.parametrize("setting", [*settings()])
def test_every_setting_has_its_line(setting):
    """Bug: a setting is added, and a hosted run ignores it in silence."""
    assert cells_of(setting) is not None, f"give {setting} a line in providers/capability_table.py"


def test_sections_where_services_differ_are_told_setting_by_setting():
    """Bug: a star swallows a new setting of training, and it counts as honoured."""
    stars = [line for line in TABLE if line.endswith("*")]
    assert not [line for line in stars if line.startswith(("train", "prompt.", "provider"))]


STARRED = Path(__file__).parent / "starred.txt"


def test_what_a_star_covers_was_looked_at():
    """Bug: a new setting of data, evaluate, serve ... counts as honoured at services, and nobody has looked whether it is.

    A new one: see whether runs at services honour it, give it a line of its own if they do not, then add it to the list.
    """
    own = {line for line in TABLE if not line.endswith("*")}
    starred = {one for one in settings() if not any(one == line or one.startswith(f"{line}.") for line in own)}
    assert sorted(starred) == STARRED.read_text().split()


def test_no_line_is_left_of_a_setting_that_is_gone():
    known = {".".join(one.split(".")[:depth]) for one in settings() for depth in range(1, 5)}
    assert not [line for line in TABLE if line.removesuffix(".*") not in known]


@pytest.mark.parametrize("cells", [*TABLE.values()], ids=[*TABLE])
def test_what_is_not_honoured_says_how_or_why(cells):
    assert len(cells) == len(COLUMNS)
    assert all(cell.why for cell in cells if cell.how != "honoured")
    assert all(cell.instead for cell in cells if cell.how == "refused")


def test_the_docs_have_the_table_as_it_is():
    """Bug: the page promises what the code refuses."""
    spec = importlib.util.spec_from_file_location("providers_reference", ROOT / "tools" / "providers_reference.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = (ROOT / "docs" / "providers.md").read_text()
    assert tool.page(text) == text, "run tools/providers_reference.py"


def test_all_refusals_are_told_at_once_and_only_of_what_was_set():
    """Bug: the first refusal alone, or refusals of defaults that nobody asked for."""
    check(recipe())
    with pytest.raises(RecipeError) as caught:
        check(
            recipe(
                train={
                    "schedule": {"peak": 1e-4, "shape": "linear"},
                    "lora": {"rank": 8},
                    "tokens": {"add": {"<x>": "an x"}},
                }
            )
        )
    told = str(caught.value)
    assert "4 things do not fit" in told
    for part in ("train.schedule.peak: ", "peak_factor", "train.schedule.shape", "train.lora.rank", "train.tokens"):
        assert part in told


@pytest.mark.parametrize(
    ("task", "train", "told"),
    [
        ("chat", {"epochs": 51}, "whole epochs there, 1 to 50, and 51"),
        ("chat", {"epochs": 2.5}, "and 2.5 are asked for"),
        ("preference", {"objective": "kto"}, "train.objective"),
        ("preference", {"preference": {"beta": 3}}, "at most 2 there, and 3"),
        ("preference", {"preference": {"variant": "ipo"}}, "only sigmoid"),
        ("classify", {"regularise": {"early_stopping": {"metric": "accuracy"}}}, "only valid_loss is measured there"),
    ],
)
def test_a_value_beyond_what_the_service_takes_is_refused(task, train, told):
    with pytest.raises(RecipeError, match=told.replace("(", r"\(")):
        check(recipe(task=task, train=train))


@pytest.mark.parametrize(
    ("task", "train"),
    [
        ("chat", {"epochs": 50, "schedule": {"peak_factor": 0.5}}),
        ("preference", {"objective": "dpo", "preference": {"beta": 2, "variant": "sigmoid"}}),
        ("classify", {"regularise": {"early_stopping": None}, "max_steps": None, "freeze": None}),
    ],
)
def test_what_the_service_does_is_honoured(task, train):
    """Bug: null counts as a wish, or what is honoured is refused."""
    assert check(recipe(task=task, train=train)) == []


@pytest.mark.parametrize("base", [HOSTED, "bedrock:amazon.nova-micro-v1:0:128k"])
def test_what_asks_for_nothing_is_honoured(base):
    """Bug: 0, or auto, is refused, although it asks the service for what it does anyway."""
    check(recipe(base, prompt={"prompt_loss_weight": 0.0}, train={"batch_tokens": "auto"}))
    with pytest.raises(RecipeError, match=r"data\.canaries"):
        check(recipe(base).model_copy(update={"data": recipe(base).data.model_validate(
            {"train": "rows.jsonl", "canaries": {"secrets": 2}})}))  # fmt: skip


def test_what_is_approximated_says_how():
    (one,) = check(recipe(train={"batch_tokens": 1000}))
    assert one.setting == "train.batch_tokens" and "examples a step" in one.why


def test_one_recipe_is_told_of_every_provider():
    """Bug: `plan` shows the same for all three."""
    mine = parse_recipe("name: t\ntask: chat\ndata: {train: r.jsonl}\nprompt: {shots: 2}\ntrain: {lora: {rank: 4}}\n")
    how = {column: {one.setting: one.how for one in findings(mine, column)} for column in COLUMNS}
    assert set(how["local"].values()) == {"honoured"}
    assert (how["openai"]["prompt.shots"], how["bedrock"]["prompt.shots"]) == ("honoured", "refused")
    assert how["openai"]["train.lora.rank"] == "refused"


CLAUDE, NOVA, LLAMA = (
    f"bedrock:{name}" for name in ("anthropic.claude-3-haiku-20240307-v1:0:200k", "amazon.nova-micro-v1:0:128k", "meta.llama3-3-70b-instruct-v1:0:128k")
)  # fmt: skip


@pytest.mark.parametrize(
    ("base", "train", "told"),
    [
        (CLAUDE, {"epochs": 11}, "whole epochs, 1 to 10 there, and 11"),
        (CLAUDE, {"epochs": 1.5}, "whole epochs, 1 to 10 there, and 1.5"),
        (NOVA, {"epochs": 6}, "whole epochs, 1 to 5 there, and 6"),
        (CLAUDE, {"batch_examples": 2}, "4 to 256 there, and 2"),
        (NOVA, {"batch_examples": 8}, "Nova has no batchSize there"),
        (NOVA, {"max_steps": 8}, "Nova has no batchSize there"),
        (LLAMA, {"batch_examples": 8}, "1 to 1 there, and 8"),
        (CLAUDE, {"schedule": {"peak": 1e-4}}, "learning rate is secret"),
        (CLAUDE, {"schedule": {"peak_factor": 3}}, "0.1 to 2 there, and 3"),
        (NOVA, {"schedule": {"peak": 1e-3}}, "1e-06 to 0.0001 there, and 0.001"),
        (NOVA, {"schedule": {"peak_factor": 20}}, "1e-06 to 0.0001 there, and 0.0002"),
        (NOVA, {"schedule": {"peak": "auto"}}, "nothing can be tried out"),
        (NOVA, {"regularise": {"early_stopping": {"patience": 2}}}, "Nova has no earlyStoppingPatience"),
        (CLAUDE, {"regularise": {"early_stopping": {"patience": 11}}}, "1 to 10 there, and 11"),
        (CLAUDE, {"regularise": {"early_stopping": {"min_delta": 0.2}}}, "0 to 0.1 there, and 0.2"),
    ],
)
def test_bedrock_takes_what_its_families_take(base, train, told):
    """Bug: what Claude takes is promised for Nova, and AWS refuses the job."""
    with pytest.raises(RecipeError, match=re.escape(told)):
        check(recipe(base, train=train))


@pytest.mark.parametrize(
    ("base", "train"),
    [
        (CLAUDE, {"epochs": 10, "batch_examples": 4, "schedule": {"peak_factor": 2}, "regularise": {"early_stopping": {"patience": 10, "min_delta": 0.1}}}),
        (NOVA, {"epochs": 5, "schedule": {"peak": 1e-4}}),
        (LLAMA, {"batch_examples": 1, "schedule": {"peak": 1e-4, "peak_factor": 2}}),
        (NOVA, {"regularise": {"early_stopping": None}}),
    ],
)  # fmt: skip
def test_bedrock_honours(base, train):
    assert check(recipe(base, train=train)) == []


def test_tunes_of_claude_are_not_deployed_on_demand():
    with pytest.raises(RecipeError, match="provisioned throughput alone"):
        check(recipe(CLAUDE, provider={"deployment": "on_demand"}))
    check(recipe(NOVA, provider={"deployment": "on_demand"}))
