"""Which metrics each task has, and which of them a recipe measures.

Owns names, meanings and defaults. Does not own what they compute (`values` and the makers of columns) nor intervals
(`metric`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.evaluate import overlap, text_columns, values
from tunesmith.evaluate.code import code_columns
from tunesmith.evaluate.ifeval.follow import IFEVAL
from tunesmith.evaluate.ifeval.wording import check_languages
from tunesmith.evaluate.judge.columns import judge_metrics
from tunesmith.evaluate.metric import Metric as Metric
from tunesmith.evaluate.metric import share
from tunesmith.evaluate.own import own_metrics
from tunesmith.evaluate.sandbox.run import check_closed
from tunesmith.evaluate.suites.names import NAMES, suite_metrics, suite_of
from tunesmith.evaluate.tool_calls import call_columns

if TYPE_CHECKING:
    from tunesmith.recipe import Recipe

_EXACT = Metric("exact_match", "share of answers that are the right one", share("correct"), "correct")
_NLL = Metric(
    "nll", "nats by which the right answer is missed", values.mean_nats, higher_is_better=False, is_share=False
)
_PERPLEXITY = Metric(
    "perplexity", "exp of the nats per target token", values.perplexity, higher_is_better=False, is_share=False
)
_LABEL_PERPLEXITY = replace(_PERPLEXITY, meaning="exp of the nats of the right label: 1 is certainty")
_VALID_JSON = Metric("valid_json", "share of answers that are JSON", share("valid"), "valid")
_BITS = Metric(
    "bits_per_byte", "bits the model needs for a byte of the right answers", values.bits_per_byte,
    higher_is_better=False, is_share=False, columns=text_columns.byte_columns,
)  # fmt: skip
_TEXT = (
    Metric(
        "normalised_match", "share of answers that are the right one but for case, punctuation and articles",
        share("normalised"), "normalised", columns=text_columns.same_normalised, of_texts=True,
    ),
    Metric(
        "numeric_match", "share of answers that end in the right number, of the rows that have one",
        share("number"), "number", "has_number", "a number in its right answer", columns=text_columns.same_number,
        of_texts=True,
    ),
    *(
        Metric(
            name, f"mean F1 of {what} shared with the right answer (ROUGE-{name[5:]})", share(name),
            columns=overlap.rouge_columns(name), of_texts=True, check=overlap.check_rouge,
        )
        for name, what in (("rouge1", "words"), ("rouge2", "pairs of words"), ("rougeL", "the longest word sequence"))
    ),
    Metric(
        "bleu", "BLEU over all rows, 0 to 100", overlap.bleu,
        is_share=False, most=100.0, columns=overlap.bleu_columns, of_texts=True, check=overlap.check_sacrebleu,
    ),
    Metric(
        "chrf", "chrF over all rows, 0 to 100", overlap.chrf,
        is_share=False, most=100.0, columns=overlap.chrf_columns, of_texts=True, check=overlap.check_sacrebleu,
    ),
    _BITS,
    Metric(
        "answer_tokens", "mean length of the answers in tokens", share("written"),
        is_share=False, is_quality=False, columns=text_columns.length_columns,
    ),
    Metric(
        "answer_chars", "mean length of the answers in characters", share("chars"),
        is_share=False, is_quality=False, columns=text_columns.length_columns,
    ),
)  # fmt: skip


_INSTRUCTIONS = "instructions (data.keep: [instruction_id_list, kwargs])"


def _ifeval(way: str, words: str) -> tuple[Metric, Metric]:
    """Return the metrics of one way to look at instructions: all of a row's together, and one by one."""
    name, maker = f"ifeval_{way}", IFEVAL[way]
    return (
        Metric(
            name, f"share of rows with instructions that follow all of them, {words}", share(name), name, "has_ifeval",
            _INSTRUCTIONS, columns=maker, check=check_languages,
        ),
        Metric(
            f"{name}_each", f"share of instructions that are followed, {words}",
            values.share_of_parts(f"{name}_followed", "ifeval_asked"), among="has_ifeval",
            about=_INSTRUCTIONS, columns=maker, check=check_languages,
        ),
    )  # fmt: skip


_WORDS = Metric("token_f1", "mean F1 of the words shared with the right answer", share("overlap"))

