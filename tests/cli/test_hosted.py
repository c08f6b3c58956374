"""``tunesmith hosted``: nothing is bought unconfirmed, what is paid for is found and ended."""

import json

import pytest
from click.testing import CliRunner

from bedrock_runs import run
from bedrock_stub.models import NOVA
from bedrock_stub.service import Fault, bedrock
from tunesmith.cli.hosted import command
from tunesmith.core.errors import RecipeError, RemoteError
from tunesmith.providers import bedrock_capacity

pytestmark = pytest.mark.slow


@pytest.fixture
def service(monkeypatch):
    with bedrock() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("tunesmith.providers.bedrock_capacity.time.sleep", lambda _: None)
        yield running


def told(*arguments):
    found = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_deploy_list_delete(service, tmp_path):
    """Would let through: a second bill for one model, or throughput that only a lost file knew of."""
    model = run(tmp_path)[0].model
    price = ("--usd-an-hour", "40", "--units", "2")
    for agreed, words in (
        ((), "--confirm-hourly-usd is not set"),
        (("--confirm-hourly-usd", "79"), "USD 80.00 an hour"),
    ):
        with pytest.raises(RecipeError, match=words):
            told("deploy", model, *price, *agreed)
    with pytest.raises(RecipeError, match="--usd-an-hour is not set"):
        told("deploy", model, "--confirm-hourly-usd", "80")
    assert not service.capacities
    agreed = (*price, "--confirm-hourly-usd", "80")
    made = told("deploy", model, *agreed)
    assert made["status"] == "InService" and made["bought"] and made["usd_an_hour"] == 80
    assert not told("deploy", model, *agreed)["bought"] and len(service.capacities) == 1
    (listed,) = told("list", "--region", "us-east-1")["paid_for"]
    assert (listed["arn"], listed["model"], listed["units"]) == (made["arn"], model, 2)
    assert told("delete", made["arn"]) == {"deleted": made["arn"]} and not service.capacities
    assert told("delete", made["arn"]) and told("list", "--region", "us-east-1") == {"paid_for": []}


def test_on_demand_and_what_people_read(service, tmp_path):
    model = run(tmp_path, NOVA)[0].model
    made = told("deploy", model, "--kind", "on_demand", "--confirm-hourly-usd", "0")
    found = CliRunner().invoke(command, ["list", "--region", "us-east-1"])
    assert found.exit_code == 0 and made["arn"] in found.stderr
    with pytest.raises(RecipeError, match="neither provisioned throughput nor a deployment"):
        told("delete", model)


def test_stop(service, tmp_path):
    service.job_takes = 1_000

    class Interrupted(Exception):
        pass

    def interrupt(_):
        raise Interrupted

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr("tunesmith.providers.bedrock_tuning.time.sleep", interrupt)
        run(tmp_path)
    (arn,) = service.jobs
    assert told("stop", arn) == {"job": arn, "status": "Stopping"}


def test_what_is_there_is_told_as_what_it_is_and_not_as_what_was_asked_for(service, tmp_path):
    """Would let through: throughput of 40 an hour told as a deployment that costs nothing."""
    model = run(tmp_path, NOVA)[0].model
    told("deploy", model, "--usd-an-hour", "40", "--confirm-hourly-usd", "40")
    found = told("deploy", model, "--kind", "on_demand", "--confirm-hourly-usd", "0")
    assert (found["kind"], found["usd_an_hour"], found["bought"]) == ("provisioned", None, False)
    with pytest.raises(RecipeError):
        told("deploy", model, "--usd-an-hour", "40", "--confirm-hourly-usd", "nan")


def test_a_list_that_may_not_be_seen_hides_no_other(service, tmp_path):
    """Would let through: a right that is missing, and throughput that is billed and not shown."""
    model = run(tmp_path)[0].model
    made = told("deploy", model, "--usd-an-hour", "40", "--confirm-hourly-usd", "40")
    service.faults = [Fault("ListCustomModelDeployments", "AccessDeniedException", times=9)]
    found = CliRunner().invoke(command, ["list", "--region", "us-east-1", "--json"], catch_exceptions=False)
    assert [one["arn"] for one in json.loads(found.stdout)["paid_for"]] == [made["arn"]]
    assert "not all can be listed" in found.stderr


PRICE = ("--usd-an-hour", "40", "--confirm-hourly-usd", "40")


def test_what_is_bought_is_told_before_it_is_waited_for(service, tmp_path):
    """Would let through: throughput of 40 an hour that stands, and whose ARN a wait that failed took along."""
    model = run(tmp_path)[0].model
    service.faults = [Fault("GetProvisionedModelThroughput", "AccessDeniedException")]
    found = CliRunner().invoke(command, ["deploy", model, *PRICE])
    assert isinstance(found.exception, RemoteError)
    assert f"tunesmith hosted delete {next(iter(service.capacities))} ends it" in found.stderr


@pytest.mark.parametrize(
    ("kind", "lists", "agreed"),
    [
        ("provisioned", "ListProvisionedModelThroughputs", PRICE),
        ("on_demand", "ListCustomModelDeployments", ("--confirm-hourly-usd", "0")),
    ],
)
def test_nothing_is_bought_where_what_is_there_may_not_be_seen(service, tmp_path, kind, lists, agreed):
    """Would let through: a right that is missing, and a second bill for one model."""
    model = run(tmp_path, NOVA)[0].model
    bought = ("deploy", model, "--kind", kind, *agreed)
    service.faults = [Fault(lists, "AccessDeniedException", times=9)]
    with pytest.raises(RemoteError, match=f"nothing is bought, since .* do bedrock:{lists}"):
        told(*bought)
    assert not service.capacities
    other = {"provisioned": "ListCustomModelDeployments", "on_demand": "ListProvisionedModelThroughputs"}[kind]
    service.faults = [Fault(other, "AccessDeniedException", times=9)]
    assert told(*bought)["bought"]


def test_a_word_that_nobody_knows_counts_as_there_and_failed_does_not(service, tmp_path, monkeypatch):
    """Would let through: a second bill for what AWS calls by a new word, or a model that is never asked since something
    that failed stands beside it."""
    model = run(tmp_path)[0].model
    service.capacity_fails = True
    failed = told("deploy", model, *PRICE, "--no-wait")["arn"]
    service.capacity_fails, service.capacity_takes = False, 0
    bought = told("deploy", model, *PRICE, "--no-wait")
    assert bought["bought"] and set(service.capacities) == {failed, bought["arn"]}
    monkeypatch.delitem(bedrock_capacity._STATES, "InService")
    again = told("deploy", model, *PRICE, "--no-wait")
    assert (again["bought"], again["arn"]) == (False, bought["arn"])
