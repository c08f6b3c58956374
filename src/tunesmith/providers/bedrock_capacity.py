"""What must be had before a tuned model answers, and is paid for as long as it is had: provisioned throughput, or an
on-demand deployment.

Owns buying, listing and deleting. Nothing is bought whose cost an hour was not shown and confirmed. What is found here
is asked of the service each time, so nothing is paid for that a lost file alone knew of.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.core.errors import RecipeError, RemoteError
from tunesmith.core.progress import say
from tunesmith.providers.aws import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.providers.aws import Client

Kind = Literal["provisioned", "on_demand"]
State = Literal["creating", "ready", "failed", "unknown"]

_STATES: dict[str, State] = {
    "Creating": "creating", "Updating": "ready", "InService": "ready", "Active": "ready", "Failed": "failed",
}  # fmt: skip
_DENIED = ("AccessDeniedException", "AccessDenied")
ASKABLE = ("InService", "Updating", "Active")
_LOOKS, _MISSES = 2_000, 20
"""How often it is looked whether something answers, and how many looks on end may fail."""


@dataclass(frozen=True)
class Offer:
    """What would be bought, and what it costs.

    Args:
        kind: provisioned throughput, by the hour; or a deployment on demand, by the token.
        units: model units of throughput.
        usd_an_hour: of one unit, by the user's price list; None if it was not said.
        confirmed_usd: the most an hour that the user has agreed to; None: nothing.
        setting: where the user says both, for errors.
    """

    kind: Kind
    units: int = 1
    usd_an_hour: float | None = None
    confirmed_usd: float | None = None
    setting: str = "provider"

    @property
    def cost(self) -> float | None:
        """USD an hour; on demand nothing unless the user's price list says otherwise; None if it cannot be told."""
        if self.kind == "on_demand":
            return self.usd_an_hour or 0.0
        return None if self.usd_an_hour is None else self.units * self.usd_an_hour

    @property
    def told(self) -> str:
        """The cost, in words."""
        if self.kind == "on_demand":
            return f"a deployment on demand costs USD {self.cost:g} an hour, and its tokens, until it is deleted"
        units = "1 model unit" if self.units == 1 else f"{self.units} model units"
        price = "an unknown price" if self.cost is None else f"USD {self.cost:,.2f}"
        return f"provisioned throughput of {units} costs {price} an hour, asked or not, until it is deleted"

    def check(self) -> None:
        """Refuse what the user has not agreed to pay.

        Raises:
            RecipeError: saying what it costs and where to agree.
        """
        price, agreed, sets = _names(self.setting)
        if self.cost is None or not self.cost >= 0:
            raise RecipeError(
                f"{price} is not set, and {self.told}", expected="USD an hour of one model unit, by AWS's price list",
                hint=f"{price}{sets}40, and {agreed}{sets}{40 * self.units}, if that is the price",
            )  # fmt: skip
        if self.confirmed_usd is None or not self.confirmed_usd >= self.cost:
            said = "not set" if self.confirmed_usd is None else f"{self.confirmed_usd:g}"
            raise RecipeError(
                f"{agreed} is {said}, and {self.told}", expected=f"{self.cost:g} or more, to agree to it",
                hint=f"{agreed}{sets}{self.cost:g}; tunesmith hosted delete ends it",
            )  # fmt: skip


def _names(setting: str) -> tuple[str, str, str]:
    """Return where the price is said, where it is agreed to, and what stands between either and its value."""
    if setting.startswith("--"):
        return "--usd-an-hour", "--confirm-hourly-usd", " "
    return f"{setting}.price.hour", f"{setting}.confirm_hourly_usd", ": "


@dataclass(frozen=True)
class Capacity:
    """Something that is paid for: its ARN, the tuned model behind it, the service's word for its state."""

    kind: Kind
    arn: str
    name: str
    model: str
    status: str
    units: int | None = None

    @property
    def state(self) -> State:
        """What the word means; ``unknown`` for one that is not known."""
        return _STATES.get(self.status, "unknown")


