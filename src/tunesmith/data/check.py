"""Is a row usable? Each check looks at one row and raises the rule it breaks, with the evidence.

Owns rules about single rows. Does not own repairs (`clean`), rules about several rows (`duplicates`) nor the set of
labels (`labels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tunesmith.core.errors import did_you_mean
from tunesmith.data.rows import Row, RowFault, shortened
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.recipe import Recipe


def check_row(row: Row, recipe: Recipe) -> None:
    """Check one row after repair; for a classification, set its label.

    Raises:
        RowFault: with one of the rules ``roles``, ``empty_input``, ``empty_answer``, ``no_rejected``,
            ``same_answers``, ``not_json``, ``unknown_label``.
    """
    _check_roles(row)
    if not any(text_of(message).strip() for message in row.prompt if message["role"] in ("user", "tool")):
        raise RowFault("empty_input")
    _check_answer(row)
    if recipe.task == "preference":
        _check_rejected(row)
    if recipe.task == "extract":
        _check_json(row)
    if recipe.task == "classify":
        row.label = text_of(row.answer).strip()
        _check_label(row.label, recipe.data.labels.names)


def _check_roles(row: Row) -> None:
    messages = row.messages
    roles = [message["role"] for message in messages]
    if roles == ["user", "assistant"] and "weight" not in messages[0] and "weight" not in messages[1]:
        return  # most rows
    if not roles or roles[-1] != "assistant":
        raise RowFault("roles", found=roles, expected="a last message of role assistant")
    if "user" not in roles:
        raise RowFault("roles", found=roles, expected="at least one message of role user")
    if "system" in roles[1:]:
        raise RowFault("roles", found=roles, expected="a system message only at the start")
    if all(message.get("weight", 1) == 0 for message in messages if message["role"] == "assistant"):
        raise RowFault("no_weight", expected="at least one assistant message with a weight above 0")
    for message in messages:
        weight = message.get("weight", 0)
        if not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise RowFault("bad_weight", found=weight, expected="a number from 0 to 1")


def _check_answer(row: Row) -> None:
    if not text_of(row.answer).strip() and not row.answer.get("tool_calls"):
        raise RowFault("empty_answer")


def _check_rejected(row: Row) -> None:
    if not row.rejected:
        raise RowFault("no_rejected", expected="a rejected answer beside the preferred one")
    rejected = row.rejected[-1]
    if rejected["role"] != "assistant" or not (text_of(rejected).strip() or rejected.get("tool_calls")):
        raise RowFault("empty_answer", which="rejected")
    if text_of(rejected) == text_of(row.answer) and rejected.get("tool_calls") == row.answer.get("tool_calls"):
        raise RowFault("same_answers", expected="two different answers")


def _check_json(row: Row) -> None:
    answer = text_of(row.answer)
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise RowFault("not_json", error=str(error), answer=shortened(answer, 200)) from error
    if not isinstance(value, dict):
        raise RowFault("not_json", found=type(value).__name__, expected="a JSON object")


_NO_LABEL = ("nan", "NaN", "NAN")
"""What programs write for a value that is missing; a label only if the recipe lists it."""


def _check_label(label: str, names: Sequence[str] | None) -> None:
    if label in _NO_LABEL and label not in (names or ()):
        raise RowFault("empty_answer", found=label)
    if names is not None and label not in names:
        raise RowFault("unknown_label", label=label, hint=did_you_mean(label, names)[:300])
