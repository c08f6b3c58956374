"""Tuning at OpenAI's protocol against a real server with faults: one job whatever happens, and nothing left behind."""

import base64
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from openai_service import CUT, Fault, standing_in
from openai_service import _event as event
from tunesmith.core.errors import DataError, RecipeError, RemoteError
from tunesmith.providers import openai_service
from tunesmith.providers.hosted import Rows, tuner
from tunesmith.providers.journal import Journal
from tunesmith.providers.openai_curve import Curve
from tunesmith.recipe import Recipe
from tunesmith.text.examples import Example
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
CREATE, UPLOAD = "POST fine_tuning/jobs", "POST files"
CLOSED = {
    "error": {
        "message": "winding down",
        "type": "invalid_request_error",
        "param": None,
        "code": "training_not_available",
    }
}
DAILY = {"error": {"message": "8 jobs a day", "type": "invalid_request_error", "code": "daily_rate_limit_exceeded"}}


class Heard:
    def __init__(self):
        self.sentences, self.rows, self.total = [], [], None

    def said(self, sentence):
        self.sentences.append(sentence)

    def measured(self, row, total_steps=None):
        self.rows.append(row)
        self.total = total_steps


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("THE_KEY", "sk-secret")
    monkeypatch.setattr(openai_service, "LISTED_S", 0.2)


def recipe(url, train=None, task="chat", **provider):
    at = {"base_url": url, "key_env": "THE_KEY", "poll_s": 0.01, "retries": 2, **provider}
    return Recipe(name="t", task=task, base="openai:gpt-4.1-mini", data={"train": "r"}, provider=at, train=train or {})


def rows(folder, valid=3):
    examples = [
        Example(
            [{"role": "user", "content": f"question {n}"}, {"role": "assistant", "content": "answer"}],
            row_id=f"r{n}", meta={"source": "r.jsonl", "line": n + 1},
            rejected=[{"role": "assistant", "content": "no"}],
        )
        for n in range(12)
    ]  # fmt: skip
    return Rows(examples, examples[:valid], TaskSpec("chat"), folder)


def tune(folder, service, train=None, valid=3, task="chat", heard=None, **provider):
    folder.mkdir(exist_ok=True)
    with closing(tuner(recipe(service.url, train, task, **provider))) as ours:
        return ours.tune(rows(folder, valid), Journal(folder), heard or Heard())


def available(service):
    with closing(tuner(recipe(service.url))) as ours:
        return ours.available()


def test_a_run_gives_the_best_epochs_model_its_curve_and_leaves_nothing(tmp_path):
    """Bug: the last model although an earlier epoch was better, events twice or out of order, files left behind."""
    with standing_in() as service:
        heard = Heard()
        outcome = tune(
            tmp_path, service, {"epochs": 3, "schedule": {"peak_factor": 0.5}, "batch_examples": 4}, heard=heard
        )
    assert outcome.model == "ft:ftjob-0:ckpt-step-4" and outcome.best == {
        "step": 4,
        "metric": "valid_loss",
        "value": 1.2,
    }
    assert (outcome.stopped_by, outcome.trained_tokens, outcome.jobs) == ("early stopping", 1000, ("ftjob-0",))
    assert [row["step"] for row in outcome.metrics] == [1, 2, 3, 4, 5, 6]
    assert outcome.metrics[1] == {"step": 2, "loss": 2.0, "valid_loss": 1.5}
    assert [row["step"] for row in heard.rows] == [1, 2, 3, 4, 5, 6] and heard.total == 6
    assert heard.sentences.count("Created fine-tuning job") == 1
    assert service.files == {} and len(service.deleted) == 2
    body = service.jobs["ftjob-0"]["body"]
    assert body["method"]["supervised"]["hyperparameters"] == {
        "n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.5,
    }  # fmt: skip
    assert body["validation_file"] != body["training_file"]


