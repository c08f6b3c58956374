"""Tuning at Bedrock, against our stand-in: the whole way, what is refused and when, faults, and kills at every request."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import IncompleteReadError
from botocore.response import StreamingBody

import bedrock_runs
from bedrock_runs import ROLE, example, recipe, rows, run, tuner
from bedrock_stub.models import CLAUDE, LLAMA, NOVA
from bedrock_stub.service import BUCKET, CUT, Fault, add_role, bedrock
from serving import wait_until
from tunesmith.core.errors import DataError, RecipeError, RemoteError, SetupError
from tunesmith.providers import bedrock_capacity
from tunesmith.providers.aws import AwsError, Client
from tunesmith.providers.bedrock_tuning import BedrockTuner
from tunesmith.providers.journal import Journal
from tunesmith.recipe import Recipe
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow
BOUGHT = {"deployment": "provisioned", "price": {"hour": 40.0}, "model_units": 2, "confirm_hourly_usd": 80.0}
CREATED_AND_CUT = Fault("CreateModelCustomizationJob", CUT)
LISTS = ("ProvisionedModelThroughputs", "CustomModelDeployments")


@pytest.fixture
def service(monkeypatch):
    with bedrock() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.parametrize("base", [CLAUDE, NOVA, LLAMA])
def test_from_rows_to_a_tuned_model(service, tmp_path, base):
    outcome, heard = run(tmp_path, base, clean_up=False)
    (job,) = service.jobs.values()
    assert outcome.model == job.model and outcome.jobs == (job.arn,) and outcome.stopped_by == "last step"
    assert outcome.options == {"region": "us-east-1"} and outcome.epochs == 3
    assert [row["step"] for row in outcome.metrics] == [1, 2, 3] and heard.rows == list(outcome.metrics)
    assert {"loss", "valid_loss"} <= set(outcome.metrics[0])
    assert outcome.best == {"step": 3, "metric": "valid_loss", "value": 0.6}
    assert job.given["jobName"].startswith("support-triage-") and "InProgress" in " ".join(heard.sentences)
    train = service.read(job.given["trainingDataConfig"]["s3Uri"]).decode().splitlines()
    assert len(train) == 40 and "Be brief." in train[0]
    assert not service.capacities


def test_a_job_that_stops_early_is_told_as_such(service, tmp_path):
    """Would let through: a Model whose page says that it made epochs that nobody made."""
    service.stops_after = 2
    outcome, _ = run(tmp_path)
    assert (outcome.epochs, outcome.stopped_by, outcome.best["step"]) == (2, "early stopping", 2)


def test_jobs_bear_the_suffix_and_examples_count_against_the_accounts_quota(service, tmp_path):
    """Would let through: settings that the table calls honoured and nobody looks at."""
    with pytest.raises(DataError, match="40 examples of training, and Claude on Bedrock takes no more than 39"):
        run(tmp_path, quota_examples=39)
    _, heard = run(tmp_path, quota_examples=42, suffix="night shift", clean_up=False)
    (job,) = service.jobs.values()
    assert job.given["jobName"].startswith("night-shift-") and "2 of 5 validation examples" in " ".join(heard.sentences)
    valid = job.given["validationDataConfig"]["validators"][0]["s3Uri"]
    assert len(service.read(valid).splitlines()) == 2


def test_throughput_is_bought_once_and_only_confirmed(service, tmp_path):
    outcome, heard = run(tmp_path, **BOUGHT)
    (capacity,) = service.capacities.values()
    assert (capacity.units, capacity.model) == (2, outcome.model)
    assert any("USD 80.00 an hour" in one for one in heard.sentences)
    assert any(f"tunesmith hosted delete {capacity.arn}" in note for note in outcome.notes)


def test_a_deployment_on_demand(service, tmp_path):
    run(tmp_path, NOVA, deployment="on_demand", confirm_hourly_usd=0)
    (capacity,) = service.capacities.values()
    assert capacity.kind == "custom-model-deployment"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"price": None}, "provider.price.hour is not set"),
        ({"confirm_hourly_usd": None}, "provider.confirm_hourly_usd is not set, and .* USD 80.00 an hour"),
        ({"confirm_hourly_usd": 79.0}, "provider.confirm_hourly_usd is 79"),
    ],
)
def test_what_is_not_confirmed_is_refused_before_anything_is_sent(service, tmp_path, changed, words):
    """Would let through: hours of training, and then a bill, or a model that nobody may ask."""
    with pytest.raises(RecipeError, match=words):
        run(tmp_path, **{**BOUGHT, **changed})
    assert service.asked == []


def test_an_estimate_sends_nothing(tmp_path):
    made = tuner(price={"training": 10.0, "hour": 40.0}, deployment="provisioned", confirm_hourly_usd=40)
    estimate = made.estimate(rows(tmp_path))
    assert (estimate.examples, estimate.valid_examples, estimate.epochs, estimate.usd_an_hour) == (40, 5, 3, 40.0)
    assert estimate.usd == pytest.approx(estimate.trained_tokens * 10 / 1e6) and estimate.tokens_per_epoch > 40
    assert tuner().estimate(rows(tmp_path)).missing == "provider.price.training"


def test_available(service):
    one = tuner()
    assert (one.available().state, one.available().may_tune) == ("tunable", True)
    claude = service.models[0]
    claude.status, claude.ends = "LEGACY", service.at(86_400 * 40)
    told = one.available()
    assert (told.state, str(told.ends_on)) == ("legacy", "2026-09-10")
    assert "LEGACY in us-east-1" in told.sentence and "base: Qwen" in told.sentence
    service.models.remove(claude)
    told = one.available()  # the model that is asked is still there
    assert told.state == "unavailable" and NOVA in told.sentence
    service.models = [one for one in service.models if "claude" not in one.id]
    told = one.available()
    assert told.state == "ended" and "end of life on 2026-09-10" in told.sentence and "base: Qwen" in told.sentence
    told = tuner("anthropic.claude-9-v1:0:200k").available()
    assert told.state == "ended" and "provider.region" in told.sentence
    assert not any(found.may_tune for found in (told,))


@pytest.mark.parametrize(
    ("settings", "words", "hint"),
    [
        ({"role_arn": "arn:aws:iam::123456789012:role/none"}, "there is no role", "update-assume-role-policy"),
        ({"role_arn": "arn:aws:iam::123456789012:role/other"}, "does not name bedrock.amazonaws.com", "aws:SourceArn"),
        ({"bucket": "not-there"}, "there is no bucket not-there", "aws s3 mb s3://not-there --region us-east-1"),
        ({"role_arn": None}, "provider.role_arn is not set", "role_arn: arn:aws:iam"),
        ({"bucket": None}, "provider.bucket is not set", "bucket: my-tunes"),
    ],
)
def test_role_and_bucket_are_looked_at_before_anything_is_uploaded(service, tmp_path, settings, words, hint):
    add_role(service, "other", "lambda.amazonaws.com")
    with pytest.raises((RemoteError, RecipeError), match=words) as caught:
        run(tmp_path, **settings)
    assert hint in caught.value.hint and not service.jobs
    assert service.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_role_that_only_bedrock_cannot_take_is_told_with_the_fix(service, tmp_path):
    """Would let through: "Could not assume provided IAM role", and no word of what to do."""
    said = "Could not assume provided IAM role. Please verify the role's trust policy."
    service.faults = [Fault("CreateModelCustomizationJob", "ValidationException", said)]
    with pytest.raises(RemoteError, match=r"provider\.role_arn") as caught:
        run(tmp_path)
    assert ROLE in caught.value.message and "aws:SourceAccount" in caught.value.hint


def test_a_row_that_the_service_refuses_is_told_by_its_place(service, tmp_path, monkeypatch):
    """Would let through: a line of a file that nobody has seen."""
    monkeypatch.setattr("tunesmith.providers.bedrock_rows.fault", lambda *_: None)
    bad = example(2, answer=" ")
    with pytest.raises(DataError, match=r"refuses the row of rows\.jsonl:3: .*line 3"):
        run(tmp_path, changed=bad)
    assert Journal(tmp_path).of("job") is None
    outcome, _ = run(tmp_path)
    assert outcome.jobs[0] in service.jobs and len(service.jobs) == 2


def test_a_job_that_is_stopped_goes_through_stopping(service, tmp_path):
    stop_soon(service)
    with pytest.raises(RemoteError, match="was stopped, and Bedrock made no model of it"):
        run(tmp_path)
    assert Journal(tmp_path).of("job") is None


def stop_soon(service):
    """Stop the job at the third look at it, as its user does."""
    service.job_takes = 1_000

    def stop(number, name):
        if name == "GetModelCustomizationJob" and service.names().count(name) == 3:
            next(iter(service.jobs.values())).stopped = service.now

    service.before = stop


def test_a_model_of_a_stopped_job_is_had_and_nothing_is_bought_for_it(service, tmp_path):
    """Would let through: throughput by the hour for what the user has just cancelled, or a model that is paid for and
    lost.
    """
    stop_soon(service)
    service.partial = True
    outcome, _ = run(tmp_path, **BOUGHT)
    assert outcome.model in service.custom and outcome.stopped_by == "cancelled"
    assert not service.capacities and "CreateProvisionedModelThroughput" not in service.names()
    assert any(f"tunesmith hosted deploy {outcome.model}" in note for note in outcome.notes)


def test_a_job_is_cancelled_from_its_journal_by_another_process(service, tmp_path):
    """Would let through: a cancelled job that goes on and is billed, one that is stopped twice or after its end."""
    service.job_takes = 10**9
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(run, tmp_path)
        wait_until(lambda: service.names().count("GetModelCustomizationJob") >= 2)
        other = tuner()
        assert other.cancel(Journal(tmp_path)) == [next(iter(service.jobs))]
        with pytest.raises(RemoteError, match="was stopped"):
            running.result(60)
        assert other.cancel(Journal(tmp_path)) == []
        other.close()
    assert service.names().count("StopModelCustomizationJob") == 1


def test_a_status_that_nobody_knows_is_looked_at_again(service, tmp_path):
    """Bug: an unknown word is taken for a failure, and a paid job is given up."""
    service.odd_status, looks = "Pausing", []

    def end(number, name):
        looks.append(name)
        if looks.count("GetModelCustomizationJob") == 4:
            service.odd_status = None

    service.before = end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bedrock_stub.service.written", lambda one, answer: json.dumps(answer, default=_iso).encode())
        outcome, heard = run(tmp_path)
    assert outcome.model and any("Pausing, which is not a word known here" in one for one in heard.sentences)


def _iso(value):
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_curves_that_are_not_there_are_said_to_be_missing(service, tmp_path):
    service.csvs = False
    outcome, _ = run(tmp_path)
    assert list(outcome.metrics) == [] and any("no curves" in note for note in outcome.notes)


def deny(patch, operation, words, which=lambda given: True):
    """Let AWS refuse an operation, where moto would not: of all that is asked, or of some."""
    real = Client.call

    def refused(self, asked, **given):
        if asked == operation and which(given):
            raise AwsError(words, code="AccessDenied")
        return real(self, asked, **given)

    patch.setattr(Client, "call", refused)


@pytest.mark.parametrize("operation", ["list_objects_v2", "get_object"])
def test_curves_that_may_not_be_read_keep_nobody_from_the_model(service, tmp_path, monkeypatch, operation):
    """Would let through: s3:ListBucket is missing, and a model that is paid for is never had."""
    deny(monkeypatch, operation, "you may not do that in S3")
    outcome, heard = run(tmp_path)
    assert outcome.model in service.custom and heard.rows == list(outcome.metrics) == []
    assert any("could not be read" in note and "you may not do that in S3" in note for note in outcome.notes)


def test_curves_that_end_before_their_end_keep_nobody_from_the_model(service, tmp_path, monkeypatch):
    """Would let through: a traceback, where the answer of S3 is cut in its middle."""
    real = StreamingBody.read

    def cut(self, amt=None):
        if threading.current_thread() is threading.main_thread():  # the stand-in reads as well
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
        return real(self, amt)

    monkeypatch.setattr(StreamingBody, "read", cut)
    outcome, _ = run(tmp_path)
    assert any("could not be read" in note for note in outcome.notes)


def test_a_throttled_look_does_not_give_a_job_up(service, tmp_path):
    service.faults = [Fault("GetModelCustomizationJob", "ThrottlingException", times=3)]
    outcome, heard = run(tmp_path)
    assert outcome.model and any("takes no more requests for now" in one for one in heard.sentences)
    service.faults = [Fault("GetModelCustomizationJob", "AccessDeniedException")]
    with pytest.raises(RemoteError, match="do bedrock:GetModelCustomizationJob in us-east-1") as caught:
        run(tmp_path)
    assert "sts get-caller-identity" in caught.value.hint and "service control policy" in caught.value.expected
    assert len(service.jobs) == 1


def test_a_connection_cut_after_the_job_was_made_makes_no_second(service, tmp_path):
    service.faults = [Fault("CreateModelCustomizationJob", CUT)]
    with pytest.raises(RemoteError, match="ends connections before it answers"):
        run(tmp_path)
    outcome, _ = run(tmp_path)
    assert list(service.jobs) == list(outcome.jobs)
    service.faults = [Fault("CreateProvisionedModelThroughput", CUT)]
    with pytest.raises(RemoteError, match="ends connections"):
        run(tmp_path, **BOUGHT)
    run(tmp_path, **BOUGHT)
    assert len(service.jobs) == 1 and len(service.capacities) == 1


def test_an_error_that_passes_forgets_no_job(service, tmp_path):
    """Would let through: a request that AWS takes later than it answers, and a second job beside the one it makes."""
    service.faults = [Fault("CreateModelCustomizationJob", "ThrottlingException")]
    with pytest.raises(RemoteError, match="takes no more requests for now"):
        run(tmp_path)
    assert Journal(tmp_path).unclear("job") and len(uploads(service)) == 2
    assert run(tmp_path)[0].model and len(service.jobs) == 1


def test_capacity_whose_answer_was_lost_is_found_by_its_name(service, tmp_path):
    """Would let through: a name that is taken, and a run that never ends, once AWS has forgotten the token."""
    service.faults = [Fault("CreateProvisionedModelThroughput", CUT)]
    with pytest.raises(RemoteError):
        run(tmp_path, **BOUGHT)
    service.tokens.clear()
    assert run(tmp_path, **BOUGHT)[0].model and len(service.capacities) == 1


def test_capacity_whose_answer_was_lost_is_bought_with_the_same_token(service, tmp_path):
    """Would let through: a second purchase, where what is there may not be listed."""
    denied = [Fault(f"List{kind}", "AccessDeniedException", times=2) for kind in LISTS[:1]]
    service.faults = [Fault("CreateProvisionedModelThroughput", CUT), *denied]
    with pytest.raises(RemoteError):
        run(tmp_path, **BOUGHT)
    assert run(tmp_path, **BOUGHT)[0].model and len(service.capacities) == 1


def test_capacity_that_fails_is_deleted_and_said(service, tmp_path):
    service.capacity_fails = True
    with pytest.raises(RemoteError, match="could not be made ready, and was deleted"):
        run(tmp_path, **BOUGHT)
    assert not service.capacities
    service.capacity_fails = False
    run(tmp_path, **BOUGHT)
    assert len(service.jobs) == 1 and len(service.capacities) == 1


def test_no_credentials_and_no_region_are_told(service, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SetupError, match="AWS has no credentials here"):
        tuner().available()
    with pytest.raises(RecipeError, match=r"provider\.region is not set"):
        tuner(region=None).available()


def test_clean_deletes_what_was_uploaded(service, tmp_path):
    run(tmp_path, clean_up=False)
    journal = Journal(tmp_path)
    assert len(tuner().clean(journal)) == 2 and tuner().clean(journal) == []
    left = [one["Key"] for one in service.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert left and all("/output/" in key for key in left)


def test_a_base_that_was_tuned_before_is_asked_for_again(service):
    arn = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-micro-v1:0:128k/000000000001"
    assert tuner(arn).available().state == "unknown"
    assert BedrockTuner(recipe(arn)).family.title == "Nova" and isinstance(recipe(arn), Recipe)


KILLS = 12


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_request_there_is_one_job_and_nothing_is_orphaned(service, tmp_path, after):
    """SIGKILL of our process at each request to Bedrock in turn, before it is done and before it is answered."""
    service.job_takes, service.capacity_takes = 3 * KILLS, 2
    process: list[subprocess.Popen[bytes]] = []
    seen: set[str] = set()

    def kill(number, name):
        if name not in seen or (name == "GetModelCustomizationJob" and len(seen) < KILLS and number % 5 == 0):
            seen.add(name)
            process[-1].send_signal(signal.SIGKILL)
            process[-1].wait(20)
            return True
        return False

    service.after, service.before = (kill, None) if after else (None, kill)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, bedrock_runs.__file__, str(tmp_path), json.dumps(BOUGHT)]
    kills = 0
    for _ in range(60):
        process.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        out, err = process[-1].communicate(timeout=60)
        if process[-1].returncode == 0:
            break
        assert process[-1].returncode == -signal.SIGKILL, err.decode()
        kills += 1
    else:
        raise AssertionError("it never ended")
    (job,), (capacity,), (model,) = service.jobs.values(), service.capacities.values(), service.custom
    assert out.decode().strip() == model == job.model and capacity.model == model
    assert kills >= 6 and {"CreateModelCustomizationJob", "CreateProvisionedModelThroughput"} <= seen
    keys = [one["Key"] for one in service.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert len({Path(key).parts[1] for key in keys}) == 1, "files of another run are left"


def test_training_dearer_than_allowed_is_not_begun(service, tmp_path):
    """Bug: a limit on money that the table calls honoured and nobody looks at."""
    with pytest.raises(RecipeError, match=r"provider\.max_usd: 1, .*without a price"):
        run(tmp_path, max_usd=1)
    with pytest.raises(RecipeError, match=r"provider\.max_usd: 0\.0001, and training would cost about"):
        run(tmp_path, max_usd=0.0001, price={"training": 1000})
    assert not service.jobs and not objects(service)
    run(tmp_path, max_usd=100, price={"training": 1})


@pytest.mark.parametrize("fault", [Fault("GetModelCustomizationJob", "AccessDeniedException"), CREATED_AND_CUT])
def test_a_limit_that_is_lowered_gives_no_paid_job_up(service, tmp_path, fault):
    """Would let through: a job that runs and is billed, and whose model the limit keeps from who pays for it."""
    service.faults = [replace(fault)]
    with pytest.raises(RemoteError):
        run(tmp_path, max_usd=100, price={"training": 1})
    assert len(service.jobs) == 1 and run(tmp_path, max_usd=0)[0].model
    assert len(service.jobs) == 1


def test_a_limit_that_is_lowered_holds_for_a_job_that_was_never_made(service, tmp_path):
    """Would let through: a job dearer than allowed, since another process meant to make it."""
    service.faults = [Fault("CreateModelCustomizationJob", "ThrottlingException")]
    with pytest.raises(RemoteError):
        run(tmp_path)
    with pytest.raises(RecipeError, match=r"provider\.max_usd: 0"):
        run(tmp_path, max_usd=0)
    assert not service.jobs


@pytest.mark.parametrize("clean_up", [True, False])
def test_uploaded_rows_are_deleted_when_the_job_has_ended_unless_they_are_kept(service, tmp_path, clean_up):
    """Bug: rows of customers that stay in a bucket although the recipe says that they go."""
    run(tmp_path, clean_up=clean_up)
    assert len(uploads(service)) == (0 if clean_up else 2)


def objects(service):
    found = service.client("s3").list_objects_v2(Bucket=BUCKET)
    return [one["Key"] for one in found.get("Contents", [])]


def uploads(service):
    return [key for key in objects(service) if key.endswith(("train.jsonl", "valid.jsonl"))]


@pytest.mark.parametrize("clean_up", [True, False])
def test_uploaded_rows_are_deleted_when_a_job_has_made_no_model(service, tmp_path, clean_up):
    """Would let through: rows of customers that stay in a bucket since nothing came of them."""
    stop_soon(service)
    with pytest.raises(RemoteError, match="made no model of it\n"):
        run(tmp_path, clean_up=clean_up)
    assert len(uploads(service)) == (0 if clean_up else 2)


@pytest.mark.parametrize("fails", [True, False])
def test_rows_that_a_job_without_a_model_leaves_are_told_and_deleted_later(service, tmp_path, fails):
    """Would let through: a refused deletion that nobody is told of, and rows that stay to the end of days."""
    words = "Not today." if fails else "made no model of it"
    if fails:
        service.jobs_fail = "Not today."
    else:
        stop_soon(service)
    with pytest.MonkeyPatch.context() as patch:
        deny(patch, "delete_object", "you may not do s3:DeleteObject")
        with pytest.raises(RemoteError, match=f"{words}; .*still there: .*train.jsonl, .*valid.jsonl: you may not"):
            run(tmp_path)
    assert len(uploads(service)) == len(Journal(tmp_path).steps("upload:")) == 2
    service.jobs_fail, service.before, service.job_takes = None, None, 3
    assert run(tmp_path)[0].model and len(service.jobs) == 2
    assert not uploads(service) and not Journal(tmp_path).steps("upload:")


def test_a_refused_deletion_keeps_no_other(service, tmp_path, monkeypatch):
    """Would let through: one object under a lock, and every other one that stays beside it."""
    run(tmp_path, clean_up=False)
    with monkeypatch.context() as patch:
        deny(patch, "delete_object", "it is locked", lambda given: given["Key"].endswith("train.jsonl"))
        with pytest.raises(RemoteError, match=r"left in S3 is s3://tunes/[^,]*/train\.jsonl: it is locked"):
            tuner().clean(Journal(tmp_path))
    (left,) = uploads(service)
    assert list(Journal(tmp_path).steps("upload:")) == [f"upload:s3://{BUCKET}/{left}"]
    assert tuner().clean(Journal(tmp_path)) == [f"s3://{BUCKET}/{left}"] and not uploads(service)


def test_what_is_bought_is_told_at_once_and_a_look_that_fails_ends_nothing(service, tmp_path):
    """Bug: one throttled look, and hours are billed for something whose name nobody was told."""
    service.capacity_takes = 5
    service.faults = [Fault("GetProvisionedModelThroughput", "ThrottlingException", times=3)]
    outcome, heard = run(tmp_path, **BOUGHT)
    (capacity,) = service.capacities
    assert any(f"{capacity} is paid for from now on" in one for one in heard.sentences) and outcome.model


def test_capacity_that_failed_once_is_bought_anew(service, tmp_path):
    """Bug: the token of the one that was deleted, by which the service says that it is there."""
    service.capacity_fails = True
    with pytest.raises(RemoteError, match="could not be made ready, and was deleted"):
        run(tmp_path, **BOUGHT)
    service.capacity_fails = False
    run(tmp_path, **BOUGHT)
    assert len(service.capacities) == 1 and len(service.jobs) == 1


def test_cancelling_finds_a_job_whose_answer_was_lost(service, tmp_path):
    """Bug: "nothing runs there" of a job that runs and is billed."""
    service.job_takes = 10**9
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "done", _dies_at_the_job)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert Journal(tmp_path).unclear("job") is not None and len(service.jobs) == 1
    assert tuner().cancel(Journal(tmp_path)) == [next(iter(service.jobs))]
    assert tuner().cancel(Journal(tmp_path)) == []


_DONE = Journal.done


def _dies_at_the_job(self, step, **facts):
    return _dies_at("job", self, step, facts)


def _dies_at_the_capacity(self, step, **facts):
    return _dies_at("capacity", self, step, facts)


def _dies_at(last, journal, step, facts):
    if step == last:
        raise KeyboardInterrupt
    return _DONE(journal, step, **facts)


def test_cancelling_tells_of_what_was_bought_until_it_is_deleted(service, tmp_path, capsys):
    """Would let through: "nothing to cancel" of a run whose throughput is billed by the hour, to the end of days."""
    service.faults = [Fault("GetProvisionedModelThroughput", "AccessDeniedException")]
    with pytest.raises(RemoteError, match="GetProvisionedModelThroughput"):
        run(tmp_path, **BOUGHT)
    (arn,) = service.capacities
    service.faults = [Fault("GetProvisionedModelThroughput", "AccessDeniedException")]  # it may still be there
    for _ in range(2):
        assert tuner().cancel(Journal(tmp_path)) == []
        assert f"costs until it is deleted: tunesmith hosted delete {arn}" in capsys.readouterr().err
    service.capacities.clear()
    assert tuner().cancel(Journal(tmp_path)) == [] and capsys.readouterr().err == ""


def test_what_was_bought_is_told_where_the_recipe_does_not_want_it_any_more(service, tmp_path):
    """Would let through: a Model whose notes say that nothing is bought for it, beside a bill by the hour."""
    service.faults = [Fault("GetProvisionedModelThroughput", "AccessDeniedException")]
    with pytest.raises(RemoteError, match="GetProvisionedModelThroughput"):
        run(tmp_path, **BOUGHT)
    outcome, _ = run(tmp_path)
    assert any(f"tunesmith hosted delete {next(iter(service.capacities))}" in note for note in outcome.notes)


def test_cancelling_tells_of_what_may_have_been_bought(service, tmp_path, capsys):
    """Would let through: throughput whose ARN a kill kept from the journal, and that nobody is told of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "done", _dies_at_the_capacity)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, **BOUGHT)
    tuner().cancel(Journal(tmp_path))
    assert f"tunesmith hosted delete {next(iter(service.capacities))}" in capsys.readouterr().err
    service.faults = [Fault(f"List{kind}", "AccessDeniedException") for kind in LISTS]
    tuner().cancel(Journal(tmp_path))
    assert "may have been bought" in (told := capsys.readouterr().err) and "hosted list --region us-east-1" in told


