"""A recipe whose base a service tunes, from rows to a Model, through the commands people use."""

import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import yaml
from click.testing import CliRunner

from bedrock_runs import BUCKET, ROLE
from bedrock_stub.models import NOVA
from bedrock_stub.service import Fault, bedrock
from openai_service import CUT, standing_in
from openai_service import Fault as OpenAIFault
from tunesmith import flow
from tunesmith.cli.main import root
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import ArtifactError, RecipeError, RemoteError, SetupError
from tunesmith.models.load import load_model, reference
from tunesmith.providers.bedrock_models import without_window
from tunesmith.providers.hosted import hosted_model
from tunesmith.text.task import TaskSpec
from tunesmith.train import hosted

pytestmark = pytest.mark.slow

NAMES = ["card", "refund", "transfer"]
ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"{name} question {n} of {n * 7919 % 997}"},
            {"role": "assistant", "content": name},
        ]
    }
    for n in range(30)
    for name in NAMES
]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-secret")


def project(folder, url="http://127.0.0.1:9/v1", base="openai:gpt-4.1-mini", train=None, **provider):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    at = {"base_url": url, "key_env": "THE_KEY", "poll_s": 0.01, "retries": 1, **provider}
    recipe = {
        "name": "h", "task": "chat", "base": base, "data": {"train": "rows.jsonl", "processes": 1},
        "prompt": {"system": "Be brief."}, "provider": at, "train": train or {},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return flow.Project.of(folder / "recipe.yaml")


def test_a_hosted_recipe_becomes_a_model_that_says_how_it_is_asked(tmp_path):
    """Bug: the prompt, the address or the curve is lost, or the same run is paid for twice."""
    with standing_in(shutdown_date="2100-01-01") as service:
        ours = project(tmp_path, service.url, price={"training": 25})
        model = flow.train(ours)
        hosted = hosted_model(model)
        assert hosted and hosted.model == model.result["hosted"] == "ft:ftjob-0:ckpt-step-4"
        assert (hosted.base_url, hosted.key_env, hosted.jobs) == (service.url, "THE_KEY", ("ftjob-0",))
        assert [one.step for one in hosted.checkpoints] == [2, 4, 6]
        assert TaskSpec.load(model.path / "model").system == "Be brief."
        rows = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
        assert rows[3] == {"step": 4, "loss": 1.0, "valid_loss": 1.2}
        assert model.result["best"] == {"step": 4, "metric": "valid_loss", "value": 1.2}
        assert model.result["money_usd"] == 0.025 and "ftjob-0" in (model.path / "train.html").read_text()
        assert (
            flow.train(ours).id == model.id == flow.planned_model(ours, flow.prepare(ours)) and len(service.jobs) == 1
        )
    with pytest.raises(SetupError, match="lies at the service that tuned it"):
        load_model(model.path / "model")
    with pytest.raises(SetupError, match="lies at the service that tuned it"):
        reference(model.id, ours.workspace)


def test_a_run_that_was_cut_off_goes_on_with_its_job(tmp_path):
    """Bug: what failed for a moment is thrown away, the next command makes a second job, or a tracker gets its steps
    twice or without their validation.
    """
    with standing_in(states=["running"] * 3 + ["succeeded"]) as service:
        service.faults["GET fine_tuning/jobs/ftjob-0"] = OpenAIFault(CUT, times=2)
        ours = project(tmp_path, service.url, train={"track": ["jsonl"], "epochs": 3})
        with pytest.raises(RemoteError, match="goes on from here"):
            flow.train(ours)
        model = flow.train(ours)
        assert model.result["jobs"] == ["ftjob-0"] and len(service.jobs) == 1 and service.files == {}
    tracked = (ours.workspace.tracking_dir / f"{model.id}.jsonl").read_text().splitlines()
    head, *rows = map(json.loads, tracked)
    assert head["settings"] == {
        "base": "openai:gpt-4.1-mini", "task": "chat", "seed": 0, "dataset": model.parents[0], "train.epochs": 3,
        "prompt.system": "Be brief.", "train.objective": "sft",
    }  # fmt: skip
    assert rows == [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()] != []


def test_a_base_that_has_ended_is_told_before_anything_is_uploaded(tmp_path):
    with standing_in(shutdown_date="2020-01-01") as service:
        with pytest.raises(RemoteError, match=r"was shut down on 2020-01-01(.|\n)*open model"):
            flow.train(project(tmp_path, service.url))
        assert not [one for one in service.asked if one.startswith("POST")]


def test_settings_that_the_service_does_not_honour_are_told_with_their_lines(tmp_path):
    with pytest.raises(RecipeError) as caught:
        flow.train(project(tmp_path, train={"lora": {"rank": 4}, "schedule": {"peak": 0.001}}))
    assert "2 things do not fit" in str(caught.value) and "recipe.yaml:" in str(caught.value)
    assert not (tmp_path / ".tunesmith" / "artifacts").exists()


def test_plan_tells_each_provider_with_the_network_closed(tmp_path, monkeypatch):
    """Bug: `plan` asks the service, needs the key, or raises what it should list."""
    train = {"batch_examples": 4, "max_tokens": 400, "lora": {"rank": 4}, "threads": 1}
    project(tmp_path, train=train, price={"training": 25})
    monkeypatch.delenv("THE_KEY")

    def closed(*_):
        raise AssertionError("plan opened a connection")

    monkeypatch.setattr(socket.socket, "connect", closed)
    found = {}
    claude = "bedrock:anthropic.claude-3-haiku-20240307-v1:0:200k"
    for base in ("openai:gpt-4.1-mini", claude, "nano"):
        done = CliRunner().invoke(root, ["plan", str(tmp_path / "recipe.yaml"), "--base", base, "--json"])
        assert done.exit_code == 0, done.output
        found[base] = json.loads(done.stdout)
    hosted = found["openai:gpt-4.1-mini"]
    assert hosted["money_usd"] == pytest.approx(hosted["trained_tokens"] * 25 / 1e6)
    assert list(hosted["settings"]["refused"]) == ["train.lora.rank"]
    assert (
        "train.batch_examples" in hosted["settings"]["honoured"]
        and "train.threads" in hosted["settings"]["approximated"]
    )
    assert found[claude]["provider"] == "bedrock" and found[claude]["money_usd"] > 0
    notes = " ".join(found[claude]["notes"])
    assert "end of life on 2026-09-10" in notes and "train needs provider.role_arn and provider.bucket" in notes
    assert "train.lora.rank" in found[claude]["settings"]["refused"]
    assert found["nano"]["provider"] == "local" and found["nano"]["money_usd"] == 0
    told = CliRunner().invoke(root, ["plan", str(tmp_path / "recipe.yaml")])
    assert "refused: train.lora.rank" in " ".join(told.stderr.split()) and "USD" in told.stderr


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sweep", "each of which a service would bill"),
        ("prompts", "compared by a model on this machine"),
        ("curve --base", "each of which a service would bill"),
    ],
)
def test_what_asks_a_base_again_and_again_is_refused_of_a_hosted_one(command, why, tmp_path):
    """Bug: "openai:gpt-4.1-mini" is looked for on the Hugging Face hub, or a sweep makes forty paid jobs."""
    project(tmp_path)
    verb, *options = command.split()
    done = subprocess.run(
        [sys.executable, "-m", "tunesmith", verb, str(tmp_path / "recipe.yaml"), *options],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and why in " ".join(done.stderr.split())
    assert Workspace(tmp_path / ".tunesmith").list() == []


def test_a_run_is_cancelled_by_command_and_the_next_begins_anew(tmp_path):
    """Bug: Ctrl-C leaves a job that goes on costing money, and nobody has its id; or a cancelled job is waited for again."""
    with standing_in(states=["running"]) as service:
        ours = project(tmp_path, service.url)
        waiting = threading.Thread(target=lambda: outcome.append(_error_of(ours)))
        outcome = []
        waiting.start()
        until = time.monotonic() + 30
        while "GET fine_tuning/jobs/ftjob-0" not in service.asked and time.monotonic() < until:
            time.sleep(0.01)
        done = CliRunner().invoke(root, ["train", str(tmp_path / "recipe.yaml"), "--cancel", "--json"])
        waiting.join(30)
        assert json.loads(done.stdout) == {"cancelled": ["ftjob-0"]}
        assert "ftjob-0 was cancelled" in outcome[0] and service.files == {}
        service.states = ["succeeded"]
        assert flow.train(ours).result["jobs"] == ["ftjob-1"]
    with pytest.raises(RecipeError, match="no jobs to cancel"):
        flow.cancel_training(flow.on_base(ours, "nano"))


def _error_of(ours):
    try:
        flow.train(ours)
    except RemoteError as error:
        return str(error)


@pytest.fixture
def amazon(monkeypatch):
    with bedrock() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def at_bedrock(folder, base=NOVA, **provider):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    at = {"region": "us-east-1", "role_arn": ROLE, "bucket": BUCKET, "poll_s": 0.001, "retries": 0, **provider}
    recipe = {
        "name": "b", "task": "chat", "base": f"bedrock:{base}", "data": {"train": "rows.jsonl", "processes": 1},
        "provider": at, "evaluate": {"baselines": ["base"], "baseline_rows": 10, "gate": {"against": []}},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return flow.Project.of(folder / "recipe.yaml")


def test_a_recipe_is_tuned_at_bedrock_measured_there_and_asked_by_ids_that_answer(tmp_path, amazon):
    """Bug: the base is asked by its name for training, which no chat knows, after all is paid for."""
    next(one for one in amazon.models if one.id == NOVA).inference.append("ON_DEMAND")
    ours = at_bedrock(tmp_path, deployment="on_demand", confirm_hourly_usd=0)
    amazon.models.append(replace(next(one for one in amazon.models if one.id == NOVA), id=without_window(NOVA)))
    card = flow.evaluate(ours).result
    assert card["rivals"]["base"]["model"] == without_window(NOVA) and card["rivals"]["base"]["calls"]["asked"] == 9
    asked = [given for name, given in amazon.asked if name == "Converse"]
    assert all(one["inferenceConfig"]["temperature"] == 0 for one in asked)
    assert hosted_model(flow.train(ours)).model in card["rivals"]["tuned"]["model"]


@pytest.mark.parametrize("lost", [False, True], ids=["done", "unclear"])
def test_a_paid_job_is_gone_on_with_although_its_base_has_become_legacy(tmp_path, amazon, lost, monkeypatch):
    """Bug: training that is paid for is refused, since nobody could begin it today."""
    amazon.job_takes = 10**6
    ours = at_bedrock(tmp_path)
    amazon.faults = [Fault("GetModelCustomizationJob", "AccessDeniedException")]
    with pytest.raises(RemoteError):
        flow.train(ours)
    (journal,) = (tmp_path / ".tunesmith").rglob("journal.jsonl")
    if lost:
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(one for one in lines if '"done": "job"' not in one))
    for one in amazon.models:
        one.status, one.ends = "LEGACY", amazon.at(86_400)
    amazon.job_takes = 1
    assert flow.train(ours).result["jobs"] == [*amazon.jobs] and len(amazon.jobs) == 1


WITHOUT_TORCH = """
import sys
from pathlib import Path
from tunesmith import flow
model = flow.train(flow.Project.of(Path(sys.argv[1])))
print(model.result["hosted"], "torch" in sys.modules, "transformers" in sys.modules)
"""


def test_a_service_tunes_for_a_machine_that_could_not(tmp_path):
    """Bug: tuning at a service asks for torch, which the machine that only drives it need not have."""
    with standing_in() as service:
        project(tmp_path, service.url, train={"track": ["jsonl"]})
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "recipe.yaml")],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert done.stdout.strip().endswith("False False"), done.stdout + done.stderr


