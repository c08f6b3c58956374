"""How long the models that a recipe uses go on answering: asked of each service, alarms in time, never a guess."""

from __future__ import annotations

import json
from datetime import date

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from local_server import at_port
from tunesmith.cli.lifecycle import command
from tunesmith.core.artifacts import Plan
from tunesmith.core.errors import GateError, RemoteError
from tunesmith.monitor.lifecycle import ALARMS_DAYS, _alarm, lifecycle
from tunesmith.project import Project
from tunesmith.providers.hosted import HostedModel
from tunesmith.providers.lifecycle import base_of, by_anthropic, by_openai, day_of
from tunesmith.recipe import parse_recipe
from tunesmith.release.aliases import promote

TODAY = date(2026, 11, 28)
OPENAI = {
    "gpt-big": {}, "gpt-base": {"shutdown_date": "2027-01-14"}, "ft:gpt-base:acme::x": {"shutdown_date": "2027-05-01"},
}  # fmt: skip
CLAUDE = {
    "claude-old": {"lifecycle": "deprecated", "retires_at": "2026-12-20T00:00:00Z"},
    "claude-dead": {"lifecycle": "retired", "retires_at": "2026-09-10T00:00:00Z"},
    "claude-new": {"lifecycle": "active", "retires_at": None},
}


@pytest.fixture
def service():
    """A server that has both vendors' lists of models."""
    from http.server import BaseHTTPRequestHandler
    from urllib.parse import unquote

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = unquote(self.path).partition("/models/")[2].partition("?")[0]
            status, body = 404, {"error": {"message": "no such model", "type": "not_found_error"}}
            if name in OPENAI:
                status, body = 200, {"id": name, "object": "model", "created": 1, "owned_by": "x", **OPENAI[name]}
            elif name in CLAUDE:
                status, body = 200, {
                    "id": name, "type": "model", "display_name": name, "created_at": "2024-01-01T00:00:00Z", **CLAUDE[name]
                }  # fmt: skip
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with at_port(Handler) as url:
        yield url


def recipe_text(url: str) -> str:
    def openai(model):
        return {"model": model, "base_url": f"{url}/v1", "retries": 0}

    def claude(model):
        return {"api": "anthropic", "model": model, "base_url": url, "key_env": "A_KEY", "retries": 0}

    return yaml.safe_dump(
        {
            "name": "l", "task": "chat", "data": {"train": "a.csv"},
            "evaluate": {
                "judge": {**openai("gpt-big"), "rubric": {"text": "good?"}},
                "rivals": {"vendor": openai("ft:gpt-base:acme::x"), "gone": openai("ft:gpt-base:acme::y")},
            },
            "serve": {"upstreams": {"old": claude("claude-old"), "new": claude("claude-new")}},
            "prompts": {"writer": claude("claude-dead")},
            "distill": {"teacher": {"model": "x", "base_url": "http://127.0.0.1:1/v1", "retries": 0}},
        }
    )  # fmt: skip


def test_every_model_elsewhere_is_asked_about_and_the_most_urgent_comes_first(service, monkeypatch):
    """Would let through: a model nobody looks at, a tuned model that is thought to outlive its base, one that is gone and
    looks alive, a dead service that hides the others.
    """
    monkeypatch.setenv("A_KEY", "k")
    found = lifecycle(parse_recipe(recipe_text(service)), TODAY)
    assert [(one.setting, one.state, one.days_left, one.alarm) for one in found] == [
        ("evaluate.rivals.gone", "gone", None, 0),
        ("prompts.writer", "gone", -79, 0),
        ("serve.upstreams.old", "deprecated", 22, 30),
        ("evaluate.rivals.vendor", "deprecated", 47, 90),
        ("distill.teacher", "unknown", None, None),
        ("evaluate.judge", "active", None, None),
        ("serve.upstreams.new", "active", None, None),
    ]
    assert "cannot be reached" in found[4].why and not found[0].why