def test_another_bucket_is_filled_anew_after_a_refusal(service, tmp_path):
    """Bug: rows that count as uploaded, to a bucket where they are not."""
    service.client("s3").create_bucket(Bucket="other-tunes")
    service.faults = [Fault("CreateModelCustomizationJob", "ValidationException", "told to fail")]
    with pytest.raises(RemoteError):
        run(tmp_path)
    assert objects(service) == [], "rows of a job that was refused do not stay"
    assert run(tmp_path, bucket="other-tunes")[0].model


def test_rows_that_may_not_be_deleted_keep_nobody_from_the_model(service, tmp_path, monkeypatch):
    """Bug: s3:DeleteObject is missing, and a model that is paid for is never had."""
    deny(monkeypatch, "delete_object", "you may not do s3:DeleteObject")
    outcome, _ = run(tmp_path)
    assert outcome.model and "s3:DeleteObject" in " ".join(outcome.notes)
    service.faults = [Fault("CreateModelCustomizationJob", "ValidationException", "told to fail")]
    with pytest.raises(RemoteError, match="told to fail"):
        run(tmp_path / "other")


def test_an_estimate_of_what_is_not_confirmed_is_told_and_not_refused(tmp_path):
    """Bug: `plan` raises where it should print what a recipe would cost."""
    estimate = tuner(deployment="provisioned").estimate(rows(tmp_path))
    assert estimate.usd_an_hour is None and "an unknown price an hour" in " ".join(estimate.notes)