def buy(bedrock: Client, offer: Offer, model: str, name: str, token: str) -> str:
    """Buy what an offer says for a tuned model; return its ARN. Asked twice with one token it buys once.

    Raises:
        RecipeError: if its cost is not confirmed.
        AwsError: if the service refuses.
    """
    offer.check()
    if offer.kind == "on_demand":
        answer = bedrock.call(
            "create_custom_model_deployment", modelDeploymentName=name, modelArn=model, clientRequestToken=token
        )
        return str(answer["customModelDeploymentArn"])
    answer = bedrock.call(
        "create_provisioned_model_throughput", provisionedModelName=name, modelId=model, modelUnits=offer.units,
        clientRequestToken=token,
    )  # fmt: skip
    return str(answer["provisionedModelArn"])


def look(bedrock: Client, arn: str) -> Capacity:
    """Return how something that is paid for is.

    Raises:
        AwsError: if there is no such thing, or the service refuses.
    """
    if ":provisioned-model/" in arn:
        found = bedrock.call("get_provisioned_model_throughput", provisionedModelId=arn)
        return _provisioned(found)
    found = bedrock.call("get_custom_model_deployment", customModelDeploymentIdentifier=arn)
    return Capacity("on_demand", arn, found["modelDeploymentName"], found["modelArn"], found["status"])


def wait(bedrock: Client, arn: str, poll_s: float) -> Capacity:
    """Wait until something that was bought answers.

    Raises:
        RemoteError: if it fails; it is deleted then, so that it costs nothing.
    """
    misses = 0
    for _ in range(_LOOKS):
        try:
            found, misses = look(bedrock, arn), 0
        except AwsError as error:
            misses += 1
            if not error.passing or misses >= _MISSES:
                raise
            time.sleep(poll_s)
            continue
        if found.state == "ready":
            return found
        if found.state == "failed":
            delete(bedrock, arn)
            raise RemoteError(
                f"{arn} could not be made ready, and was deleted", expected="capacity in this region",
                hint="the same command later",
            )  # fmt: skip
        time.sleep(poll_s)
    raise RemoteError(f"{arn} is not ready after {_LOOKS} looks", hint=f"tunesmith hosted delete {arn}")


def listed(bedrock: Client, model: str | None = None, needed: Kind | None = None) -> Iterator[Capacity]:
    """Yield all that is paid for in the region, or what is for one tuned model. A kind that may not be listed is said
    and left out, unless it is ``needed``.

    Raises:
        AwsError: if the service refuses to list the kind that is needed, or both.
    """
    of_model = {"modelArnEquals": model} if model else {}
    refused = []
    for kind, operation, name, made in (
        ("provisioned", "list_provisioned_model_throughputs", "provisionedModelSummaries", _provisioned),
        ("on_demand", "list_custom_model_deployments", "modelDeploymentSummaries", _deployment),
    ):
        try:
            yield from [made(one) for one in bedrock.listed(operation, name, **of_model)]
        except AwsError as error:
            if error.code not in _DENIED or kind == needed:
                raise
            refused.append(error)
            say(f"  not all can be listed: {error.message}", style="yellow")
    if len(refused) == 2:
        raise refused[0]


def delete(bedrock: Client, arn: str) -> None:
    """Delete something that is paid for; what is gone already is fine.

    Raises:
        AwsError: if the service refuses, as it does while something is being made.
    """
    try:
        if ":provisioned-model/" in arn:
            bedrock.call("delete_provisioned_model_throughput", provisionedModelId=arn)
        else:
            bedrock.call("delete_custom_model_deployment", customModelDeploymentIdentifier=arn)
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise


def _deployment(found: dict[str, Any]) -> Capacity:
    return Capacity(
        "on_demand", found["customModelDeploymentArn"], found["customModelDeploymentName"], found["modelArn"],
        found["status"],
    )  # fmt: skip


def _provisioned(found: dict[str, Any]) -> Capacity:
    return Capacity(
        "provisioned", found["provisionedModelArn"], found["provisionedModelName"], found["modelArn"],
        found["status"], found["modelUnits"],
    )  # fmt: skip
