"""Columns of written answers that a metric asks for by name: the same number, the same text, JSON, lengths, fields.

Does not own what a number is (`numeric`), what the same text is (`normalised`), nor what a slot is (`grading`).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.grading import parse_json, slots
from tunesmith.evaluate.normalised import normalised
from tunesmith.evaluate.numeric import last_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Rows


def same_normalised(rows: Rows) -> Columns:
    """Return ``normalised``: whether the answer is the right one but for case, punctuation, articles and spaces."""
    pairs = zip(rows.expected, rows.answers.texts, strict=True)
    return {"normalised": np.array([normalised(right) == normalised(text) for right, text in pairs], dtype=bool)}


def same_number(rows: Rows) -> Columns:
    """Return ``number``: whether the answer gives the right number; ``has_number``: whether there is one to give."""
    right = [last_number(one) for one in rows.expected]
    same = [one is not None and one == last_number(text) for one, text in zip(right, rows.answers.texts, strict=True)]
    has_number = np.array([one is not None for one in right], dtype=bool)
    return {"number": np.array(same, dtype=bool), "has_number": has_number}


def json_columns(rows: Rows) -> Columns:
    """Return ``valid``: whether the answer is JSON."""
    return {"valid": np.array([parse_json(text).valid for text in rows.answers.texts], dtype=bool)}


def schema_columns(schema: dict[str, Any]) -> Callable[[Rows], Columns]:
    """Return the maker of ``schema_valid``: whether the answer is JSON that keeps a schema, as ``prepare`` reads it.

    Nothing is fetched: a reference that leads out of the schema, or nowhere, asks for nothing.

    Raises:
        RecipeError: if it is no JSON Schema.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise RecipeError(f"data.clean.answer_schema is no JSON Schema: {error.message}") from error
    validator = Draft202012Validator(schema, registry=Registry())

    def keeps(text: str) -> bool:
        found = parse_json(text)
        try:
            return found.valid and validator.is_valid(found.value)
        except (Unresolvable, RecursionError):
            return True

    def columns(rows: Rows) -> Columns:
        return {"schema_valid": np.array([keeps(text) for text in rows.answers.texts], dtype=bool)}

    return columns


def length_columns(rows: Rows) -> Columns:
    """Return ``chars`` and ``written``: the answer's characters, and its tokens without the one that ends it.

    Of a system that writes no tokens, as the nearest question, those are not a number.
    """
    texts, written = rows.answers.texts, rows.answers.written
    tokens = np.array(written, dtype=np.float64) if written else np.full(len(texts), math.nan)
    return {"chars": np.array([len(text) for text in texts]), "written": tokens}


def byte_columns(rows: Rows) -> Columns:
    """Return ``bytes``: of the right answer in UTF-8, 0 where the model could not weigh it."""
    pairs = zip(rows.expected, rows.answers.tokens, strict=True)
    return {"bytes": np.array([len(right.encode()) if tokens else 0 for right, tokens in pairs])}


def field_columns(field: str) -> Callable[[Rows], Columns]:
    """Return the maker of ``hits``, ``claimed`` and ``there`` of one field, named by its path as ``address.city``.

    ``has:<field>`` says of all rows whether any right answer among them has the field.
    """

    def columns(rows: Rows) -> Columns:
        there = [_of_field(right, field) for right in rows.expected]
        given = [_of_field(text, field) for text in rows.answers.texts]
        return {
            f"hits:{field}": np.array([(one & other).total() for one, other in zip(there, given, strict=True)]),
            f"claimed:{field}": np.array([one.total() for one in given]),
            f"there:{field}": np.array([one.total() for one in there]),
            f"has:{field}": np.full(len(there), any(there)),
        }

    return columns


def _of_field(text: str, field: str) -> Counter[str]:
    """Return a text's slots of a field, its parts and list items included."""
    found = parse_json(text)
    if not found.valid:
        return Counter()
    return Counter({slot: times for slot, times in slots(found.value).items() if _lies_in(slot, field)})


def _lies_in(slot: str, field: str) -> bool:
    path: str = parse_json(slot).value[0]
    return path == field or path.startswith((f"{field}.", f"{field}["))