METRICS: dict[str, tuple[Metric, ...]] = {
    "classify": (
        Metric("accuracy", "share of rows with the right label", share("correct"), "correct"),
        Metric("macro_f1", "mean F1 of the labels, rare ones as much as frequent ones", values.macro_f1),
        _LABEL_PERPLEXITY,
        Metric("ece", "mean gap between probability and accuracy", values.calibration_error, higher_is_better=False),
        Metric("weighted_f1", "mean F1 of the labels, each as much as it has rows", values.weighted_f1),
        Metric("micro_f1", "F1 over all rows together: accuracy by another name", share("correct"), "correct"),
        _EXACT,
        _NLL,
    ),
    "extract": (
        _EXACT,
        Metric("slot_f1", "F1 of key and value pairs over all rows", values.slot_f1),
        Metric("slot_precision", "share of the given pairs that are right", values.slot_precision),
        Metric("slot_recall", "share of the right pairs that were given", values.slot_recall),
        _VALID_JSON,
        _PERPLEXITY,
        _NLL,
        *_TEXT,
    ),
    "chat": (
        _WORDS,
        _EXACT,
        _PERPLEXITY,
        _NLL,
        *_TEXT,
        replace(_VALID_JSON, columns=text_columns.json_columns, of_texts=True),
        Metric(
            "tool_calls", "share of rows with tools whose calls are the right ones, in any order",
            share("calls"), "calls", "has_tools", "tools", columns=call_columns,
        ),
        *(
            metric
            for way, words in (("strict", "as they stand"), ("loose", "a frame around the answer forgiven"))
            for metric in _ifeval(way, words)
        ),
        Metric(
            "pass_at_1", "share of rows with tests whose code passes them", share("passes"), "passes", "has_tests",
            "tests (data.keep: [test, entry_point, prompt])",
            columns=code_columns, check=check_closed,
        ),
    ),
    "preference": (
        Metric("preference_accuracy", "share of pairs whose chosen answer is preferred", share("correct"), "correct"),
        Metric("margin", "mean implicit reward of chosen above rejected, in nats", share("margin"), is_share=False),
        replace(_PERPLEXITY, meaning="exp of the nats per token of the chosen answer"),
        _NLL,
    ),
}  # fmt: skip
"""Task to its metrics; the first is the one that decides unless the gate says otherwise."""

_DEFAULT = {
    "classify": ("accuracy", "macro_f1", "perplexity", "ece"),
    "extract": (
        "exact_match", "slot_f1", "slot_precision", "slot_recall", "valid_json", "schema_valid", "perplexity"
    ),
    "chat": ("token_f1", "exact_match", "schema_valid", "perplexity"),
    "preference": ("preference_accuracy", "margin", "perplexity"),
}  # fmt: skip
_FIELD = "slot_f1."
HERE = Path()


def known_metrics(recipe: Recipe, folder: Path | None) -> dict[str, Metric]:
    """Return the metrics that a recipe can name: those of its task, its judge, and its own graders and functions.

    ``folder`` is what the paths of the recipe are relative to; None leaves its own out.

    Raises:
        RecipeError: if a setting that makes one is at fault.
    """
    known = _of_task(recipe)
    if folder is None:
        return known
    known |= {one.name: one for one in judge_metrics(recipe)}
    taken = {*known, *(name for some in NAMES.values() for name in some)}
    return known | {one.name: one for one in own_metrics(recipe, folder, taken)}


def _of_task(recipe: Recipe) -> dict[str, Metric]:
    known = {metric.name: metric for metric in METRICS[recipe.task]}
    schema = recipe.data.clean.answer_schema
    if schema is not None and recipe.task in ("extract", "chat"):
        known["schema_valid"] = Metric(
            "schema_valid", "share of answers that keep data.clean.answer_schema", share("schema_valid"),
            "schema_valid", columns=text_columns.schema_columns(schema),
        )  # fmt: skip
    return known


def chosen_metrics(recipe: Recipe, folder: Path = HERE) -> list[Metric]:
    """Return the metrics to measure: the recipe's (or the task's), its own graders and functions, and the gate's.

    Raises:
        RecipeError: for a metric the task does not have, or a limit on the side of it that has none.
    """
    known, of_task, settings = known_metrics(recipe, folder), _of_task(recipe), recipe.evaluate
    names = list(settings.metrics) or [name for name in _DEFAULT[recipe.task] if name in known]
    chosen = [_find(name, "evaluate.metrics", recipe, known) for name in names]
    chosen += [metric for name, metric in known.items() if name not in of_task]
    chosen.append(main_metric(recipe, folder))
    chosen += [limited_metric(name, "minimum", recipe, folder) for name in settings.gate.minimum]
    chosen += [limited_metric(name, "maximum", recipe, folder) for name in settings.gate.maximum]
    return list({metric.name: metric for metric in chosen if not metric.suite}.values())


