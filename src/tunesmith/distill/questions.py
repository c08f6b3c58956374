"""The questions a teacher is asked: of files without answers, or of the recipe's own train split.

Owns which turns of a record are the question. Does not own reading files (`data.read`) nor the prompt (`rivals`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.errors import DataError
from tunesmith.data.beside import text_columns
from tunesmith.data.read.columns import Mapping
from tunesmith.data.read.files import read
from tunesmith.data.read.formats import FORMATS, from_columns, unpacked
from tunesmith.data.read.recognise import recognised
from tunesmith.data.read.sources import expand
from tunesmith.data.rows import RowFault
from tunesmith.text.examples import Example, Message, read_examples
from tunesmith.update.harvest import question_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.store import Store
    from tunesmith.data.read.files import Table
    from tunesmith.data.rows import Row
    from tunesmith.recipe import Recipe

SETTING = "distill.questions"
NO_ANSWER: Message = {"role": "assistant", "content": ""}


@dataclass
class Questions:
    """Conversations that end with an empty answer; ``meta`` has their ``source`` and ``line``. Records that hold no
    question are in ``left_out``, with the reason; ``again`` counts questions that stood there before.
    """

    rows: list[Example] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    again: int = 0


def questions_of(recipe: Recipe, folder: Path, dataset: Artifact | None, store: Store | None = None) -> Questions:
    """Return the questions that ``distill`` is about, each once, in their order.

    Args:
        recipe: with ``distill``.
        folder: what its paths are relative to.
        dataset: the recipe's Dataset, whose train split is asked where neither files nor traffic are.
        store: where traffic is.

    Raises:
        DataError: if a file is not there or no question is in any.
    """
    assert recipe.distill is not None
    found = Questions()
    if recipe.distill.traffic:
        assert store is not None
        found.rows += _captured(store, recipe.name)
    if recipe.distill.questions:
        for source in expand(recipe.distill.questions, folder, SETTING):
            _take(read(source), recipe, found)
    elif not recipe.distill.traffic:
        assert dataset is not None
        found.rows = [_asked(one) for one in read_examples(dataset.path / "train.parquet")]
    if not found.rows:
        where = "in the captured traffic" if recipe.distill.traffic else "in any file"
        raise DataError(f"distill: no question is {where}", expected="a text or a conversation each")
    return _once(found, recipe.distill.rows, recipe.seed)


def _once(found: Questions, most: int | None, seed: int) -> Questions:
    first: dict[str, Example] = {}
    for one in found.rows:
        first.setdefault(question_key(one.messages), one)
    once = list(first.values())
    again = len(found.rows) - len(once)
    if most is not None and most < len(once):
        once = [once[place] for place in sorted(random.Random(seed).sample(range(len(once)), most))]
    return Questions(once, found.left_out, again)


def _captured(store: Store, name: str) -> Iterator[Example]:
    """Yield what users asked a released name and were answered, oldest first; redacted, as it was kept."""
    requests = tables.requests
    wanted = (
        sa.select(requests.c.id, requests.c.messages)
        .where(requests.c.name == name, requests.c.status == HTTPStatus.OK)
        .order_by(requests.c.at, requests.c.id)
    )
    with store.reading() as connection:
        rows = connection.execute(wanted).all()
    for row in rows:
        yield Example([*row.messages, NO_ANSWER], row.id, meta={"source": "traffic", "line": row.id})


def _asked(example: Example) -> Example:
    meta = {"source": "train", "line": example.row_id, **example.meta}
    return Example([*example.messages[:-1], NO_ANSWER], example.row_id, tools=example.tools, meta=meta)


def _take(table: Table, recipe: Recipe, found: Questions) -> None:
    """Add the questions of a file."""
    row_of = _reader(table, recipe)
    for bad in table.bad:
        found.left_out.append({"source": table.label, "line": bad.line, "why": bad.rule})
    for record in table.rows:
        where = {"source": table.label, "line": record.line}
        try:
            row = row_of(record.fields)
        except RowFault as fault:
            found.left_out.append({**where, "why": fault.rule, **fault.evidence})
            continue
        turns = row.messages[:-1] if row.messages and row.messages[-1]["role"] == "assistant" else row.messages
        if turns and turns[-1]["role"] in ("user", "tool") and str(turns[-1].get("content") or "").strip():
            name = f"{table.label}, line {record.line}"
            found.rows.append(Example([*turns, NO_ANSWER], name, tools=row.tools, meta=where))
        else:
            found.left_out.append({**where, "why": "no_question"})


def _reader(table: Table, recipe: Recipe) -> Callable[[dict[str, Any]], Row]:
    """Return what makes a conversation of a record, which need not have an answer."""
    form = recognised(table)
    if form is None and {"instruction", "input"} <= set(table.columns):
        form = "alpaca"
    if form is not None:
        return lambda record: FORMATS[form](unpacked(record))
    given = recipe.data.columns
    names = text_columns(table.columns, table.label, SETTING, given.input if given else ())
    mapping = Mapping(tuple(names), "", None, None, "without answers")
    return lambda record: from_columns(record, mapping, recipe.task)
