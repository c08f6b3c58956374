"""Is a row usable? Each check looks at one row and raises the rule it breaks, with the evidence.

Owns rules about single rows and about labels. Does not own repairs (`clean`) nor rules about several rows (`dedup`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from tunesmith.core.errors import DataError, did_you_mean
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
        raise RowFault("no_weight", expected="at least one assistant message with weight 1")
    for message in messages:
        if message.get("weight", 0) not in (0, 1):
            raise RowFault("bad_weight", found=message["weight"], expected="0 or 1")


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


def _check_label(label: str, names: Sequence[str] | None) -> None:
    if names is not None and label not in names:
        raise RowFault("unknown_label", label=label, hint=did_you_mean(label, names)[:300])


def check_labels(rows: Sequence[Row], recipe: Recipe) -> list[str]:
    """Return sentences about the labels of a classification that people should know.

    Raises:
        DataError: if there is only one label, nearly every row has one of its own, or one occurs once without being
            named in the recipe.
    """
    counts = Counter(row.label or "" for row in rows)
    where = ", ".join(recipe.data.train)
    if len(counts) < 2:
        raise DataError(
            f"{where}: every usable row has the same label, {next(iter(counts), '')!r}",
            expected="at least two labels to tell apart",
            hint="check data.columns.target in the recipe",
        )
    if len(counts) > 20 and len(counts) > 0.9 * len(rows):
        raise DataError(
            f"{where}: {len(counts):,} different labels in {len(rows):,} rows: this column is no label",
            expected="labels that repeat",
            hint="check data.columns.target, or use task: chat for free answers",
        )
    if recipe.data.labels.names is None:
        _refuse_single(rows, counts)
    return _label_notes(counts, recipe.data.labels.names)


def _refuse_single(rows: Sequence[Row], counts: Counter[str]) -> None:
    """Refuse labels that occur once, unless the recipe names them: most are typing errors."""
    once = [row for row in rows if counts[row.label or ""] == 1]
    if not once:
        return
    label = once[0].label or ""
    others = [other for other in counts if counts[other] > 1]
    more = f" ({len(once)} labels occur once: {_listed([row.label for row in once])})" if len(once) > 1 else ""
    raise DataError(
        f"{once[0].source}:{once[0].line}: the label {label!r} occurs only once{more}",
        expected="at least two examples of a label: one to learn from, one to test on",
        hint=f"{did_you_mean(label, others)[:300]}; correct or remove it, or list all labels in data.labels.names",
    )


def _label_notes(counts: Counter[str], names: Sequence[str] | None) -> list[str]:
    notes = []
    once = sorted(label for label, count in counts.items() if count < 2)
    if once:
        notes.append(
            f"{len(once)} label(s) occur once and cannot be both learnt and tested: kept in train: {_listed(once)}"
        )
    folded = Counter(label.casefold() for label in counts)
    twins = sorted(label for label in counts if folded[label.casefold()] > 1)
    if twins:
        notes.append(f"labels that differ only in case are taken as different: {_listed(twins)}")
    unused = sorted(set(names or ()) - set(counts))
    if unused:
        notes.append(f"{len(unused)} of data.labels.names have no example: {_listed(unused)}")
    return notes


def _listed(items: Sequence[Any], limit: int = 8) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(map(str, items[:limit])) + more