@pytest.mark.parametrize(("price", "agreed"), [(40.0, float("nan")), (float("nan"), 100.0), (-1.0, 100.0)])
def test_no_number_agrees_to_any_price(price, agreed):
    with pytest.raises(RecipeError):
        bedrock_capacity.Offer("provisioned", 1, price, agreed).check()


def test_each_example_is_written_in_one_of_the_wordings(service, tmp_path):
    """Bug: a setting that the table calls approximated and nobody looks at."""
    made = replace(rows(tmp_path), variants=(TaskSpec("chat", system="Be kind."),))
    one = tuner(clean_up=False)
    one.tune(made, Journal(tmp_path), bedrock_runs.Heard())
    (job,) = service.jobs.values()
    train = service.read(job.given["trainingDataConfig"]["s3Uri"]).decode()
    valid = service.read(job.given["validationDataConfig"]["validators"][0]["s3Uri"]).decode()
    assert 5 < train.count("Be kind.") < 35 and train.count("Be kind.") + train.count("Be brief.") == 40
    assert "Be kind." not in valid


@pytest.mark.parametrize("action", ["sts:AssumeRole", ["sts:TagSession", "sts:AssumeRole"], "sts:*", "*"])
def test_a_role_that_may_be_taken_in_other_words_is_taken(action):
    from tunesmith.providers.bedrock_role import _lets_assume

    assert _lets_assume(action) and not _lets_assume("sts:TagSession") and not _lets_assume(None)


def test_names_end_in_no_hyphen():
    from tunesmith.providers.bedrock_tuning import _name

    assert _name("a" * 39 + "-bcd") == "a" * 39 and _name("--") == "tune"