def test_a_missing_key_is_told_and_is_no_state(service, monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    found = {one.setting: one for one in lifecycle(parse_recipe(recipe_text(service)), TODAY)}
    assert found["serve.upstreams.old"].state == "unknown" and "A_KEY" in found["serve.upstreams.old"].why
    assert found["evaluate.rivals.vendor"].alarm == 90


@given(st.integers(-1000, 1000))
def test_alarms_come_in_time_and_never_fall_silent(left):
    """Would let through: an alarm that ends once the day is past, or that skips a step."""
    alarm = _alarm("deprecated", left)
    assert (alarm is None) == (left > max(ALARMS_DAYS))
    assert alarm is None or (left <= alarm and not [one for one in ALARMS_DAYS if left <= one < alarm])


def test_days_are_read_in_every_way_that_services_write_them():
    for said in (1_797_897_600, "1797897600", "2026-12-22", "2026-12-22T00:00:00Z"):
        assert day_of(said) == date(2026, 12, 22), said
    assert [day_of(said) for said in (None, "", "soon", [])] == [None] * 4


def test_a_job_that_asks_in_vain_fails(tmp_path):
    """Would let through: a cron job that has not reached the vendor for months, and is green."""
    recipe = {"name": "l", "task": "chat", "data": {"train": "a.csv"},
              "prompts": {"writer": {"model": "x", "base_url": "http://127.0.0.1:1/v1", "retries": 0}}}  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert CliRunner().invoke(command, [str(tmp_path / "recipe.yaml")]).exit_code == 0
    failed = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--within", "1"])
    assert isinstance(failed.exception, RemoteError) and "cannot be reached" in str(failed.exception)


def test_what_a_service_says_in_odd_ways_is_unknown_and_no_date(service):
    from types import SimpleNamespace

    assert by_openai("m", lambda _: SimpleNamespace(shutdown_date="soon")).ends_on is None
    assert by_anthropic(SimpleNamespace(lifecycle="resting", retires_at=None)).state == "unknown"
    assert base_of("ft:gpt:acme:s:1") == "gpt" and base_of("gpt") is None and base_of("ft") is None


def test_the_command_alarms_by_its_exit(service, monkeypatch, tmp_path):
    """Would let through: a cron job that never fails."""
    monkeypatch.setenv("A_KEY", "k")
    (tmp_path / "recipe.yaml").write_text(recipe_text(service))
    told = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--json"], catch_exceptions=False)
    models = json.loads(told.stdout)["models"]
    assert told.exit_code == 0 and len(models) == 7 and models[1]["ends_on"] == "2026-09-10"
    shown = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml")], catch_exceptions=False).output
    assert "claude-old" in shown and "2026-12-20" in shown and "distill records" in shown
    failed = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--within", "1"])
    assert isinstance(failed.exception, GateError) and "claude-dead" in str(failed.exception)
    (tmp_path / "recipe.yaml").write_text("name: l\ntask: chat\ndata: {train: a.csv}\n")
    assert CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--within", "9"]).exit_code == 0
    assert not (tmp_path / ".tunesmith").exists()


def test_a_released_model_is_asked_about_whatever_the_recipe_says_by_now(service, monkeypatch, tmp_path):
    """Would let through: the model that users get is shut down, because the recipe's base is another one by now."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    (tmp_path / "recipe.yaml").write_text("name: l\ntask: chat\ndata: {train: a.csv}\nbase: nano\n")
    project = Project.of(tmp_path / "recipe.yaml")
    plans = {}
    for name, alias in (("l", "production"), ("other", "production")):
        plan = Plan(name, "model", {}, given={}, parents=())
        with project.workspace.draft(plan) as draft:
            HostedModel("openai", f"ft:gpt-base:acme::{'x' if name == 'l' else 'y'}", "gpt-base", f"{service}/v1").save(
                draft.path
            )
        promote(project.store, name, plan.id, alias=alias, force=True)
        plans[name] = plan.id
    told = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--json"], catch_exceptions=False)
    (one,) = json.loads(told.stdout)["models"]
    (project.workspace.get(plans["other"]).path / "hosted.json").write_text("null")
    promote(project.store, "l", plans["other"], alias="candidate", force=True)
    told = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--json"], catch_exceptions=False)
    damaged = json.loads(told.stdout)["models"][1]
    assert (damaged["setting"], damaged["state"]) == ("l@candidate", "unknown") and "damaged" in damaged["why"]
    assert (one["setting"], one["model"], one["ends_on"]) == ("l@production", "ft:gpt-base:acme::x", "2027-01-14")
