"""Jobs and the models that come of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bedrock_stub.records import fault
from bedrock_stub.wire import Refused

if TYPE_CHECKING:
    from bedrock_stub.models import FoundationModel
    from bedrock_stub.service import Service


@dataclass
class Job:
    given: dict[str, Any]
    arn: str
    base: FoundationModel
    created: int
    fails: str | None = None
    stopped: int | None = None
    ended: bool = False
    settled: str = "InProgress"
    model: str | None = None


@dataclass
class CustomModel:
    arn: str
    name: str
    job: Job
    created: int
    dependants: set[str] = field(default_factory=set)


def create(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    token = given.get("clientRequestToken", "")
    twin = next((job for job in service.jobs.values() if job.given.get("clientRequestToken", "-") == token), None)
    if twin is not None:
        if twin.given != given:
            raise Refused("ConflictException", "The client request token was used with other parameters.")
        return {"jobArn": twin.arn}
    if any(given["jobName"] == job.given["jobName"] for job in service.jobs.values()):
        raise Refused("ConflictException", f"The job name {given['jobName']} is in use.")
    base = _base(service, given["baseModelIdentifier"])
    _check(service, given, base)
    arn = f"arn:aws:bedrock:{service.region}:{service.account}:model-customization-job/{base.id}/{service.new_id()}"
    service.jobs[arn] = Job(given, arn, base, service.now, _bad_rows(service, given, base) or service.jobs_fail)
    return {"jobArn": arn}


def _base(service: Service, name: str) -> FoundationModel:
    base = next((one for one in service.models if name in (one.id, one.arn)), None)
    if base is None:
        raise Refused("ValidationException", "The provided model identifier is invalid.")
    if base.status != "ACTIVE":
        raise Refused("ValidationException", "The model is in Legacy; it can not be customized any more.")
    if not base.tunable:
        raise Refused("ValidationException", f"The model {name} does not support FINE_TUNING.")
    return base


def _check(service: Service, given: dict[str, Any], base: FoundationModel) -> None:
    for name, text in given.get("hyperParameters", {}).items():
        if name not in base.takes:
            raise Refused("ValidationException", f"The hyperparameter {name} is not supported by {base.id}.")
        least, most = base.takes[name]
        if not least <= float(text) <= most:
            raise Refused("ValidationException", f"The hyperparameter {name} must be between {least} and {most}.")
    if not service.can_assume(given["roleArn"]):
        raise Refused(
            "ValidationException",
            "Could not assume provided IAM role. Please verify the role's trust policy and permissions.",
        )


def _bad_rows(service: Service, given: dict[str, Any], base: FoundationModel) -> str | None:
    """Return why the job will fail; a file that is not there is refused at once."""
    least, most = base.records
    train = fault(service.read(given["trainingDataConfig"]["s3Uri"]), base.form, least, most)
    for one in given.get("validationDataConfig", {}).get("validators", []):
        train = train or fault(service.read(one["s3Uri"]), base.form, 1, base.most_valid)
    return train and f"Model customization failed: {train}"


def status(service: Service, job: Job) -> str:
    """Return where a job is now; what its end brings is brought the first time anyone looks."""
    if job.ended:
        return job.settled
    if job.stopped is not None:
        if service.now - job.stopped < service.stop_takes:
            return "Stopping"
        job.settled, job.ended = "Stopped", True
        if service.partial:
            _make_model(service, job)
    elif service.now - job.created >= service.job_takes:
        job.settled, job.ended = ("Failed" if job.fails else "Completed"), True
        if not job.fails:
            _make_model(service, job)
            _write_curves(service, job)
    return service.odd_status or job.settled


def _make_model(service: Service, job: Job) -> None:
    name = job.given["customModelName"]
    short = ":".join(job.base.id.split(":"))
    arn = f"arn:aws:bedrock:{service.region}:{service.account}:custom-model/{short}/{service.new_id()}"
    service.custom[arn] = CustomModel(arn, name, job, service.now)
    job.model = arn


def _write_curves(service: Service, job: Job) -> None:
    if not service.csvs:
        return
    folder = f"{job.given['outputDataConfig']['s3Uri'].rstrip('/')}/model-customization-job-{job.arn.rsplit('/', 1)[1]}"
    epochs = service.stops_after or int(job.given.get("hyperParameters", {}).get("epochCount", "2"))
    steps = [f"{step},{step},{2.0 / (step + 1):.4f},{7.0 / (step + 1):.4f}" for step in range(epochs)]
    head = "step_number,epoch_number,training_loss,perplexity"
    service.write(f"{folder}/training_artifacts/step_wise_training_metrics.csv", "\n".join([head, *steps]))
    if job.given.get("validationDataConfig", {}).get("validators"):
        head = "step_number,epoch_number,validation_loss,perplexity"
        where = "validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv"
        service.write(f"{folder}/{where}", "\n".join([head, *steps]))


def get(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    job = find(service, given["jobIdentifier"])
    now = status(service, job)
    said = job.given
    answer = {
        "jobArn": job.arn, "jobName": said["jobName"], "outputModelName": said["customModelName"],
        "roleArn": said["roleArn"], "status": now, "creationTime": service.at(job.created),
        "baseModelArn": job.base.arn, "hyperParameters": said.get("hyperParameters", {}),
        "trainingDataConfig": said["trainingDataConfig"], "outputDataConfig": said["outputDataConfig"],
        "validationDataConfig": said.get("validationDataConfig", {"validators": []}),
        "customizationType": said.get("customizationType", "FINE_TUNING"),
    }  # fmt: skip
    if token := said.get("clientRequestToken"):
        answer["clientRequestToken"] = token
    if now == "Completed":
        answer |= {"outputModelArn": job.model, "endTime": service.at(service.now), **_losses(job)}
    if now == "Stopped":
        answer |= {"endTime": service.at(service.now)} | ({"outputModelArn": job.model} if job.model else {})
    if now == "Failed":
        answer |= {"failureMessage": job.fails, "endTime": service.at(service.now)}
    return answer


def _losses(job: Job) -> dict[str, Any]:
    valid = job.given.get("validationDataConfig", {}).get("validators")
    return {
        "trainingMetrics": {"trainingLoss": 0.5},
        **({"validationMetrics": [{"validationLoss": 0.6}]} if valid else {}),
    }


def find(service: Service, name: str) -> Job:
    for job in service.jobs.values():
        if name in (job.arn, job.given["jobName"]):
            return job
    raise Refused("ResourceNotFoundException", f"Could not find the job {name}.")


def list_jobs(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    shown = []
    for job in service.jobs.values():
        now = status(service, job)
        if given.get("statusEquals", now) != now or given.get("nameContains", "") not in job.given["jobName"]:
            continue
        one = {
            "jobArn": job.arn, "baseModelArn": job.base.arn, "jobName": job.given["jobName"], "status": now,
            "creationTime": service.at(job.created), "customModelName": job.given["customModelName"],
        }  # fmt: skip
        shown.append({**one, "customModelArn": job.model} if job.model else one)
    return service.page(shown, given, "modelCustomizationJobSummaries")


def stop(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    job = find(service, given["jobIdentifier"])
    if status(service, job) not in ("InProgress", "Stopping"):
        raise Refused("ConflictException", f"The job {job.given['jobName']} is over and cannot be stopped.")
    job.stopped = service.now if job.stopped is None else job.stopped
    return {}


def _model(service: Service, name: str) -> CustomModel:
    for one in service.custom.values():
        if name in (one.arn, one.name):
            return one
    raise Refused("ResourceNotFoundException", f"Could not find the custom model {name}.")


def get_model(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    one = _model(service, given["modelIdentifier"])
    said = one.job.given
    return {
        "modelArn": one.arn, "modelName": one.name, "jobName": said["jobName"], "jobArn": one.job.arn,
        "baseModelArn": one.job.base.arn, "customizationType": "FINE_TUNING", "modelStatus": "Active",
        "hyperParameters": said.get("hyperParameters", {}), "trainingDataConfig": said["trainingDataConfig"],
        "outputDataConfig": said["outputDataConfig"], "creationTime": service.at(one.created), **_losses(one.job),
    }  # fmt: skip


def list_models(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    shown = [
        {
            "modelArn": one.arn, "modelName": one.name, "creationTime": service.at(one.created),
            "baseModelArn": one.job.base.arn, "baseModelName": one.job.base.id.split(":", 1)[0],
            "customizationType": "FINE_TUNING", "modelStatus": "Active",
        }
        for one in service.custom.values()
        if given.get("nameContains", "") in one.name
    ]  # fmt: skip
    return service.page(shown, given, "modelSummaries")


def delete_model(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    one = _model(service, given["modelIdentifier"])
    if any(capacity.model == one.arn for capacity in service.capacities.values()):
        raise Refused("ConflictException", "The custom model is in use by provisioned throughput or a deployment.")
    del service.custom[one.arn]
    return {}
