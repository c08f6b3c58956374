"""The stand-in for Bedrock against botocore's own description of the service: what our tests rest on."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError, HTTPClientError
from botocore.stub import Stubber

from bedrock_stub.models import CLAUDE, LLAMA, NOVA
from bedrock_stub.service import BUCKET, CUT, HANDLERS, Fault, add_role, bedrock
from bedrock_stub.wire import operation

pytestmark = pytest.mark.slow
ROLE = "arn:aws:iam::123456789012:role/tuner"


@pytest.fixture
def service():
    with bedrock() as running:
        yield running


def client(service, name="bedrock", tries=1):
    config = boto3.session.Config(retries={"total_max_attempts": tries})
    return boto3.client(
        name, region_name=service.region, endpoint_url=service.url, config=config, aws_access_key_id="x", aws_secret_access_key="x"
    )  # fmt: skip


def rows(form="claude", count=40, **changed):
    """Return a training file; ``changed`` goes into its third line."""

    def said(text):
        return text if form == "claude" else [{"text": text}]

    lines = []
    for number in range(count):
        turns = [{"role": "user", "content": said(f"q{number}")}, {"role": "assistant", "content": said("a")}]
        row = {"system": said("Be brief."), "messages": turns}
        row |= {} if form == "claude" else {"schemaVersion": "bedrock-conversation-2024"}
        lines.append(json.dumps(row | (changed if number == 2 else {})))
    return "\n".join(lines)


def job(service, content=None, **changed):
    """Return the parameters of a job whose files lie in the bucket."""
    service.write(f"s3://{BUCKET}/in/train.jsonl", rows() if content is None else content)
    service.write(f"s3://{BUCKET}/in/valid.jsonl", rows(count=5) if content is None else content)
    return {
        "jobName": "first", "customModelName": "first-model", "roleArn": ROLE, "baseModelIdentifier": CLAUDE,
        "trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/in/train.jsonl"},
        "validationDataConfig": {"validators": [{"s3Uri": f"s3://{BUCKET}/in/valid.jsonl"}]},
        "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/out"}, "hyperParameters": {"epochCount": "3"}, **changed,
    }  # fmt: skip


def waited(ask, done):
    """Return the first answer that is done, and the statuses on the way."""
    seen = []
    for _ in range(20):
        answer = ask()
        seen.append(answer["status"])
        if answer["status"] in done:
            return answer, list(dict.fromkeys(seen))
    raise AssertionError(seen)


def refused(call, **parameters):
    with pytest.raises(ClientError) as found:
        call(**parameters)
    answer = found.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_a_whole_life_is_as_botocore_describes_it(service):
    """Every answer goes through botocore's `Stubber`, which knows the shapes: another judge than the stub's own.

    Would let through: an adapter that passes against answers that AWS would never give.
    """
    ours, chat = client(service), client(service, "bedrock-runtime")
    seen = {}

    def say(name, api=ours, **parameters):
        method = next(method for method, one in api.meta.method_to_api_mapping.items() if one == name)
        answer = getattr(api, method)(**parameters)
        status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
        assert status == operation(name).status, name
        Stubber(api).add_response(method, answer)
        seen[name] = answer
        return answer

    say("ListFoundationModels", byProvider="Anthropic", byCustomizationType="FINE_TUNING")
    say("GetFoundationModel", modelIdentifier=CLAUDE)
    arn = say("CreateModelCustomizationJob", **job(service))["jobArn"]
    done, statuses = waited(lambda: say("GetModelCustomizationJob", jobIdentifier=arn), {"Completed"})
    assert statuses == ["InProgress", "Completed"] and "outputModelArn" in done
    assert say("GetModelCustomizationJob", jobIdentifier="first")["jobArn"] == arn
    (listed,) = say("ListModelCustomizationJobs", nameContains="firs")["modelCustomizationJobSummaries"]
    assert listed["customModelArn"] == done["outputModelArn"]
    model = say("GetCustomModel", modelIdentifier=done["outputModelArn"])
    assert model["jobArn"] == arn and say("ListCustomModels")["modelSummaries"][0]["modelName"] == "first-model"
    bought = say("CreateProvisionedModelThroughput", provisionedModelName="p", modelId=model["modelArn"], modelUnits=1)
    name = bought["provisionedModelArn"]
    assert refused(ours.delete_custom_model, modelIdentifier=model["modelArn"])[0] == "ConflictException"
    _, statuses = waited(lambda: say("GetProvisionedModelThroughput", provisionedModelId=name), {"InService"})
    assert statuses in (["Creating", "InService"], ["InService"])
    told = [{"role": "user", "content": [{"text": "hello there"}]}]
    answer = say("Converse", chat, modelId=name, messages=told, inferenceConfig={"maxTokens": 2})
    assert answer["output"]["message"]["content"] == [{"text": "hello there"}] and answer["stopReason"] == "max_tokens"
    assert say("ListProvisionedModelThroughputs")["provisionedModelSummaries"][0]["status"] == "InService"
    say("DeleteProvisionedModelThroughput", provisionedModelId=name)
    say("DeleteCustomModel", modelIdentifier=model["modelArn"])
    assert say("ListCustomModels")["modelSummaries"] == [] and not service.capacities
    nova = job(service, rows("converse"), jobName="second", customModelName="second", baseModelIdentifier=NOVA)
    arn = say("CreateModelCustomizationJob", **nova)["jobArn"]
    done, _ = waited(lambda: say("GetModelCustomizationJob", jobIdentifier=arn), {"Completed"})
    arn = say("CreateCustomModelDeployment", modelDeploymentName="d", modelArn=done["outputModelArn"])
    name = arn["customModelDeploymentArn"]
    waited(lambda: say("GetCustomModelDeployment", customModelDeploymentIdentifier=name), {"Active"})
    assert say("ListCustomModelDeployments")["modelDeploymentSummaries"][0]["status"] == "Active"
    say("DeleteCustomModelDeployment", customModelDeploymentIdentifier="d")
    say("CreateModelCustomizationJob", **{**nova, "jobName": "third"})
    say("StopModelCustomizationJob", jobIdentifier="third")
    _, statuses = waited(lambda: say("GetModelCustomizationJob", jobIdentifier="third"), {"Stopped"})
    assert statuses == ["Stopping", "Stopped"]
    assert set(seen) == set(HANDLERS)


def test_metrics_lie_where_aws_puts_them(service):
    ours = client(service)
    arn = ours.create_model_customization_job(**job(service))["jobArn"]
    waited(lambda: ours.get_model_customization_job(jobIdentifier=arn), {"Completed"})
    listed = service.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="out/")["Contents"]
    folder = f"out/model-customization-job-{arn.rsplit('/', 1)[1]}"
    assert [one["Key"] for one in listed] == [
        f"{folder}/training_artifacts/step_wise_training_metrics.csv",
        f"{folder}/validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv",
    ]


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"jobName": "has_underscore"}, "ValidationException", "'jobName' failed to satisfy constraint"),
        ({"customModelName": "x" * 64}, "ValidationException", "customModelName"),
        ({"hyperParameters": {"epochCount": "11"}}, "ValidationException", "epochCount must be between 1 and 10"),
        ({"hyperParameters": {"seed": "1"}}, "ValidationException", "seed is not supported"),
        ({"roleArn": "arn:aws:iam::123456789012:role/other"}, "ValidationException", "Could not assume provided IAM role"),
        ({"baseModelIdentifier": "anthropic.claude-9-v1:0"}, "ValidationException", "identifier is invalid"),
        ({"trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/none.jsonl"}}, "ValidationException", "NoSuchKey"),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_refused(service, changed, code, words):
    """Would let through: a stub as tolerant as moto's, which hides wrong requests."""
    found, status, message = refused(client(service).create_model_customization_job, **job(service, **changed))
    assert (found, status) == (code, 400) and words in message and not service.jobs


