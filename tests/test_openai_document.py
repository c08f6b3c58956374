"""The judge of conformance, on a document of our own: its faults are found, and its contradictions are read as meant."""

from __future__ import annotations

import openai_document as judge

JOB = {
    "type": "object",
    "required": ["status", "rate"],
    "properties": {
        "status": {"type": "string", "enum": ["running"]},
        "rate": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        "suffix": {"type": "string", "nullable": True, "default": None},
    },
}
ANSWER = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/FineTuningJob"}}}}}
WHOLE = {
    "openapi": "3.1.0",
    "paths": {"/fine_tuning/jobs/{id}": {"get": {"responses": ANSWER}}, "/chat": {"get": {"responses": ANSWER}}},
    "components": {"schemas": {"FineTuningJob": JOB, "GraderMulti": {"properties": {"graders": {}}}, "Unused": {}}},
}


def found(body, status=200):
    document = judge.readable(judge.subset(WHOLE))
    return judge.faults(document, "GET", "/fine_tuning/jobs/{id}", status, body)


def test_faults_are_found_and_what_is_meant_is_none():
    """Catches a judge that passes everything, and one that refuses what the vendor sends itself."""
    assert found({"status": "running", "rate": 0.5, "suffix": None}) == []
    assert "rate" in found({"status": "running"})[0]
    assert found({"status": "running", "rate": 0}) and found({"status": "paused", "rate": 1})
    assert found({"status": "running", "rate": 1, "suffix": 3}) and "404" in found({}, 404)[0]


def test_the_part_is_what_the_server_speaks():
    document = judge.subset(WHOLE)
    assert list(document["paths"]) == ["/fine_tuning/jobs/{id}"] and list(document["components"]["schemas"]) == [
        "FineTuningJob"
    ]


def test_waivers_are_those_that_are_named():
    """Catches a difference that is waved through without a reason."""
    document = judge.waived({"components": {"schemas": {"FineTuningJob": {"properties": {"status": {"enum": ["running"]}}}, "GraderMulti": {"properties": {"graders": {"type": "string"}}}}}})  # fmt: skip
    schemas = document["components"]["schemas"]
    assert schemas["FineTuningJob"]["properties"]["status"]["enum"] == ["running", "paused"]
    assert {where[0] for where in judge.WAIVERS} == {"FineTuningJob", "GraderMulti"}
    assert len(schemas["GraderMulti"]["properties"]["graders"]["anyOf"]) == 2
