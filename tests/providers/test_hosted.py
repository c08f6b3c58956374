"""What is common to all services that tune: bases, states, and what is kept of a model."""

import pytest

from tunesmith.core.artifacts import Artifact
from tunesmith.core.errors import ArtifactError, RecipeError
from tunesmith.providers.hosted import FILE, Checkpoint, HostedModel, Outcome, hosted_model, status_of, tuner
from tunesmith.recipe import parse_recipe
from tunesmith.recipe.provider import Provider

BASE = "openai:gpt-4.1-mini-2025-04-14"
YAML = "name: t\ntask: chat\ndata: {train: rows.jsonl}\n"


def test_a_word_for_a_status_that_nobody_knows_is_no_failure():
    """Bug: OpenAI answers "paused", which its own document does not list, and a paid job is given up."""
    known = {"running": "running", "failed": "failed"}
    assert [status_of(word, known) for word in ("running", "paused", None)] == ["running", "unknown", "unknown"]


def test_what_is_kept_of_a_model_says_how_to_ask_it(tmp_path):
    """Bug: of an Azure model the address is lost, and it is asked for at OpenAI."""
    at = Provider(base_url="https://mine.openai.azure.com/openai/v1", key_env="MY_KEY")
    kept = HostedModel.of(
        "azure:gpt-4.1-mini",
        at,
        Outcome("ft:x", ("ftjob-1",), (Checkpoint("ft:x:ckpt-step-4", 4, {"valid_loss": 1.5}),)),
    )
    kept.save(tmp_path)
    assert hosted_model(Artifact(tmp_path)) == kept
    assert (kept.service, kept.base, kept.base_url, kept.key_env) == (
        "azure", "gpt-4.1-mini", "https://mine.openai.azure.com/openai/v1", "MY_KEY",
    )  # fmt: skip


def test_a_model_with_weights_here_is_not_hosted_and_damage_is_told(tmp_path):
    assert hosted_model(Artifact(tmp_path)) is None
    (tmp_path / FILE).write_text('{"service": "openai"}')
    with pytest.raises(ArtifactError, match=r"hosted\.json: damaged"):
        hosted_model(Artifact(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (YAML + "provider: {poll_s: 5}\n", ["provider is for a base that a service tunes, and nano is not"]),
        (YAML + "base: 'openai: '\n", ["names no model"]),
        (YAML + "base: azure:gpt-4.1\n", ["provider.base_url is missing", "openai.azure.com"]),
        (YAML + f"base: {BASE}\nprovider: {{base_url: 'https://me:sk-1@x.org/v1'}}\n", ["provider.base_url", ":5:"]),
        (YAML + f"base: {BASE}\nprovider: {{stopping: chains}}\n", ["stopping", "did you mean 'chain'?"]),
        (YAML + "train: {schedule: {peak: auto, peak_factor: 2}}\n", ["peak: auto", "remove peak_factor"]),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(text, expected):
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "recipe.yaml")
    assert all(part in str(caught.value) for part in expected), str(caught.value)


def test_the_service_is_in_the_base(monkeypatch):
    hosted = parse_recipe(YAML + f"base: {BASE}\n")
    assert (hosted.service, hosted.hosting.stopping, hosted.provider) == ("openai", "checkpoints", None)
    assert parse_recipe(YAML + "base: open/model\n").service == ""
    assert tuner(parse_recipe(YAML + "base: bedrock:amazon.nova-micro-v1:0:128k\n")).family.title == "Nova"
    monkeypatch.setattr("tunesmith.providers.hosted.TUNERS", {})
    with pytest.raises(RecipeError, match="this version cannot tune"):
        tuner(hosted)
