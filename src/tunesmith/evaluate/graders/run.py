"""Graders as metrics: each row's score from the row and its answer.

Owns what graders see (``item``, ``sample``). A row that a grader cannot score counts as 0 and is told; one that lacks a
column that the grader is about does not count. Does not own the forms (`recipe.graders`), templates, formulas and
similarities (their modules), nor how models are asked (`providers`).
"""

from __future__ import annotations

import json
import keyword
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.progress import say
from tunesmith.evaluate.graders.formula import Formula
from tunesmith.evaluate.graders.similarity import similarity
from tunesmith.evaluate.graders.template import NotThere, check_template, fill, item_paths
from tunesmith.evaluate.grading import parse_json
from tunesmith.evaluate.judge.wording import label_form, read_label, read_mark, score_form
from tunesmith.evaluate.metric import Metric, Rows, own_column, share
from tunesmith.evaluate.sandbox.run import Limits, check_closed, run_program
from tunesmith.evaluate.tool_calls import read_calls
from tunesmith.providers.chat import ChatRequest, check_sampling
from tunesmith.recipe.graders import LabelModel, Multi, PythonGrader, ScoreModel, StringCheck, TextSimilarity

if TYPE_CHECKING:
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.judge.judging import Judging
    from tunesmith.recipe.graders import Single
    from tunesmith.recipe.judge import Judge
    from tunesmith.text.examples import Example

Values = Mapping[str, Any]
"""What a grader sees of one row: ``item`` and ``sample``."""

LIMITS = Limits(seconds=120.0, memory_bytes=2 << 30)
"""What the Python code of a grader may take for one row, as at OpenAI."""

PIECE_ROWS = 64
"""Rows that a grader's Python code scores in one process; where that fails, each in its own."""


class _Unscored(Exception):
    """A row that a grader cannot score, and why."""


Score = float | str | None
"""A number; or why there is none, as a text; or None for a row that lacks a column the grader is about."""

Scores = Callable[[Sequence[Values]], list[Score]]


@dataclass(frozen=True)
class _Place:
    """Where a grader stands in the recipe, and who is asked if it asks a model: the recipe's judge, once at work."""

    where: str
    judge: Judge | None
    judging: Judging | None = None

    def at(self, key: str) -> _Place:
        return replace(self, where=f"{self.where}.graders.{key}")


def grader_metric(grader: Single | Multi, where: str, judge: Judge | None = None) -> Metric:
    """Return the metric of a grader: the mean of its scores, or with a threshold the share of rows that reach it.

    ``judge`` is the recipe's, whose service a grader that asks a model asks.

    Raises:
        RecipeError: for a grader that cannot run here, with what is wrong in it.
    """
    _scores(grader, _Place(where, judge))
    name, column = grader.name, own_column(grader.name)
    threshold = getattr(grader, "pass_threshold", None)
    least = 0.5 if isinstance(grader, StringCheck | LabelModel) else threshold
    meaning = f"mean score of the grader {name} ({grader.type})"
    if threshold is not None:
        meaning = f"share of rows with a score of {threshold:g} or more by the grader {name} ({grader.type})"

    def columns(rows: Rows) -> Columns:
        scores = _scores(grader, _Place(where, judge, rows.judging))
        found = scores(seen(rows))
        _tell_faults(name, found, rows, scores)
        numbers = np.array([one if isinstance(one, float) else 0.0 for one in found])
        passed = np.array([isinstance(one, float) and least is not None and one >= least for one in found], dtype=bool)
        return {
            column: numbers if least is None else passed,
            f"has {column}": np.array([one is not None for one in found], dtype=bool),
        }

    proportion = column if least is not None else None
    is_share = proportion is not None or isinstance(grader, TextSimilarity)
    return Metric(
        name,
        meaning,
        share(column),
        proportion,
        f"has {column}",
        _looked_at(grader),
        is_share=is_share,
        columns=columns,
        check=lambda: _check(grader),
        asks=asks(grader),
    )


def score_one(grader: Single | Multi, where: str, text: str, item: Mapping[str, Any]) -> dict[str, Score]:
    """Return what a grader that asks no model says of one text, under "", and of a sum what each part says, by its key.

    Raises:
        RecipeError: for a grader that cannot run here, with what is wrong in it.
        MissingExtraError: without what a similarity is computed with.
    """
    row, place = {"item": item, "sample": _sample(text)}, _Place(where, None)
    [whole] = _scores(grader, place)([row])
    parts = _parts(grader) if isinstance(grader, Multi) else {}
    return {"": whole, **{key: _scores(part, place.at(key))([row])[0] for key, part in parts.items()}}


def asks(grader: Single | Multi) -> bool:
    """Return whether a grader asks a model."""
    parts = _parts(grader).values() if isinstance(grader, Multi) else [grader]
    return any(isinstance(part, ScoreModel | LabelModel) for part in parts)


def _check(grader: Single | Multi) -> None:
    """Raise what keeps this machine from running a grader."""
    if isinstance(grader, Multi):
        for part in _parts(grader).values():
            _check(part)
    elif isinstance(grader, PythonGrader):
        check_closed()
    elif isinstance(grader, TextSimilarity):
        similarity(grader.evaluation_metric, grader.name)("a", "b")


