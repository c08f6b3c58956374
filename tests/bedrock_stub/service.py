"""The running service: its state, its clock, its faults, and the HTTP server before it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

from bedrock_stub import capacity, converse, customization
from bedrock_stub.models import FoundationModel, claude, llama, nova, served
from bedrock_stub.wire import Refused, error_status, read, written
from local_server import at_port

CUT = "cut"
"""A fault: the operation is done, and the connection ends before it is answered."""
STARTED = datetime(2026, 8, 1, tzinfo=UTC)
BUCKET = "tunes"


@dataclass
class Fault:
    """What one operation shall do wrong: an error code of the service or `CUT`, so many times."""

    operation: str
    code: str
    message: str = "told to fail"
    times: int = 1


def _models() -> list[FoundationModel]:
    return [claude(), nova(), llama(), served("claude"), served("nova")]


@dataclass
class Service:
    """One account in one region. ``*_takes`` are in requests, by which time is counted."""

    script: Callable[[str], str] = lambda said: f"{said} indeed"
    region: str = "us-east-1"
    account: str = "123456789012"
    job_takes: int = 3
    jobs_fail: str | None = None  # of which all jobs fail from now on
    stop_takes: int = 2
    capacity_takes: int = 2
    capacity_fails: bool = False
    csvs: bool = True
    stops_after: int | None = None  # epochs; all are made otherwise
    partial: bool = False  # whether a job that is stopped makes a model of what was learnt until then
    odd_status: str | None = None
    page_size: int = 100
    models: list[FoundationModel] = field(default_factory=_models)
    jobs: dict[str, customization.Job] = field(default_factory=dict)
    custom: dict[str, customization.CustomModel] = field(default_factory=dict)
    capacities: dict[str, capacity.Capacity] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tokens: dict[str, Any] = field(default_factory=dict)  # of requests for capacity, kept when that is deleted
    broken: list[str] = field(default_factory=list)  # answers that botocore would not know: faults of this stub
    before: Callable[[int, str], Any] | None = None  # called before a request is done; what it says true of is not done
    after: Callable[[int, str], None] | None = None  # and before it is answered
    now: int = 0
    url: str = ""
    aws_url: str = ""
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    lock: Any = field(default_factory=threading.RLock)

    def new_id(self) -> str:
        """Return twelve characters, as ids of Bedrock have."""
        return f"{next(self.ids):012d}"

    def at(self, when: int) -> datetime:
        return STARTED + timedelta(seconds=when)

    def page(self, shown: list[Any], given: dict[str, Any], name: str) -> dict[str, Any]:
        first = int(given.get("nextToken", "0"))
        size = min(given.get("maxResults", self.page_size), self.page_size)
        more = {"nextToken": str(first + size)} if first + size < len(shown) else {}
        return {name: shown[first : first + size], **more}

    def client(self, name: str) -> Any:
        """Return a client of S3 or IAM."""
        return boto3.client(
            name,
            region_name=self.region,
            endpoint_url=self.aws_url,
            aws_access_key_id="stub",
            aws_secret_access_key="x",
        )

    def read(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        s3 = self.client("s3")
        try:
            return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except s3.exceptions.ClientError as error:
            raise Refused("ValidationException", f"Cannot read {uri}: {error.response['Error']['Code']}") from error

    def write(self, uri: str, text: str) -> None:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    def can_assume(self, role: str) -> bool:
        """Is there such a role, and may Bedrock take it."""
        iam = self.client("iam")
        try:
            found = iam.get_role(RoleName=role.rsplit("/", 1)[1])["Role"]
        except iam.exceptions.NoSuchEntityException:
            return False
        return found["Arn"] == role and "bedrock.amazonaws.com" in json.dumps(found["AssumeRolePolicyDocument"])

    def names(self) -> list[str]:
        """Return the operations asked, in order."""
        return [name for name, _ in self.asked]

    @property
    def environment(self) -> dict[str, str]:
        """What makes boto3 come here."""
        return {
            "AWS_ENDPOINT_URL": self.aws_url, "AWS_ENDPOINT_URL_BEDROCK": self.url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url, "AWS_ACCESS_KEY_ID": "stub",
            "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }  # fmt: skip


def _list_models(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    shown = [one.summary() for one in service.models]
    for name, key in (
        ("byCustomizationType", "customizationsSupported"),
        ("byInferenceType", "inferenceTypesSupported"),
    ):
        shown = [one for one in shown if given.get(name) is None or given[name] in one[key]]
    return {"modelSummaries": [one for one in shown if given.get("byProvider", "") in one["providerName"]]}


def _get_model(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    for one in service.models:
        if given["modelIdentifier"] in (one.id, one.arn):
            return {"modelDetails": one.summary()}
    raise Refused("ResourceNotFoundException", "Could not resolve the foundation model.")


HANDLERS: dict[str, Callable[[Service, dict[str, Any]], dict[str, Any]]] = {
    "ListFoundationModels": _list_models,
    "GetFoundationModel": _get_model,
    "CreateModelCustomizationJob": customization.create,
    "GetModelCustomizationJob": customization.get,
    "ListModelCustomizationJobs": customization.list_jobs,
    "StopModelCustomizationJob": customization.stop,
    "GetCustomModel": customization.get_model,
    "ListCustomModels": customization.list_models,
    "DeleteCustomModel": customization.delete_model,
    "CreateProvisionedModelThroughput": capacity.provision,
    "GetProvisionedModelThroughput": capacity.get_provisioned,
    "ListProvisionedModelThroughputs": capacity.list_provisioned,
    "DeleteProvisionedModelThroughput": capacity.delete_provisioned,
    "CreateCustomModelDeployment": capacity.deploy,
    "GetCustomModelDeployment": capacity.get_deployment,
    "ListCustomModelDeployments": capacity.list_deployments,
    "DeleteCustomModelDeployment": capacity.delete_deployment,
    "Converse": converse.converse,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def _answer(self) -> None:
        service = self.service
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        with service.lock:
            service.now += 1
            number, cut = service.now, False
            try:
                one, given = read(self.command, self.path, body)
                service.asked.append((one.name, given))
                if service.before and service.before(number, one.name):
                    self.close_connection = True
                    return  # who asked is dead, and what it asked for was not done
                cut = self._fault(one.name)
                content, status, code = written(one, HANDLERS[one.name](service, given)), one.status, ""
                if service.after:
                    service.after(number, one.name)
            except Refused as refused:
                content, code = json.dumps({"message": refused.message}).encode(), refused.code
                status = error_status(code)
            except AssertionError as broken:
                service.broken.append(str(broken))
                content, status, code = b'{"message": "broken stub"}', 500, "InternalServerException"
        if cut:
            self.close_connection = True
            return
        self._write(status, content, code)

    do_GET = do_POST = do_DELETE = do_PATCH = _answer

    def _fault(self, name: str) -> bool:
        """Raise the error that is told for this operation, or say that the answer shall be cut."""
        fault = next((one for one in self.service.faults if one.operation == name and one.times > 0), None)
        if fault is None:
            return False
        fault.times -= 1
        if fault.code == CUT:
            return True
        raise Refused(fault.code, fault.message)

    def _write(self, status: int, content: bytes, code: str) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            if code:
                self.send_header("x-amzn-ErrorType", code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@cache
def _aws() -> str:
    """Return the address of S3 and IAM, which serve this process to its end: to stop them takes half a second."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    return "http://{}:{}".format(*server.get_host_and_port())


@contextlib.contextmanager
def bedrock(**settings: Any) -> Iterator[Service]:
    """Run the service, with S3 and IAM, a bucket and the role ``tuner`` that it may take, while the block runs."""
    service = Service(**settings)
    service.aws_url = _aws()
    with at_port(type("Handler", (_Handler,), {"service": service})) as service.url:
        urlopen(Request(f"{service.aws_url}/moto-api/reset", method="POST")).close()
        service.client("s3").create_bucket(Bucket=BUCKET)
        add_role(service, "tuner", "bedrock.amazonaws.com")
        yield service
    assert not service.broken, service.broken


def add_role(service: Service, name: str, principal: str) -> str:
    """Add a role that a service may take; return its ARN."""
    trust = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = service.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(made["Role"]["Arn"])