def test_a_role_that_bedrock_may_not_take_is_refused(service):
    role = add_role(service, "other", "lambda.amazonaws.com")
    found = refused(client(service).create_model_customization_job, **job(service, roleArn=role))
    assert "Could not assume provided IAM role" in found[2]


@pytest.mark.parametrize(
    ("base", "content", "words"),
    [
        (CLAUDE, rows(name="x"), "line 3: only the keys"),
        (CLAUDE, rows(messages=[{"role": "user", "content": "q"}]), "line 3: messages must alternate"),
        (CLAUDE, rows(count=31), "31 records, allowed are 32 to 10000"),
        (CLAUDE, rows("converse"), "line 1: only the keys"),
        (NOVA, rows(), "line 1: schemaVersion"),
        (LLAMA, "{", "line 1 is not valid JSON"),
    ],
)
def test_bad_rows_fail_the_job(service, base, content, words):
    ours = client(service)
    given = job(service, content, baseModelIdentifier=base, hyperParameters={})
    arn = ours.create_model_customization_job(**given)["jobArn"]
    done, _ = waited(lambda: ours.get_model_customization_job(jobIdentifier=arn), {"Completed", "Failed"})
    assert done["status"] == "Failed" and words in done["failureMessage"] and "outputModelArn" not in done