def test_trackers_get_each_step_once_and_whole():
    """Bug: a row that is told late is sent again behind later ones, which trackers refuse or draw backwards."""
    had = []
    with hosted._shown(lambda progress: had.extend(progress.metrics)) as tell:
        for row in ({"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "loss": 2.0, "valid_loss": 2.5},
                    {"step": 4, "loss": 1.0}, {"step": 1, "loss": 3.0, "valid_loss": 9.0}):  # fmt: skip
            tell.measured(row, 4)
    assert [row["step"] for row in had] == [1, 2, 4] and had[1]["valid_loss"] == 2.5


def test_clean_keeps_what_runs_at_a_service(tmp_path):
    """Bug: `clean` throws the only word of a running job away, and the next training pays for another."""
    with standing_in() as service:
        service.faults["GET fine_tuning/jobs/ftjob-0"] = OpenAIFault(CUT, times=9)
        ours = project(tmp_path, service.url)
        with pytest.raises(RemoteError):
            flow.train(ours)
        home = ["--home", str(ours.workspace.root)]
        told = CliRunner().invoke(root, ["clean", *home, "--json"], catch_exceptions=False)
        (kept,) = json.loads(told.stdout)["kept"]
        service.faults.clear()
        assert flow.train(ours).id == kept and len(service.jobs) == 1
        service.faults["GET fine_tuning/jobs/ftjob-1"] = OpenAIFault(CUT, times=9)
        other = project(tmp_path, service.url, train={"epochs": 2})
        with pytest.raises(RemoteError):
            flow.train(other)
        (journal,) = ours.workspace.work_dir.rglob("journal.jsonl")
        with journal.open("a") as file:
            file.write(json.dumps({"done": "capacity", "arn": "arn:aws:bought"}) + "\n")
        kept = CliRunner().invoke(root, ["clean", *home], catch_exceptions=False).output
        told = CliRunner().invoke(root, ["clean", *home, "--hosted", "--json"], catch_exceptions=False)
        found = json.loads(told.stdout)
        assert found["kept"] == [] and not [*ours.workspace.work_dir.rglob("journal.jsonl")]
        assert [*found["at_services"].values()] == [["job ftjob-1", "capacity arn:aws:bought"]]
        assert "arn:aws:bought" in kept and "hosted delete" in kept
        journal.parent.mkdir(parents=True)
        journal.write_text("{damaged")
        journal.write_text("{damaged\n")
        damaged = CliRunner().invoke(root, ["clean", *home], catch_exceptions=False)
        assert journal.exists() and "damaged" in damaged.output


def test_a_run_of_the_recipe_before_it_was_changed_is_cancelled_too(tmp_path):
    """Bug: "nothing to cancel" is said of a job that runs, because a word of the recipe is another one by now."""
    with standing_in(states=["running"] * 99) as service:
        service.faults["GET fine_tuning/jobs/ftjob-0"] = OpenAIFault(CUT, times=9)
        with pytest.raises(RemoteError):
            flow.train(project(tmp_path, service.url))
        service.faults.clear()
        changed = project(tmp_path, service.url, train={"epochs": 2})
        damaged = changed.workspace.work_dir / "h-000000000000" / "journal.jsonl"
        damaged.parent.mkdir()
        damaged.write_text("{damaged\n")
        with pytest.raises(ArtifactError, match="damaged"):
            flow.cancel_training(changed)
        assert service.jobs["ftjob-0"]["states"] == ["cancelled"], "one damaged run keeps no other from its end"
        damaged.unlink()
        assert flow.cancel_training(changed) == {"cancelled": []}


@pytest.mark.parametrize(
    ("train", "prompt", "base", "why"),
    [
        ({"max_steps": 9}, {}, "openai:gpt-4.1-mini", "how many examples a step has"),
        ({}, {"shots": 2}, "bedrock:anthropic.claude-3-haiku-20240307-v1:0:200k", "not as Claude is tuned"),
    ],
)
def test_plan_tells_what_is_refused_beside_what_is_honoured(tmp_path, train, prompt, base, why):
    """Bug: plan ends at the first thing that a service does not do, and one cannot compare the three."""
    ours = project(tmp_path, train=train)
    ours = replace(ours, recipe=ours.recipe.model_copy(update={"prompt": ours.recipe.prompt.model_copy(update=prompt)}))
    plan = flow.plan(flow.on_base(ours, base))
    assert why in plan["refused"] and plan["settings"]["refused"]
    (tmp_path / "plan.yaml").write_text(
        (tmp_path / "recipe.yaml").read_text().replace("train: {}", "train: {max_steps: 9}")
    )
    shown = CliRunner().invoke(root, ["plan", str(tmp_path / "plan.yaml")], catch_exceptions=False)
    assert shown.exit_code == 0 and "train.max_steps" in shown.output


def test_models_of_a_service_are_listed(tmp_path):
    """Bug: a traceback, once a workspace holds a Model that lies elsewhere."""
    with standing_in() as service:
        ours = project(tmp_path, service.url)
        model = flow.train(ours)
    told = CliRunner().invoke(root, ["models", "--home", str(ours.workspace.root), "--json"], catch_exceptions=False)
    assert [one["method"] for one in json.loads(told.stdout)["models"]] == ["hosted"]
    shown = CliRunner().invoke(root, ["show", model.id, "--home", str(ours.workspace.root)], catch_exceptions=False)
    assert shown.exit_code == 0 and "None" not in shown.output