def _looked_at(grader: Single | Multi) -> str:
    """Return the columns of a row that a grader's templates name, for people."""
    return ", ".join(sorted(set(item_paths(json.dumps(grader.model_dump(mode="json")))))) or "anything to score"


def _parts(grader: Multi) -> dict[str, Single]:
    return grader.graders if isinstance(grader.graders, dict) else {grader.graders.name: grader.graders}


def seen(rows: Rows) -> list[Values]:
    """Return what graders see of each row.

    ``item`` has what the row kept of its own columns, and ``input``, ``reference_answer`` (the right answer),
    ``label``, ``tools`` and ``messages``. ``sample`` has ``output_text``, ``output_json`` (if the answer is JSON) and
    ``output_tools`` (the calls in it).
    """
    return _seen(rows, rows.answers.texts)


def _seen(rows: Rows, texts: Sequence[str]) -> list[Values]:
    return [
        {"item": _item(example, right), "sample": _sample(text)}
        for example, right, text in zip(rows.examples, rows.expected, texts, strict=True)
    ]


def _item(example: Example, right: str) -> dict[str, Any]:
    own = {"input": example.input_text, "reference_answer": right, "messages": example.messages[:-1]}
    if example.label is not None:
        own["label"] = example.label
    return {**own, **({"tools": example.tools} if example.tools else {}), **example.kept}


def _sample(text: str) -> dict[str, Any]:
    found, calls = parse_json(text), read_calls(text) or []
    tools = [{"type": "function", "function": {"name": one.name, "arguments": dict(one.arguments)}} for one in calls]
    return {"output_text": text, **({"output_json": found.value} if found.valid else {}), "output_tools": tools}


def _tell_faults(name: str, scores: Sequence[Score], rows: Rows, score: Scores) -> None:
    """Say how many rows a grader failed on.

    Raises:
        DataError: if it failed on all, and does so on the right answers too: then the answers are not to blame.
    """
    faults = [(number, why) for number, why in enumerate(scores) if isinstance(why, str)]
    if not faults:
        return
    first, why = faults[0]
    told = f"row {rows.examples[first].row_id}: {why}"
    if len(faults) == sum(one is not None for one in scores):
        some = [number for number, _ in faults[:PIECE_ROWS]]
        right = _seen(rows, rows.expected)
        if all(isinstance(one, str) for one in score([right[number] for number in some])):
            raise DataError(
                f"evaluate.graders: {name} could score none of {len(faults):,} rows, nor their right answers; {told}",
                hint="try the grader on the right answers, which are {{ item.reference_answer }}",
            )
    say(f"  grader {name}: {len(faults):,} of {len(scores):,} rows count as 0; {told}")


def _scores(grader: Single | Multi, place: _Place) -> Scores:
    if isinstance(grader, Multi):
        return _multi(grader, place)
    if isinstance(grader, PythonGrader):
        return _python(grader, place.where)
    if isinstance(grader, ScoreModel | LabelModel):
        return _judged(grader, place)
    score = _rowwise(grader, place.where)

    def scores(rows: Sequence[Values]) -> list[Score]:
        return [_scored(score, row) for row in rows]

    return scores


def _scored(score: Callable[[Any], float], seen: Any) -> Score:
    try:
        return score(seen)
    except NotThere as nowhere:
        return nowhere.as_score()
    except (_Unscored, ArithmeticError) as error:
        return str(error)


def _rowwise(grader: StringCheck | TextSimilarity, where: str) -> Callable[[Values], float]:
    if isinstance(grader, StringCheck):
        _check_templates(where, grader.input, grader.reference)
        check = _CHECKS[grader.operation]
        return lambda row: float(check(fill(grader.input, row), fill(grader.reference, row)))
    _check_templates(where, grader.input, grader.reference)
    alike = similarity(grader.evaluation_metric, where)
    return lambda row: alike(fill(grader.input, row), fill(grader.reference, row))


_CHECKS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}


def _judged(grader: ScoreModel | LabelModel, place: _Place) -> Scores:
    where, judge = place.where, place.judge
    if judge is None:
        raise RecipeError(
            f"{where}: {grader.type} asks another model, and the recipe does not say where that is",
            expected="evaluate.judge with the api, base_url and key_env of the service",
            hint="evaluate: {judge: {api: openai, model: ...}}; the grader names its own model",
        )
    turns = [(str(one.get("role", "user")), _content(one, where)) for one in grader.input]
    form = score_form(grader.range) if isinstance(grader, ScoreModel) else label_form(grader.labels)
    _check_templates(where, *(content for _, content in turns))
    sampling = _sampling(grader) if isinstance(grader, ScoreModel) else {}
    check_sampling(judge.api, sampling, f"{where}.sampling_params")

    def scores(rows: Sequence[Values]) -> list[Score]:
        assert place.judging is not None, "a grader that asks a model without the judge"
        filled = [_filled(turns, form, row) for row in rows]
        requests = [ChatRequest(grader.model, one, sampling) for one in filled if isinstance(one, list)]
        replies = iter(place.judging.asker.ask(requests, f"grader {grader.name}"))
        return [_scored(read, next(replies).text) if isinstance(one, list) else one for one in filled]

    def read(said: str) -> float:
        if isinstance(grader, LabelModel):
            label = read_label(said, grader.labels)
            found = None if label is None else float(label in grader.passing_labels)
        else:
            found = read_mark(said, grader.range)
        if found is None:
            raise _Unscored(f"{grader.model} gave {_wanted(grader)}: {said[-200:]!r}")
        return found

    return scores


