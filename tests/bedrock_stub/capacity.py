"""What answers for a tuned model and costs money while it stands: provisioned throughput and on-demand deployments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock_stub.wire import Refused

if TYPE_CHECKING:
    from bedrock_stub.models import FoundationModel
    from bedrock_stub.service import Service

PROVISIONED, DEPLOYED = "provisioned-model", "custom-model-deployment"


@dataclass
class Capacity:
    kind: str
    arn: str
    name: str
    model: str
    base: FoundationModel
    created: int
    token: str
    units: int = 1
    fails: bool = False

    def status(self, service: Service) -> str:
        if service.now - self.created < service.capacity_takes:
            return "Creating"
        if self.fails:
            return "Failed"
        return "InService" if self.kind == PROVISIONED else "Active"


def _create(service: Service, kind: str, name: str, model: str, given: dict[str, Any]) -> Capacity:
    token = given.get("clientRequestToken", "")
    of_kind = [one for one in service.capacities.values() if one.kind == kind]
    if token and token in service.tokens:
        known: Capacity = service.tokens[token]  # "Amazon Bedrock ignores the request, but does not return an error"
        return known
    if any(one.name == name for one in of_kind):
        raise Refused("ValidationException", f"The name {name} is already in use.")
    custom = next((one for one in service.custom.values() if model in (one.arn, one.name)), None)
    if custom is None:
        raise Refused("ResourceNotFoundException", f"Could not find the custom model {model}.")
    base = custom.job.base
    if base.status != "ACTIVE":
        raise Refused("ValidationException", "The base model is in Legacy; no new capacity can be bought for it.")
    arn = f"arn:aws:bedrock:{service.region}:{service.account}:{kind}/{service.new_id()}"
    units = given.get("modelUnits", 1)
    made = Capacity(kind, arn, name, custom.arn, base, service.now, token, units, service.capacity_fails)
    service.capacities[arn] = service.tokens[token] = made
    return made


def _find(service: Service, kind: str, name: str) -> Capacity:
    for one in service.capacities.values():
        if one.kind == kind and name in (one.arn, one.name, one.arn.rsplit("/", 1)[1]):
            return one
    raise Refused("ResourceNotFoundException", f"Could not find the {kind} {name}.")


def _delete(service: Service, kind: str, name: str) -> dict[str, Any]:
    one = _find(service, kind, name)
    if one.status(service) == "Creating":
        raise Refused("ConflictException", f"The {kind} {name} is being created and cannot be deleted yet.")
    del service.capacities[one.arn]
    return {}


def provision(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    made = _create(service, PROVISIONED, given["provisionedModelName"], given["modelId"], given)
    return {"provisionedModelArn": made.arn}


def _provisioned(service: Service, one: Capacity) -> dict[str, Any]:
    shown = {
        "modelUnits": one.units, "desiredModelUnits": one.units, "provisionedModelName": one.name,
        "provisionedModelArn": one.arn, "modelArn": one.model, "desiredModelArn": one.model,
        "foundationModelArn": one.base.arn, "status": one.status(service),
        "creationTime": service.at(one.created), "lastModifiedTime": service.at(service.now),
    }  # fmt: skip
    return shown


def get_provisioned(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    one = _find(service, PROVISIONED, given["provisionedModelId"])
    failed = {"failureMessage": "Not enough capacity."} if one.status(service) == "Failed" else {}
    return _provisioned(service, one) | failed


def list_provisioned(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    shown = [_provisioned(service, one) for one in service.capacities.values() if one.kind == PROVISIONED]
    return service.page(_asked(shown, given, "provisionedModelName"), given, "provisionedModelSummaries")


def _asked(shown: list[dict[str, Any]], given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        one
        for one in shown
        if given.get("nameContains", "") in one[name]
        and given.get("modelArnEquals", one["modelArn"]) == one["modelArn"]
        and given.get("statusEquals", one["status"]) == one["status"]
    ]


def delete_provisioned(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    return _delete(service, PROVISIONED, given["provisionedModelId"])


def deploy(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    custom = service.custom.get(given["modelArn"])
    if custom is not None and not custom.job.base.deployable:
        raise Refused("ValidationException", "On-demand inference is not supported for the base model.")
    made = _create(service, DEPLOYED, given["modelDeploymentName"], given["modelArn"], given)
    return {"customModelDeploymentArn": made.arn}


def get_deployment(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    one = _find(service, DEPLOYED, given["customModelDeploymentIdentifier"])
    failed = {"failureMessage": "Not enough capacity."} if one.status(service) == "Failed" else {}
    return {
        "customModelDeploymentArn": one.arn, "modelDeploymentName": one.name, "modelArn": one.model,
        "createdAt": service.at(one.created), "status": one.status(service), **failed,
    }  # fmt: skip


def list_deployments(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    shown = [
        {
            "customModelDeploymentArn": one.arn, "customModelDeploymentName": one.name, "modelArn": one.model,
            "createdAt": service.at(one.created), "status": one.status(service),
        }
        for one in service.capacities.values()
        if one.kind == DEPLOYED
    ]  # fmt: skip
    return service.page(_asked(shown, given, "customModelDeploymentName"), given, "modelDeploymentSummaries")


def delete_deployment(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    return _delete(service, DEPLOYED, given["customModelDeploymentIdentifier"])
