"""Each setting of training that the table calls honoured changes what a service is asked, or how often."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import bedrock_runs
from bedrock_stub.service import bedrock
from openai_service import standing_in
from tunesmith.providers.capability_table import COLUMNS, TABLE
from tunesmith.providers.hosted import Rows, tuner
from tunesmith.providers.journal import Journal
from tunesmith.recipe import Recipe
from tunesmith.text.prompts import TaskSpec

pytestmark = pytest.mark.slow

VALUES = {
    "seed": (1, 2), "task": ("chat", "extract"), "prompt.system": ("Be brief.", "Be kind."),
    "prompt.template": (None, "Asked: {input}"), "prompt.shots": (0, 2), "train.objective": ("sft", "dpo"),
    "train.epochs": (2, 3), "train.batch_examples": (4, 8), "train.eval_every": ("epoch", "epoch"),
    "train.schedule.peak_factor": (1, 0.5), "train.schedule.peak": (5e-5, 1e-5),
    "train.regularise.early_stopping": (None, {"patience": 2}),
    "train.regularise.early_stopping.metric": ("valid_loss", "valid_loss"),
    "train.regularise.early_stopping.patience": (1, 2), "train.regularise.early_stopping.min_delta": (0.01, 0.02),
    "train.preference.variant": ("sigmoid", "sigmoid"), "train.preference.beta": (0.1, 0.2),
}  # fmt: skip
"""A setting to two values; equal ones of what has one that is taken."""

ELSEWHERE = {"task", "train.objective", "prompt.shots", "prompt.system", "prompt.template"}
"""What tests of rows and objectives hold."""


def honoured(column: str) -> list[str]:
    """Return the settings of training, prompt and seed that a provider honours."""
    place = COLUMNS.index(column)
    mine = ("train.", "prompt.", "seed", "task")
    return [one for one, cells in TABLE.items() if one.startswith(mine) and cells[place].how == "honoured"]


def recipe(base: str, setting: str, value: object, task: str = "chat", **provider: object) -> Recipe:
    given: dict = {"name": "t", "task": task, "base": base, "data": {"train": "r"}, "provider": provider}
    *sections, name = setting.split(".")
    place = given
    for section in sections:
        place = place.setdefault(section, {})
    place[name] = value
    return Recipe(**given)


def asked_openai(folder: Path, setting: str, value: object) -> str:
    """Return all that is sent for a recipe: bodies of jobs, and files."""
    preference = setting.startswith("train.preference")
    with standing_in() as service:
        task = "preference" if preference else "chat"
        at = {"base_url": service.url, "key_env": "A_KEY", "poll_s": 0.01, "clean_up": False}
        made = recipe("openai:gpt-4.1-mini", setting, value, task, **at)
        rows = bedrock_runs.rows(folder)
        pairs = [replace(one, rejected=[{"role": "assistant", "content": "no"}]) for one in rows.train]
        with closing(tuner(made)) as ours:
            ours.tune(
                Rows(pairs, rows.valid if not preference else [], rows.task, folder),
                Journal(folder),
                bedrock_runs.Heard(),
            )
        sent = [{**one["body"], "metadata": None} for one in service.jobs.values()]
        return json.dumps([sent, [one["content"] for one in service.files.values()]], sort_keys=True)


def asked_bedrock(folder: Path, setting: str, value: object) -> str:
    with bedrock() as service, pytest.MonkeyPatch.context() as patch:
        for name, said in service.environment.items():
            patch.setenv(name, said)
        base = bedrock_runs.CLAUDE if setting != "train.schedule.peak" else "amazon.nova-micro-v1:0:128k"
        at = bedrock_runs.hosting(clean_up=False)
        made = recipe(f"bedrock:{base}", setting, value).model_copy(update={"provider": at})
        with closing(tuner(made)) as ours:
            ours.tune(bedrock_runs.rows(folder), Journal(folder), bedrock_runs.Heard())
        (job,) = service.jobs.values()
        return json.dumps(job.given["hyperParameters"], sort_keys=True)


@pytest.mark.parametrize("column", ["openai", "bedrock"])
def test_every_honoured_setting_has_two_values_to_try(column):
    """Bug: a new line says honoured, and nobody shows it. Of two nothing is asked of the service."""
    assert set(honoured(column)) <= set(VALUES) | {"prompt.candidates", "train.track"}


@pytest.mark.parametrize("setting", [one for one in honoured("openai") if one in VALUES and one not in ELSEWHERE])
def test_openai_is_asked_otherwise(setting, tmp_path, monkeypatch):
    """Bug: a setting that is called honoured and ignored, as a peak_factor of 1 was."""
    monkeypatch.setenv("A_KEY", "sk")
    values = VALUES[setting]
    default = asked_openai(tmp_path / "0", "seed", 5 if setting == "seed" else 0)
    first, second = (asked_openai(tmp_path / str(n), setting, value) for n, value in enumerate(values, 1))
    assert values[0] == values[1] or first != second, setting
    if setting == "train.schedule.peak_factor":
        assert '"learning_rate_multiplier": 1' in first and "multiplier" not in default


@pytest.mark.parametrize("setting", [one for one in honoured("bedrock") if one in VALUES and one not in ELSEWHERE])
def test_bedrock_is_asked_otherwise(setting, tmp_path):
    values = VALUES[setting]
    first, second = (asked_bedrock(tmp_path / str(n), setting, value) for n, value in enumerate(values, 1))
    assert values[0] == values[1] or first != second, setting


def test_the_specimens_are_of_the_task(tmp_path):
    assert bedrock_runs.rows(tmp_path).task == TaskSpec("chat", system="Be brief.")