def _wanted(grader: ScoreModel | LabelModel) -> str:
    """Return what an answer that cannot be read lacks, for people."""
    if isinstance(grader, LabelModel):
        return "none of the labels"
    return f"no number from {grader.range[0]:g} to {grader.range[1]:g}"


def _filled(turns: Sequence[tuple[str, str]], form: str, row: Values) -> list[dict[str, str]] | str | None:
    """Return the messages about a row, with the form of an answer at their end; or, as a score, why there are none."""
    try:
        found = [{"role": role, "content": fill(content, row)} for role, content in turns]
    except NotThere as nowhere:
        return nowhere.as_score()
    if found and found[-1]["role"] == "user":
        found[-1]["content"] += f"\n\n{form}"
    else:
        found.append({"role": "user", "content": form})
    return found


def _sampling(grader: ScoreModel) -> dict[str, Any]:
    """Return OpenAI's sampling parameters of a grader by the names that all services share."""
    given = dict(grader.sampling_params or {})
    if "max_completions_tokens" in given:
        given["max_tokens"] = given.pop("max_completions_tokens")
    return {name: value for name, value in given.items() if value is not None}


def _content(message: Mapping[str, Any], where: str) -> str:
    content = message.get("content")
    parts = [one.get("text") if isinstance(one, Mapping) else one for one in _parts_of(content)]
    texts = [one for one in parts if isinstance(one, str)]
    if not parts or len(texts) < len(parts):
        raise RecipeError(
            f"{where}.input: a message with other parts than text, or none: {content!r:.100}",
            expected="{role: user, content: text}",
        )
    return "\n".join(texts)


def _parts_of(content: Any) -> Sequence[Any]:
    return content if isinstance(content, Sequence) and not isinstance(content, str) else [content]


def _python(grader: PythonGrader, where: str) -> Scores:
    try:
        compile(grader.source, f"{where}.source", "exec")
    except (SyntaxError, ValueError) as error:
        raise RecipeError(f"{where}.source is no Python: {error}", expected="def grade(sample, item): ...") from error

    def scores(rows: Sequence[Values]) -> list[Score]:
        found: list[Score] = []
        for start in range(0, len(rows), PIECE_ROWS):
            piece = rows[start : start + PIECE_ROWS]
            together = _run(grader.source, piece)
            found += together if together is not None else [_alone(grader.source, row) for row in piece]
        return found

    return scores


def _run(source: str, rows: Sequence[Values]) -> list[Score] | None:
    """Return the scores of some rows by one process; None if it did not come to its end."""
    ended = run_program(source, [("grade", [row["sample"], row["item"]]) for row in rows], LIMITS)
    return [_number(one) for one in ended.values] if ended.status == "ok" else None


def _alone(source: str, row: Values) -> Score:
    ended = run_program(source, [("grade", [row["sample"], row["item"]])], LIMITS)
    return _number(ended.values[0]) if ended.status == "ok" else ended.detail


def _number(result: Mapping[str, Any]) -> Score:
    if "error" in result:
        return str(result["error"])
    value = result["value"]
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # of a whole number beyond what a float holds
        number = math.nan
    return number if math.isfinite(number) else f"grade returned {value!r:.100}, not a number"


def _multi(grader: Multi, place: _Place) -> Scores:
    parts = _parts(grader)
    for key in parts:
        if not key.isidentifier() or keyword.iskeyword(key):
            raise RecipeError(
                f"{place.where}.graders: no formula can name {key!r}",
                expected="letters, digits and _, no word of Python's",
            )
    formula = Formula(grader.calculate_output, parts.keys(), f"{place.where}.calculate_output")
    makers = {key: _scores(part, place.at(key)) for key, part in parts.items()}

    def scores(rows: Sequence[Values]) -> list[Score]:
        columns = {key: make(rows) for key, make in makers.items()}
        return [_together(formula, {key: column[row] for key, column in columns.items()}) for row in range(len(rows))]

    return scores


def _together(formula: Formula, scores: Mapping[str, Score]) -> Score:
    numbers: dict[str, float] = {}
    for key, one in scores.items():
        if one is None:
            return None
        if isinstance(one, str):
            return f"{key}: {one}"
        numbers[key] = one
    try:
        return formula.value(numbers)
    except ArithmeticError as error:
        return f"calculate_output: {error}"


def _check_templates(where: str, *templates: str) -> None:
    for template in templates:
        check_template(template, where)