def test_preferences_are_trained_by_dpo(tmp_path):
    with standing_in() as service:
        tune(tmp_path, service, {"preference": {"beta": 0.3}}, task="preference")
    method = service.jobs["ftjob-0"]["body"]["method"]
    assert method["type"] == "dpo" and method["dpo"]["hyperparameters"]["beta"] == 0.3


def test_a_chain_stops_when_no_epoch_gains_and_takes_the_best(tmp_path):
    """Bug: every job begins at the base again, or the last model is taken."""
    with standing_in(losses=[1.5, 1.2, 1.4, 1.3, 1.1]) as service:
        stopping = {"early_stopping": {"patience": 2}}
        outcome = tune(tmp_path, service, {"epochs": 5, "regularise": stopping}, stopping="chain")
    assert [one["body"]["model"] for one in service.jobs.values()] == [
        "gpt-4.1-mini", "ft:ftjob-0", "ft:ftjob-1", "ft:ftjob-2",
    ]  # fmt: skip
    assert (outcome.model, outcome.stopped_by, outcome.epochs) == ("ft:ftjob-1", "early stopping", 4)
    assert outcome.trained_tokens == 4000 and service.files == {}
    assert [row["step"] for row in outcome.metrics] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_watching_cancels_the_job_when_validation_no_longer_gains(tmp_path):
    with standing_in(states=["running"] * 50 + ["succeeded"], losses=[1.0, 1.2, 1.3, 1.4, 1.5]) as service:
        stopping = {"early_stopping": {"patience": 2}}
        outcome = tune(tmp_path, service, {"epochs": 5, "regularise": stopping}, stopping="watch")
        assert "POST fine_tuning/jobs/ftjob-0/cancel" in service.asked
    assert outcome.stopped_by == "early stopping" and outcome.model.startswith("ft:ftjob-0:ckpt")


def test_watching_lets_a_job_end_that_is_about_to(tmp_path):
    """Bug: a stall that is first seen at the last step cancels a job that is paid for, and may leave no model."""
    with standing_in(states=["running"] * 3 + ["succeeded"], losses=[1.0, 1.2, 1.3]) as service:
        stopping = {"early_stopping": {"patience": 2}}
        outcome = tune(tmp_path, service, {"epochs": 3, "regularise": stopping}, stopping="watch")
        assert not [one for one in service.asked if one.endswith("cancel")]
    assert outcome.model == "ft:ftjob-0:ckpt-step-2"


def test_a_job_that_ends_before_it_can_be_cancelled_is_no_failure(tmp_path):
    """Bug: "already completed" ends the run, and the model is lost."""
    with standing_in(states=["running"] * 3 + ["succeeded"], losses=[1.0, 1.2, 1.3, 1.4]) as service:
        service.faults["POST fine_tuning/jobs/ftjob-0/cancel"] = Fault(400, times=9)
        stopping = {"early_stopping": {"patience": 2}}
        assert tune(tmp_path, service, {"epochs": 4, "regularise": stopping}, stopping="watch").model


@pytest.mark.parametrize("way", ["chain", "checkpoints"])
def test_without_losses_of_whole_validations_the_last_model_is_taken_and_that_is_said(tmp_path, way):
    """Bug: nothing measured counts as no gain, and the first epoch's model is called the best."""
    with standing_in(validates_whole=False) as service:
        outcome = tune(
            tmp_path, service, {"epochs": 3, "regularise": {"early_stopping": {"patience": 1}}}, stopping=way
        )
        assert len(service.jobs) == (3 if way == "chain" else 1)
    assert outcome.model == ("ft:ftjob-2" if way == "chain" else "ft:ftjob-0")
    assert outcome.best is None and outcome.stopped_by == "last step"
    assert "tells no losses of whole validations" in " ".join(outcome.notes)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("fault", [Fault(CUT, does=True), Fault(500, does=True), Fault(CUT)])
