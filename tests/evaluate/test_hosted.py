"""A tuned model that lies at a service is measured as one of ours: by its answers, never by probabilities it never said."""

from __future__ import annotations

import math

import pytest

from judges import judging
from tunesmith import flow
from tunesmith.core.artifacts import Plan, Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import stage
from tunesmith.providers.hosted import HostedModel
from tunesmith.recipe import Recipe
from tunesmith.text.task import TaskSpec

LABELS = ("card", "refund")


def hosted_in(ring, url, model="ft:big:acme::x"):
    """Write a Model that lies at a service."""
    plan = Plan("made", "model", {"task": "classify"}, given={"base": "openai:big"}, parents=(ring.dataset.id,))
    with ring.workspace.draft(plan) as draft:
        (draft.path / "model").mkdir()
        TaskSpec("classify", LABELS).save(draft.path / "model")
        HostedModel("openai", model, "big", base_url=url).save(draft.path)
    return ring.workspace.get(plan.id)


def recipe(**evaluate):
    price = {"input": 1.0, "output": 2.0}
    provider = {"price": price, "retries": 0, "timeout_s": 20}
    return Recipe(
        name="made", task="classify", base="openai:big", data={"train": "x"}, provider=provider, evaluate=evaluate
    )  # fmt: skip


def test_a_hosted_model_its_base_and_its_prompted_base_are_asked_at_the_service(arena, monkeypatch):
    """Would let through: examples shown to the tuned model, the base asked in place of the tuned one, a calibration made
    of nothing, a gate that cannot say pass, money that nobody tells.
    """
    ring = arena("classify")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ours")  # where tuning looked for it, also with a base_url

    with judging(lambda said: "refund") as served:

        def answer(said: str) -> str:
            model, right = served.asked[-1]["model"], "refund" if "money back" in said.splitlines()[-1] else "card"
            return right if model.startswith("ft:") else "refund"

        served.script = answer
        model = hosted_in(ring, served.url)
        card = stage.evaluate(
            recipe(baselines=["base", "prompt", "linear"], baseline_rows=10, gate={"against": ["base"]}, judge=None,
                   suites=["slices"]),
            ring.dataset, model, ring.workspace,
        ).result  # fmt: skip
        before = len(served.asked)
        again = stage.evaluate(
            recipe(baselines=["base"], metrics=["macro_f1"], baseline_rows=10, gate={"against": []}),
            ring.dataset, model, ring.workspace,
        ).result  # fmt: skip
    assert card["metrics"]["accuracy"]["value"] == 1.0 and "ece" not in card["metrics"]
    assert not any(math.isnan(one["value"]) for one in card["metrics"].values())
    assert 0 < card["baselines"]["base"]["accuracy"]["value"] < 1
    assert card["rivals"]["tuned"]["model"] == "ft:big:acme::x" and card["rivals"]["base"]["model"] == "big"
    assert card["rivals"]["tuned"]["usd"] > 0 and "slices" in card["suites"]
    assert set(served.keys) == {"sk-ours"} and all(one["temperature"] == 0 for one in served.asked)
    tuned = [one for one in served.asked if one["model"].startswith("ft:")]
    assert all(len(one["messages"]) == 1 for one in tuned) and len(tuned) == card["metrics"]["accuracy"]["n"]
    shown = sorted({len(one["messages"]) for one in served.asked if one["model"] == "big"})
    assert shown == [1, 17], "the base bare, the prompted base with eight examples"
    assert len(served.asked) == before and again["metrics"]["macro_f1"]["value"] == 1.0, "answers are kept"
    assert card["verdict"] in ("pass", "undecided"), card["reasons"]


def test_what_needs_weights_is_refused_by_name_before_anything_is_spent(tmp_path, monkeypatch):
    """Would let through: a job paid for, and then no way to measure its model."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    (tmp_path / "x").write_text("text,label\na,b\n")
    for task, evaluate, words in (
        ("classify", {"suites": ["retention"]}, r"evaluate\.suites: .*retention: asks for probabilities"),
        ("classify", {"metrics": ["accuracy", "ece"]}, r"evaluate\.metrics: .*ece: made of probabilities"),
        ("classify", {"gate": {"maximum": {"perplexity": 2}}}, r"evaluate\.gate\.maximum: .*perplexity"),
        ("preference", {}, "how probable answers are"),
    ):
        made = recipe(**evaluate).model_copy(update={"task": task})
        with pytest.raises(RecipeError, match=words):
            flow.run(flow.Project(made, tmp_path, Workspace(tmp_path / "home")))
    assert not (tmp_path / "home" / "artifacts").exists()
