"""``tunesmith hosted``: what stands at a service and is paid for, and its end."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import click

from tunesmith.cli.common import artifact_here, home_option, json_option, print_json
from tunesmith.core.errors import RecipeError, RemoteError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.providers.aws import Client
    from tunesmith.providers.bedrock_capacity import Capacity, Kind

region_option = click.option("--region", help="as us-east-1; default: that of the ARN, AWS_REGION, or AWS's own")


@click.group("hosted")
def command() -> None:
    """List, buy and delete what tuned models at Amazon Bedrock answer with, and stop jobs there."""


@command.command("list")
@region_option
@json_option
def list_all(region: str | None, as_json: bool) -> None:
    """Show all that is paid for in a region: provisioned throughput and deployments, whoever bought it."""
    from tunesmith.providers.bedrock_capacity import listed

    bedrock = _bedrock(region)
    found = list(listed(bedrock))
    if as_json:
        print_json({"paid_for": [asdict(one) for one in found]})
        return
    if not found:
        say(f"nothing is paid for in {bedrock.made.meta.region_name}")
        return
    for one in found:
        units = "" if one.units is None else f" · {one.units} model units"
        say(f"{one.arn} · {one.kind.replace('_', ' ')}{units} · {one.status}")
    say("tunesmith hosted delete ARN ends one")


@command.command("deploy")
@click.argument("model")
@click.option(
    "--kind",
    type=click.Choice(["provisioned", "on_demand"]),
    default="provisioned",
    help="by the hour, or by the token",
)
@click.option("--units", type=click.IntRange(1), default=1, help="model units of provisioned throughput")
@click.option("--usd-an-hour", type=click.FloatRange(0), help="of one model unit, by AWS's price list")
@click.option("--confirm-hourly-usd", type=click.FloatRange(0), help="the most that you agree to pay an hour")
@click.option("--wait/--no-wait", default=True, help="until it answers")
@region_option
@home_option
@json_option
def deploy(
    model: str,
    kind: Literal["provisioned", "on_demand"],
    units: int,
    usd_an_hour: float | None,
    confirm_hourly_usd: float | None,
    wait: bool,
    region: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Buy what makes MODEL answer: a Model's id, or the ARN of a custom model. Nothing is bought unconfirmed."""
    from tunesmith.providers import bedrock_capacity
    from tunesmith.providers.aws import region_in

    offer = bedrock_capacity.Offer(kind, units, usd_an_hour, confirm_hourly_usd, setting="--")
    offer.check()
    custom = model if model.startswith("arn:") else _model_of(model, home)
    bedrock = _bedrock(region or region_in(custom))
    found = _standing(bedrock, custom, kind)
    if found is None:
        say(offer.told)
        token = uuid4().hex
        arn = bedrock_capacity.buy(bedrock, offer, custom, f"tunesmith-{token[:12]}", token)
        say(f"{arn} is paid for from now on; tunesmith hosted delete {arn} ends it")
    else:
        say(f"{found.arn} is there already, {found.status}; nothing is bought")
        arn = found.arn
    state = bedrock_capacity.wait(bedrock, arn, 5.0).status if wait else bedrock_capacity.look(bedrock, arn).status
    if as_json:
        cost = {"kind": kind, "usd_an_hour": offer.cost} if found is None else {"kind": found.kind, "usd_an_hour": None}
        print_json({"arn": arn, **cost, "status": state, "bought": found is None})
        return
    say(f"{arn} is {state}; tunesmith hosted delete {arn} ends it")


@command.command("delete")
@click.argument("arn")
@region_option
@json_option
def delete(arn: str, region: str | None, as_json: bool) -> None:
    """Delete provisioned throughput or a deployment by its ARN; from then on it costs nothing."""
    from tunesmith.providers import bedrock_capacity
    from tunesmith.providers.aws import region_in

    if not any(kind in arn for kind in (":provisioned-model/", ":custom-model-deployment/")):
        raise RecipeError(
            f"{arn} is neither provisioned throughput nor a deployment", expected="an ARN of tunesmith hosted list"
        )
    bedrock_capacity.delete(_bedrock(region or region_in(arn)), arn)
    if as_json:
        print_json({"deleted": arn})
        return
    say(f"deleted {arn}")


@command.command("stop")
@click.argument("job")
@region_option
@json_option
def stop(job: str, region: str | None, as_json: bool) -> None:
    """Stop a tuning job by its ARN or name; Bedrock may make a model of what was learnt until then, or none."""
    from tunesmith.providers.aws import region_in

    bedrock = _bedrock(region or region_in(job))
    bedrock.call("stop_model_customization_job", jobIdentifier=job)
    status = bedrock.call("get_model_customization_job", jobIdentifier=job)["status"]
    if as_json:
        print_json({"job": job, "status": status})
        return
    say(f"{job} is {status}")


def _bedrock(region: str | None) -> Client:
    from tunesmith.providers.aws import Aws

    return Aws(region, setting="--region").client("bedrock")


def _standing(bedrock: Client, model: str, kind: Kind) -> Capacity | None:
    """Return what a tuned model answers through already, or will; what failed will not.

    Raises:
        RemoteError: if what would be bought may not be listed, and could be bought twice.
    """
    from tunesmith.providers.bedrock_capacity import listed

    try:
        return next((one for one in listed(bedrock, model, kind) if one.state != "failed"), None)
    except RemoteError as error:
        raise RemoteError(
            f"nothing is bought, since what is there already cannot be seen: {error.message}",
            expected=error.expected, hint=error.hint,
        ) from error  # fmt: skip


def _model_of(named: str, home: Path | None) -> str:
    """Return the custom model of a Model's id.

    Raises:
        RecipeError: if that Model does not lie at Bedrock.
    """
    from tunesmith.providers.hosted import hosted_model

    artifact = artifact_here(named, home)
    found: Any = hosted_model(artifact)
    if found is None or found.service != "bedrock":
        raise RecipeError(f"{artifact.id} does not lie at Bedrock", expected="a Model tuned from base: bedrock:...")
    return str(found.model)