def test_a_job_that_may_have_been_made_is_looked_for_and_never_made_blindly(tmp_path, fault, keeps):
    """Bug: a service that keeps no metadata, or whose lists lag, gets a second and a third job to bill."""
    fault.times = 1
    with standing_in(keeps_metadata=keeps, lag=99 if fault.does else 0) as service:
        service.faults[CREATE] = fault
        with pytest.raises(RemoteError, match="goes on from here"):
            tune(tmp_path, service)
        assert len(service.jobs) == fault.does and len(service.files) == 2, "the job may need them"
        service.lag = 0
        assert tune(tmp_path, service).jobs == ("ftjob-0",) and len(service.jobs) == 1
        assert service.files == {}


def test_cancelling_finds_a_job_of_which_the_answer_was_lost(tmp_path):
    """Bug: "nothing runs there" is said of a job that runs and is billed."""
    with standing_in(lag=99, states=["running"] * 9) as service:
        service.faults[CREATE] = Fault(CUT, does=True)
        with pytest.raises(RemoteError):
            tune(tmp_path, service)
        service.lag = 0
        with closing(tuner(recipe(service.url))) as ours:
            assert ours.cancel(Journal(tmp_path)) == ["ftjob-0"]
            assert ours.cancel(Journal(tmp_path)) == []


@pytest.mark.parametrize("asked", ["86400", "-1", "soon"])
def test_a_service_that_asks_to_wait_for_a_day_is_not_waited_for(tmp_path, asked, monkeypatch):
    """Bug: a process that sleeps until tomorrow, or dies of a negative sleep."""
    slept = []
    monkeypatch.setattr(openai_service.time, "sleep", slept.append)
    with standing_in(faults={UPLOAD: Fault(503, headers={"retry-after": asked})}) as service:
        if asked == "86400":
            with pytest.raises(RemoteError, match="HTTP 503"):
                tune(tmp_path, service)
        else:
            assert tune(tmp_path, service).model
    assert all(0 <= one <= 8 for one in slept)


def test_half_an_answer_is_a_sentence_and_the_job_is_found(tmp_path):
    """Bug: a traceback, and a job that is made again."""
    with standing_in() as service:
        service.faults[CREATE] = Fault(200, body='{"id": "ftjob-', does=True)
        assert tune(tmp_path, service).jobs == ("ftjob-0",) and len(service.jobs) == 1
        service.faults["GET fine_tuning/jobs/ftjob-1"] = Fault(200, body='{"id"', times=9)
        with pytest.raises(RemoteError, match="no JSON"):
            tune(tmp_path / "other", service)


def test_files_that_cannot_be_deleted_keep_nobody_from_the_model(tmp_path):
    """Bug: a right that is missing makes a model that is paid for unreachable, or hides why a job failed."""
    refused = {f"DELETE files/file-{n}": Fault(403, times=9) for n in (1, 2)}
    with standing_in(faults=dict(refused)) as service:
        outcome = tune(tmp_path, service)
        assert outcome.model and "could not be deleted" in " ".join(outcome.notes)
    heard = Heard()
    error = {"code": "x", "message": "Example 3 is odd", "param": "training_file"}
    with (
        standing_in(faults=dict(refused), states=["failed"], error=error) as service,
        pytest.raises(DataError, match="Example 3 is odd"),
    ):
        tune(tmp_path / "other", service, heard=heard)
    assert "could not be deleted" in " ".join(heard.sentences)