def stopping_metric(recipe: Recipe) -> Metric | None:
    """Return the metric that stops training and chooses its weights; None if that is the validation loss.

    Graders and functions of the recipe's own measure the finished model alone.

    Raises:
        RecipeError: for a metric the task does not have, or one that says nothing about better and worse.
    """
    settings = recipe.train.regularise.early_stopping
    if settings is None or settings.metric == "valid_loss":
        return None
    return deciding_metric(settings.metric, "train.regularise.early_stopping.metric", recipe, None)


def main_metric(recipe: Recipe, folder: Path = HERE) -> Metric:
    """Return the metric that decides.

    Raises:
        RecipeError: if the gate names one the task does not have, or one that says nothing about better and worse.
    """
    name = recipe.evaluate.gate.metric or METRICS[recipe.task][0].name
    return deciding_metric(name, "evaluate.gate.metric", recipe, folder)


def deciding_metric(name: str, where: str, recipe: Recipe, folder: Path | None) -> Metric:
    """Return a metric on which a decision can rest; ``where`` is the setting that names it.

    Raises:
        RecipeError: for a metric the task does not have, or one that says nothing about better and worse.
    """
    metric = find_metric(name, where, recipe, folder)
    if not metric.is_quality:
        raise RecipeError(
            f"{where}: {name} says nothing about better and worse",
            expected="a metric of quality, such as " + METRICS[recipe.task][0].name,
        )
    return metric


def gated_metric(name: str, where: str, recipe: Recipe, folder: Path) -> Metric:
    """Return a metric on which the gate can rest, those of the recipe's suites among them.

    Raises:
        RecipeError: if there is none of that name, or it says nothing about better and worse.
    """
    return _of_suite(name, recipe, folder) or deciding_metric(name, where, recipe, folder)


def _of_suite(name: str, recipe: Recipe, folder: Path) -> Metric | None:
    """Return a metric of one of the recipe's suites; None if none measures it."""
    if suite_of(name) not in recipe.evaluate.suites:
        return None
    return suite_metrics(recipe, main_metric(recipe, folder))[name]


def limited_metric(name: str, kind: str, recipe: Recipe, folder: Path) -> Metric:
    """Return a metric that the gate gives a ``minimum`` or a ``maximum``.

    Raises:
        RecipeError: if there is none of that name, its better side has no such limit, or it is the same for every
            model.
    """
    metric = _of_suite(name, recipe, folder) or find_metric(name, f"evaluate.gate.{kind}", recipe, folder)
    if metric.own is not None:
        raise RecipeError(
            f"evaluate.gate.{kind}: {name} of the tuned model is {metric.own:g} by definition",
            hint=f"evaluate.gate.metrics: {{{name}: {{over: [base]}}}}",
        )
    if metric.is_quality and metric.higher_is_better == (kind == "minimum"):
        return metric
    better = ("more" if metric.higher_is_better else "less") if metric.is_quality else "neither less nor more"
    other = "maximum" if kind == "minimum" else "minimum"
    raise RecipeError(
        f"evaluate.gate.{kind}: of {name} {better} is better, so it can have no {kind}",
        expected=f"a metric where {'more' if kind == 'minimum' else 'less'} is better",
        hint=f"evaluate.gate.{other}: {{{name}: ...}}" if metric.is_quality else "",
    )


def find_metric(name: str, where: str, recipe: Recipe, folder: Path | None) -> Metric:
    """Return a metric of the test rows by its name; ``where`` is the setting that names it.

    Raises:
        RecipeError: if the task has none of that name.
    """
    return _find(name, where, recipe, known_metrics(recipe, folder))


def _find(name: str, where: str, recipe: Recipe, known: dict[str, Metric]) -> Metric:
    if name in known:
        return known[name]
    if recipe.task == "extract" and name.startswith(_FIELD) and name != _FIELD:
        field = name.removeprefix(_FIELD)
        return Metric(
            name, f"F1 of the pairs of {field} over all rows", values.field_f1(field),
            among=f"has:{field}", about=f"{field!r} in its right answer", columns=text_columns.field_columns(field),
        )  # fmt: skip
    if suite := suite_of(name):
        raise RecipeError(
            f"{where}: {name} is measured by the suite {suite}, on rows of its own",
            expected="a metric of the test rows" if suite in recipe.evaluate.suites else f"evaluate.suites: [{suite}]",
        )
    raise RecipeError(
        f"{where}: {recipe.task} has no metric {name!r}{_elsewhere(name)}",
        expected="some of " + ", ".join(known),
        hint="write the schema in data.clean.answer_schema" if name == "schema_valid" else did_you_mean(name, known),
    )


def _elsewhere(name: str) -> str:
    """Return in which tasks a metric is at home, if it is in any."""
    tasks = [task for task, metrics in METRICS.items() if any(one.name == name for one in metrics)]
    return f", which is for {' and '.join(tasks)}" if tasks else ""
