"""Tool calls and JSON answers against their JSON Schema.

Owns the rules ``tool_calls`` and ``schema``. Does not own the shape of a call (`formats`) nor whether an ``extract``
answer is JSON at all (`check`). Tool lists in the wild name types that JSON Schema does not have (``dict``, ``float``):
those are taken for what they mean; a schema that is none is not held against the row. References are resolved inside
the schema only, never fetched.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from tunesmith.core.errors import RecipeError
from tunesmith.data.noise.function_words import word_set
from tunesmith.data.rows import compact_json, from_json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from tunesmith.data.rows import Row

_TYPES = {
    "dict": "object", "map": "object", "hashmap": "object", "float": "number", "double": "number", "int": "integer",
    "long": "integer", "short": "integer", "byte": "integer", "str": "string", "char": "string", "list": "array",
    "tuple": "array", "arraylist": "array", "set": "array", "bool": "boolean", "none": "null",
}  # fmt: skip
_KNOWN = word_set("object array string number integer boolean null")
_SCHEMAS = word_set("items additionalProperties not if then else contains propertyNames")
_SCHEMA_LISTS = word_set("anyOf oneOf allOf prefixItems")
_SCHEMA_MAPS = word_set("properties patternProperties $defs definitions dependentSchemas")


def tool_calls(row: Row) -> dict[str, Any] | None:
    """Return what is wrong with the first faulty tool call of a row; a row without tools is not judged."""
    if not row.tools:
        return None
    schemas = _schemas_of(row.tools)
    for number, message in enumerate(row.messages):
        for call in message.get("tool_calls", ()):
            if (fault := _fault(call["function"], schemas)) is not None:
                return {"field": f"messages[{number}]", "tool": call["function"].get("name"), **fault}
    return None


def _schemas_of(tools: list[dict[str, Any]]) -> dict[str, Any]:
    functions = [tool.get("function", tool) for tool in tools]
    return {
        one["name"]: one.get("parameters")
        for one in functions
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    }


def _fault(function: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any] | None:
    if function["name"] not in schemas:
        return {"why": "no such tool", "tools": sorted(schemas)[:20]}
    arguments = function.get("arguments", "{}")
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments or "{}")
        except orjson.JSONDecodeError as error:
            return {"why": f"arguments are no JSON: {error}"}
    if not isinstance(arguments, dict):
        return {"why": f"arguments are {type(arguments).__name__}, not an object"}
    schema = schemas[function["name"]]
    if not isinstance(schema, dict):
        return None
    return violation(arguments, schema) or _unknown(arguments, schema)


def _unknown(arguments: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return an argument the tool does not have; JSON Schema would allow it unless told otherwise."""
    known = schema.get("properties")
    open_ended = (
        schema.get("additionalProperties") or "patternProperties" in schema or not isinstance(known, dict) or not known
    )
    if open_ended or any(key in schema for key in ("$ref", "anyOf", "oneOf", "allOf")):
        return None
    extra = sorted(set(arguments) - set(known or ()))
    return {"why": f"no such argument: {', '.join(extra)}", "path": "$"} if extra else None


def schema_of_answers(schema: dict[str, Any]) -> Validator:
    """Return what validates answers against the recipe's schema, word for word.

    Raises:
        RecipeError: if it is no JSON Schema.
    """
    from jsonschema.exceptions import SchemaError

    try:
        return _validator(schema)
    except SchemaError as error:
        raise RecipeError(
            f"data.clean.answer_schema is no JSON Schema: {error.message}",
            expected="a JSON Schema (draft 2020-12)",
            hint=f"see {error.json_path} in it",
        ) from error


def answer_violation(answer: str, validator: Validator) -> dict[str, Any] | None:
    """Return how an answer breaks the recipe's schema, or None; text that is no JSON breaks it."""
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        return {"why": f"no JSON: {error}", "path": "$"}
    return _broken(value, validator)


def violation(value: Any, schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first place where a value breaks a tool's schema: ``why`` and ``path``; None if it keeps it."""
    validator = _validator_of_tool(compact_json(schema))
    return None if validator is None else _broken(value, validator)


def _broken(value: Any, validator: Validator) -> dict[str, Any] | None:
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = None if validator.is_valid(value) else best_match(validator.iter_errors(value))
    except (Unresolvable, RecursionError):
        return None  # a reference that leads nowhere, or to itself
    return None if error is None else {"why": error.message[:300], "path": error.json_path}


@lru_cache(maxsize=4096)
def _validator_of_tool(schema: str) -> Validator | None:
    """Return what validates the arguments of a tool, or None if its schema is none even when taken kindly."""
    from jsonschema.exceptions import SchemaError

    try:
        return _validator(_meant(from_json(schema)))
    except SchemaError:
        return None


def _validator(schema: Any) -> Validator:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=Registry())


def _meant(schema: Any) -> Any:
    """Return a schema with types spelt as JSON Schema has them and without ``pattern``, whose cost nobody bounds."""
    if not isinstance(schema, dict):
        return schema
    meant = {}
    for key, value in schema.items():
        if key == "type":
            value = _type(value)
            if value is None:
                continue
        elif key in ("pattern", "format"):
            continue
        elif key == "required" and not isinstance(value, list):
            continue  # 'required: true' beside an argument, as older drafts had it
        elif key in _SCHEMAS:
            value = _meant(value)
        elif key in _SCHEMA_LISTS and isinstance(value, list):
            value = [_meant(one) for one in value]
        elif key in _SCHEMA_MAPS and isinstance(value, dict):
            value = {name: _meant(one) for name, one in value.items()}
        meant[key] = value
    if schema.get("nullable") is True and isinstance(meant.get("type"), str):
        meant["type"] = [meant["type"], "null"]
    return meant


def _type(value: Any) -> Any:
    """Return a type as JSON Schema spells it; None for any type ('any', unknown words)."""
    if isinstance(value, list):
        types = [_type(one) for one in value]
        return None if None in types or not types else sorted(set(types))
    lowered = str(value).lower()
    name = _TYPES.get(lowered, lowered)
    return name if name in _KNOWN else None