def test_lifecycle_ends_tuning(service):
    claude = service.models[0]
    claude.status = "LEGACY"
    assert "Legacy" in refused(client(service).create_model_customization_job, **job(service))[2]
    service.models.remove(claude)
    found = client(service).list_foundation_models(byCustomizationType="FINE_TUNING", byProvider="Anthropic")
    assert found["modelSummaries"] == []
    assert "invalid" in refused(client(service).create_model_customization_job, **job(service))[2]


def test_a_token_makes_one_job(service):
    ours, given = client(service), job(service, clientRequestToken="once")
    service.faults = [Fault("CreateModelCustomizationJob", CUT)]
    with pytest.raises(HTTPClientError):
        ours.create_model_customization_job(**given)
    arn = ours.create_model_customization_job(**given)["jobArn"]
    assert list(service.jobs) == [arn]
    assert refused(ours.create_model_customization_job, **{**given, "jobName": "other"})[0] == "ConflictException"


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 429), ("AccessDeniedException", 403), ("InternalServerException", 500)]
)
def test_faults_come_as_botocore_reads_them(service, code, status):
    service.faults = [Fault("ListFoundationModels", code, "as told", times=2)]
    ours = client(service)
    assert refused(ours.list_foundation_models) == (code, status, "as told")
    with pytest.raises(getattr(ours.exceptions, code)):
        ours.list_foundation_models()
    assert ours.list_foundation_models()["modelSummaries"]


def test_lists_come_in_pages(service):
    service.page_size = 2
    ours = client(service)
    for number in range(5):
        ours.create_model_customization_job(**job(service, jobName=f"j{number}", customModelName=f"m{number}"))
    pages = ours.get_paginator("list_model_customization_jobs").paginate()
    names = [one["jobName"] for page in pages for one in page["modelCustomizationJobSummaries"]]
    assert names == [f"j{number}" for number in range(5)]


def test_conversations_are_checked(service):
    chat = client(service, "bedrock-runtime")

    def told(*turns):
        return [{"role": role, "content": [{"text": text}]} for role, text in turns]

    model = "amazon.nova-micro-v1:0"
    for turns in ([("assistant", "a")], [("user", "a"), ("user", "b")], [("user", " ")]):
        assert refused(chat.converse, modelId=model, messages=told(*turns))[0] == "ValidationException"
    assert refused(chat.converse, modelId=NOVA, messages=told(("user", "a")))[0] == "ValidationException"
    assert chat.converse(modelId=model, messages=told(("user", "a")))["stopReason"] == "end_turn"


def test_nothing_is_left_of_the_test_before():
    """Would let through: moto's state, which outlives its servers, deciding the next test."""
    for _ in range(2):
        with bedrock() as running:
            assert running.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
            running.write(f"s3://{BUCKET}/left", "over")