def test_unknown_words_and_empty_errors_are_no_failure(tmp_path):
    """Bug: "paused", or `error: {}`, which every running job has, ends a run that is paid for."""
    with standing_in(states=["queued", "paused", "paused", "running", "succeeded"]) as service:
        heard = Heard()
        assert tune(tmp_path, service, heard=heard).model
    assert sum("'paused'" in one for one in heard.sentences) == 1


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (CREATE, Fault(CUT, does=True)),
        (CREATE, Fault(500, does=True)),
        (CREATE, Fault(429, headers={"retry-after-ms": "5"})),
        (CREATE, Fault(429, headers={"retry-after": "0.02"}, times=2)),
        (UPLOAD, Fault(500, headers={"retry-after-ms": "5"})),
        (UPLOAD, Fault(500, headers={"retry-after-ms": "5"}, does=True)),
        (UPLOAD, Fault(CUT, does=True)),
        ("GET fine_tuning/jobs/ftjob-0", Fault(500, headers={"retry-after-ms": "5"}, times=2)),
        ("GET fine_tuning/jobs/ftjob-0/events", Fault(CUT)),
    ],
)  # fmt: skip
def test_a_fault_that_passes_makes_no_second_job_and_leaves_no_file(kind, fault, tmp_path):
    """Bug: the answer to a job's creation is lost, and a second job is paid for."""
    with standing_in(faults={kind: fault}) as service:
        assert tune(tmp_path, service).model
        assert fault.times == 0 and len(service.jobs) == 1 and service.files == {}
        assert len(service.deleted) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (CLOSED, ["no longer creates fine-tuning jobs", "training_not_available", "2027-01-06", "base: Qwen"]),
        ({"error": {"message": "key sk-secret may not", "code": None}}, ["refuses the key in THE_KEY", "<THE_KEY>"]),
    ],
)
def test_what_is_refused_for_good_is_told_and_the_files_are_deleted(body, told, tmp_path):
    """Bug: files stay at the service for ever, since uploading succeeds where training is refused."""
    with standing_in(faults={CREATE: Fault(403, body)}) as service:
        with pytest.raises(RemoteError) as caught:
            tune(tmp_path, service)
        assert service.files == {} and service.asked.count(CREATE) == 1
    assert all(part in str(caught.value) for part in told) and "sk-secret" not in str(caught.value)


def test_the_limit_of_a_day_is_not_asked_again_today(tmp_path):
    """Bug: the client asks three times what is refused until tomorrow."""
    with standing_in(faults={CREATE: Fault(429, DAILY, times=9)}) as service:
        with pytest.raises(RemoteError, match="no more jobs of this model today"):
            tune(tmp_path, service)
        assert service.asked.count(CREATE) == 1
        service.faults.clear()
        assert tune(tmp_path, service).model and service.files == {}


def test_a_job_that_failed_by_data_names_the_row(tmp_path):
    error = {
        "code": "invalid_training_file",
        "message": "Example 3 message contains an invalid token",
        "param": "training_file",
    }
    with standing_in(states=["validating_files", "failed"], error=error) as service:
        with pytest.raises(DataError, match=r"failed by its data(.|\n)*r\.jsonl:3 \(its example 3\)"):
            tune(tmp_path, service)
        assert service.files == {}
        service.states = ["succeeded"]
        assert tune(tmp_path, service).jobs == ("ftjob-1",)


def test_a_failure_without_a_reason_and_a_cancellation_are_told(tmp_path):
    with standing_in(states=["failed"], error={}) as service:
        with pytest.raises(RemoteError, match="the service does not say why"):
            tune(tmp_path / "a", service)
        service.states = ["cancelled"]
        with pytest.raises(RemoteError, match="was cancelled"):
            tune(tmp_path / "b", service)


def test_moderation_is_told_and_result_files_give_the_curve(tmp_path):
    checks = [event("e-m", 99, "Moderation checks passed", kind="moderation_checks")]
    with standing_in(events_told=False, extra_events=checks) as service:
        outcome = tune(tmp_path, service, valid=0)
    assert "Moderation checks passed" in outcome.notes
    assert [row["loss"] for row in outcome.metrics] == [2.5, 2.25] and outcome.model == "ft:ftjob-0"


def test_a_missing_key_and_too_little_money_are_told_before_anything_is_sent(tmp_path, monkeypatch):
    with standing_in() as service:
        with pytest.raises(RecipeError, match=r"provider\.max_usd: 1, .*without a price"):
            tune(tmp_path, service, max_usd=1)
        with pytest.raises(RecipeError, match=r"would cost about"):
            tune(tmp_path, service, max_usd=0.001, price={"training": 25})
        monkeypatch.delenv("THE_KEY")
        with pytest.raises(RecipeError, match="THE_KEY is not set"):
            tune(tmp_path, service)
        assert service.asked == []


def test_the_service_says_until_when_the_base_is_there(monkeypatch):
    """Bug: a server that lists no bases is taken for one that tunes none, or OpenAI's "no such model" for a maybe."""
    with standing_in(shutdown_date="2100-01-14") as service:
        found = available(service)
        assert found.may_tune and str(found.ends_on) == "2100-01-14" and "2100-01-14" in found.sentence
        service.shutdown_date = "2020-01-01"
        assert available(service).state == "ended"
        service.faults["GET models/gpt-4.1-mini"] = Fault(404, times=9)
        assert available(service).state == "unknown" and available(service).may_tune
        monkeypatch.setattr(openai_service, "OPENAI", service.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk")
        with closing(tuner(Recipe(name="t", task="chat", base="openai:gpt-4.1-mini", data={"train": "r"}))) as ours:
            assert ours.available().state == "unavailable"


def test_an_estimate_counts_epochs_and_needs_no_service(tmp_path):
    asked = recipe("http://127.0.0.1:9/v1", {"max_steps": 5, "batch_examples": 6}, price={"training": 25})
    found = tuner(asked).estimate(rows(tmp_path))
    assert (found.examples, found.valid_examples, found.epochs) == (12, 3, 3)  # 5 steps of 6 rows: 2.5 epochs
    assert found.usd == found.trained_tokens * 25 / 1e6 and found.missing == ""


def test_a_chain_that_was_cut_off_goes_on_where_it_was(tmp_path):
    """Bug: the epochs that are made and paid for are made again."""
    with standing_in(losses=[1.5, 1.2, 1.1]) as service:
        service.faults["GET fine_tuning/jobs/ftjob-1"] = Fault(500, headers={"retry-after-ms": "5"}, times=9)
        with pytest.raises(RemoteError, match="fails"):
            tune(tmp_path, service, {"epochs": 3}, stopping="chain")
        service.faults.clear()
        outcome = tune(tmp_path, service, {"epochs": 3}, stopping="chain")
    assert outcome.jobs == ("ftjob-0", "ftjob-1", "ftjob-2") and len(service.jobs) == 3
    assert outcome.model == "ft:ftjob-2" and service.files == {} and service.made == 2


@pytest.mark.parametrize("encoded", [False, True])
def test_result_files_are_read_plain_and_in_base64(encoded):
    """Bug: a curve without a row, since some services encode the file."""
    text = b"\xef\xbb\xbfstep,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.5,0.5,,\n2,nan,0.6,3.0,0.1\n"
    curve = Curve(before=4)
    curve.result_file(base64.b64encode(text) if encoded else text)
    assert curve.ordered() == [
        {"step": 5, "loss": 2.5, "token_accuracy": 0.5},
        {"step": 6, "token_accuracy": 0.6, "batch_valid_loss": 3.0, "batch_valid_token_accuracy": 0.1},
    ]


@pytest.mark.parametrize("status", [403, 404])
def test_what_cannot_be_had_beside_a_paid_model_is_told(tmp_path, status):
    """Bug: a right that is missing for checkpoints, events or a result file makes a model that is paid for unreachable."""
    job, content = "GET fine_tuning/jobs/ftjob-0", "GET files/file-results/content"
    faults = {one: Fault(status, times=99) for one in (f"{job}/events", f"{job}/checkpoints", content)}
    with standing_in(faults=faults) as service:
        outcome = tune(tmp_path, service)
    assert outcome.model == "ft:ftjob-0"
    for what in ("events", "checkpoints", "result file file-results"):
        assert sum(f"the {what} cannot be had" in note for note in outcome.notes) == 1


def test_the_next_process_looks_for_a_job_as_long_as_lists_may_lag(tmp_path, monkeypatch):
    """Bug: a second job is made and billed while the first is not listed yet."""
    slept = []
    monkeypatch.setattr(openai_service, "LISTED_S", 120.0)
    monkeypatch.setattr(openai_service.time, "sleep", slept.append)
    with standing_in(lag=8, faults={CREATE: Fault(CUT, does=True)}) as service:
        with pytest.raises(RemoteError):
            tune(tmp_path, service)
        assert tune(tmp_path, service).jobs == ("ftjob-0",) and len(service.jobs) == 1
    assert max(slept) >= 2, "a service is not asked without a pause"


def test_a_job_that_was_never_made_is_made_once_lists_must_have_caught_up(tmp_path):
    with standing_in(faults={CREATE: Fault(CUT)}) as service:
        with pytest.raises(RemoteError):
            tune(tmp_path, service)
        assert tune(tmp_path, service).jobs == ("ftjob-0",) and len(service.jobs) == 1


def test_a_later_epoch_of_a_chain_adopts_no_earlier_job(tmp_path):
    """Bug: where a service keeps no metadata, an epoch takes the job of the one before for its own."""
    with standing_in(losses=[1.5, 1.2], keeps_metadata=False) as service:
        service.faults["GET fine_tuning/jobs/ftjob-0/checkpoints"] = Fault(404)  # asked for by nobody
        service.faults["GET fine_tuning/jobs/ftjob-1"] = Fault(CUT, times=9)
        with pytest.raises(RemoteError):
            tune(tmp_path, service, {"epochs": 2}, stopping="chain")
        Journal(tmp_path).begin("job:1", key="lost")
        service.faults.clear()
        assert tune(tmp_path, service, {"epochs": 2}, stopping="chain").jobs == ("ftjob-0", "ftjob-1")
    assert len(service.jobs) == 2


def test_another_runs_job_on_the_same_file_is_not_ours(tmp_path):
    """Bug: a job that was cancelled, and whose file could not be deleted, is taken for the one that is looked for."""
    with standing_in(faults={CREATE: Fault(CUT, does=True)}) as service:
        with pytest.raises(RemoteError, match="was cancelled"):
            service.states = ["cancelled"]
            tune(tmp_path, service, clean_up=False)
        service.states = ["succeeded"]
        service.faults[CREATE] = Fault(CUT, does=True)
        assert tune(tmp_path, service).jobs == ("ftjob-1",) and len(service.jobs) == 2


def test_a_refused_cancellation_of_a_job_that_runs_is_no_end(tmp_path):
    """Bug: "nothing to cancel" is said of a job that runs, because the service refused for another reason."""
    with standing_in(states=["running"] * 99) as service:
        service.faults["GET fine_tuning/jobs/ftjob-0"] = Fault(CUT, times=9)
        with pytest.raises(RemoteError):
            tune(tmp_path, service)
        service.faults = {"POST fine_tuning/jobs/ftjob-0/cancel": Fault(400)}
        with closing(tuner(recipe(service.url))) as ours, pytest.raises(RemoteError, match="HTTP 400"):
            ours.cancel(Journal(tmp_path))
        with closing(tuner(recipe(service.url))) as ours:
            assert ours.cancel(Journal(tmp_path)) == ["ftjob-0"]


@pytest.mark.parametrize("kind", [UPLOAD, CREATE, "GET fine_tuning/jobs/ftjob-0", "GET models/gpt-4.1-mini"])
def test_a_page_in_place_of_an_answer_is_a_sentence(tmp_path, kind):
    """Bug: a traceback of a proxy's page of HTML."""
    page = Fault(200, body="<html>", headers={"content-type": "text/html"}, times=99)
    with standing_in(faults={kind: page}) as service, pytest.raises(RemoteError, match="no JSON"):
        available(service)
        tune(tmp_path, service)


def test_less_money_than_a_job_costs_that_runs_leaves_it_to_run(tmp_path):
    """Bug: what is paid for is refused, and nobody waits for it any more."""
    price = {"training": 25}
    with standing_in() as service:
        service.faults["GET fine_tuning/jobs/ftjob-0"] = Fault(CUT, times=9)
        with pytest.raises(RemoteError):
            tune(tmp_path, service, price=price)
        service.faults.clear()
        assert tune(tmp_path, service, price=price, max_usd=0.0001).jobs == ("ftjob-0",)


def test_files_stay_where_the_user_wants_them_to(tmp_path):
    """Bug: clean_up: false is kept to after success alone."""
    with standing_in(faults={CREATE: Fault(403, CLOSED)}) as service, pytest.raises(RemoteError):
        tune(tmp_path, service, clean_up=False)
    assert len(service.files) == 2


def test_a_chain_buys_no_epoch_by_what_it_cannot_see(tmp_path):
    """Bug: events are refused, nothing counts as measured, and every epoch is bought."""
    with standing_in(
        losses=[1.0, 1.6, 1.9], faults={"GET fine_tuning/jobs/ftjob-0/events": Fault(403, times=9)}
    ) as service:
        early = {"epochs": 3, "regularise": {"early_stopping": {"patience": 1}}}
        with pytest.raises(RemoteError, match="HTTP 403"):
            tune(tmp_path, service, early, stopping="chain")
        assert len(service.jobs) == 1
        service.faults.clear()
        assert tune(tmp_path, service, early, stopping="chain").model == "ft:ftjob-0" and len(service.jobs) == 2


def test_checkpoints_that_fail_for_a_moment_decide_nothing(tmp_path):
    """Bug: the last model, for good, although an earlier epoch's was better."""
    down = Fault(500, headers={"retry-after-ms": "5"}, times=9)
    with standing_in(losses=[1.0, 1.6, 1.9], faults={"GET fine_tuning/jobs/ftjob-0/checkpoints": down}) as service:
        with pytest.raises(RemoteError, match="HTTP 500"):
            tune(tmp_path, service)
        service.faults.clear()
        assert tune(tmp_path, service).model == "ft:ftjob-0:ckpt-step-2" and len(service.jobs) == 1


@pytest.mark.parametrize("fault", [Fault(429, headers={"retry-after-ms": "5"}, times=9), Fault(500, times=9)])
def test_a_limit_of_money_holds_for_a_job_that_was_never_made(tmp_path, fault):
    """Bug: a step that was begun counts as a job that is paid for, and the limit as kept."""
    with standing_in(faults={CREATE: fault}) as service:
        with pytest.raises(RemoteError):
            tune(tmp_path, service, price={"training": 25})
        service.faults.clear()
        with pytest.raises(RecipeError, match="max_usd"):
            tune(tmp_path, service, price={"training": 25}, max_usd=0.0001)
        assert service.jobs == {}


def test_one_file_that_cannot_be_deleted_keeps_no_other(tmp_path):
    with standing_in(faults={"DELETE files/file-1": Fault(403, times=9)}) as service:
        outcome = tune(tmp_path, service)
        assert [*service.files] == ["file-1"] and "file-1" in " ".join(outcome.notes)


SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {here!r}]
from pathlib import Path
from openai_service import OpenAIStandIn
import importlib.util
spec = importlib.util.spec_from_file_location("ours", {file!r})
ours = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ours)
sys.stdin.readline()
ours.tune(Path({folder!r}), OpenAIStandIn(url={url!r}))
"""


@pytest.mark.parametrize("moment", [*range(1, 15), 16, 19, 22, 24])
def test_killed_at_any_request_the_run_goes_on_with_one_job_and_no_file_left(moment, tmp_path):
    """Bug: a second job, or files that nobody deletes. Odd: killed before the request is done; even: after it."""
    with standing_in() as service:
        here = Path(__file__)
        script = SCRIPT.format(
            tests=str(here.parent.parent), here=str(here.parent), file=str(here), folder=str(tmp_path), url=service.url
        )
        command = [sys.executable, "-c", script]
        ours = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "THE_KEY": "sk"})
        assert ours.stdin is not None
        service.kill = (ours.pid, moment)
        ours.stdin.write(b"go\n")
        ours.stdin.close()
        assert ours.wait(60) == -9
        until = time.monotonic() + 5
        while service.kill and time.monotonic() < until:
            time.sleep(0.01)
        outcome = tune(tmp_path, service)
        assert outcome.jobs == ("ftjob-0",) and len(service.jobs) == 1
        assert service.files == {}
