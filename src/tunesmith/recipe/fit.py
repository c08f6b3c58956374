"""Settings of ``data`` that nothing would look at in this recipe: none is ignored in silence.

Owns which setting says nothing for which task or beside which other setting, and why. What asks for anything but the
default is an error (`refuse_idle`); a default written out changes nothing and is only noted (`idle_notes`). Does not
own what the stages do with a setting. A new setting that some task does not look at gets its line in `_idle`;
``tests/data/test_every_setting.py`` fails until every setting of data is shown to do something or to be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.recipe.section import Section
    from tunesmith.recipe.whole import Recipe

FREE_ANSWERS = ("chat", "preference")
"""Tasks whose answers are texts of their own; labels and JSON are not judged as such."""

OF_FREE_ANSWERS = (
    "no_input", "furniture", "merged", "code_fence", "no_answer", "ai_disclaimer", "refusal", "repetition", "truncated",
    "missing_attachment", "image_request", "unread_link", "url_answer", "echo", "mismatch", "arithmetic",
)  # fmt: skip
"""Rules of ``data.clean`` about free answers, and about questions whose answer would be invented."""

OF_PAIRS = ("dpo", "kto")
"""Objectives that compare a chosen answer with a rejected one."""

_OF_DPO = ("variant", "label_smoothing", "nll_weight", "margin")
_OF_KTO = ("desirable_weight", "undesirable_weight")

Idle = tuple[str, str]
"""The dotted key of a setting, and why it says nothing here and what to do instead."""


def refuse_idle(recipe: Recipe) -> None:
    """Raise if a setting that nothing looks at asks for anything but its default, or for being off.

    Raises:
        ValueError: that begins with the setting's dotted key and a colon.
    """
    for key, why in _idle(recipe):
        if _given(recipe, key) and not _is_default(recipe, key):
            raise ValueError(f"{key}: {why}")


def refuse_unfit_objective(recipe: Recipe) -> None:
    """Raise if the objective needs what the task's examples do not have.

    Raises:
        ValueError: that begins with the setting's dotted key and a colon.
    """
    if recipe.objective in OF_PAIRS and recipe.task != "preference":
        why = f"{recipe.objective} compares a chosen answer with a rejected one, and examples of {recipe.task} have one"
        raise ValueError(f"train.objective: {why}; task: preference, or objective: sft")


def idle_notes(recipe: Recipe) -> list[str]:
    """Return a sentence for all settings that are written out at their defaults and not looked at for one reason."""
    given: dict[str, list[str]] = {}
    for key, why in _idle(recipe):
        if _given(recipe, key) and _value(recipe, key) is not None:
            given.setdefault(why, []).append(key)
    return [f"{', '.join(keys)}: {why}" for why, keys in given.items()]


def _idle(recipe: Recipe) -> Iterator[Idle]:
    yield from _idle_for_task(recipe)
    yield from _idle_for_objective(recipe)
    yield from _idle_for_teacher(recipe)
    yield from _idle_for_method(recipe)
    yield from _idle_beside_others(recipe)


def _idle_for_task(recipe: Recipe) -> Iterator[Idle]:
    task, clean = recipe.task, recipe.data.clean
    if task not in FREE_ANSWERS:
        answers = "labels" if task == "classify" else "JSON"
        for rule in OF_FREE_ANSWERS:
            yield f"data.clean.{rule}", f"about free answers, and those of {task} are {answers}; leave it out"
        if clean.languages is None:
            why = f"the answers of {task} are {answers}; say in data.clean.languages which languages inputs may be in"
            yield "data.clean.language", why
    if task != "extract":
        yield "data.clean.almost_json", f"mends the JSON of extract, and this is {task}; leave it out"
    if task not in ("chat", "extract"):
        answers = "a label" if task == "classify" else "one of two"
        yield "data.canaries", f"secrets to be learnt as answers, and an answer of {task} is {answers}; leave it out"
    if task == "classify":
        yield "data.clean.answer_schema", "for JSON, and answers of classify are labels; list them in data.labels.names"
    else:
        yield "data.labels.names", f"the labels of classify, and this is {task}; leave it out"
    if task == "preference":
        yield "data.labels.fix", "for answers out of a closed set, and preference has none; leave it out"
        yield "data.columns", "plain columns hold no rejected answers; write prompt, chosen and rejected"
        yield "prompt.candidates", "preference has no answers to give, so prompts are not compared; leave it out"
    if task == "classify":
        yield "prompt.answer_weights", "about parts of answers, and those of classify are labels; leave it out"
    if task == "extract" and recipe.data.labels.fix == "relabel":
        yield "data.labels.fix", "relabel cannot replace a field of JSON; use flag or remove"


def _idle_for_objective(recipe: Recipe) -> Iterator[Idle]:
    objective = recipe.objective
    if objective not in OF_PAIRS:
        for name in ("beta", *_OF_DPO, *_OF_KTO):
            yield f"train.preference.{name}", f"of objectives dpo and kto, and this is {objective}; leave it out"
        return
    for name in _OF_KTO if objective == "dpo" else _OF_DPO:
        yield f"train.preference.{name}", f"objective {objective} does not use it; leave it out"
    regularise = "train.regularise"
    why = "about wrong tokens; data has preferences that are wrong: train.preference.label_smoothing says how many"
    yield f"{regularise}.label_smoothing", why
    why = f"{objective} compares answers, and the prompt of both is the same; leave it out, or train.objective: sft"
    yield "prompt.prompt_loss_weight", why
    why = f"{objective} compares whole answers; leave it out, or train.objective: sft"
    yield "prompt.answer_weights", why
    why = f"{objective} compares both answers with what the base says of them, under one prompt; leave it out"
    yield "prompt.variants", why
    yield "prompt.teacher", f"{objective} learns which answer is better, not what a teacher says; leave it out"
    yield f"{regularise}.r_drop", f"for objective sft, and this is {objective}; leave it out"


def _idle_for_teacher(recipe: Recipe) -> Iterator[Idle]:
    if recipe.prompt.teacher is None:
        return
    yield "prompt.prompt_loss_weight", "a teacher says what answers are, not prompts; leave one of them out"
    yield "prompt.answer_weights", "a teacher says what every token of an answer is; leave one of them out"
    for name in ("label_smoothing", "r_drop"):
        yield (
            f"train.regularise.{name}",
            "about the answers of train, and prompt.teacher says what is learnt; leave it out",
        )


def _idle_for_method(recipe: Recipe) -> Iterator[Idle]:
    method = recipe.train.method
    if method in ("full", "tokens"):
        for name in type(recipe.train.lora).model_fields:
            yield f"train.lora.{name}", f"of methods lora, dora and qlora, and this is {method}; leave it out"
    if method == "tokens":
        why = "a factor from layer to layer, and method tokens trains new rows alone, at the whole rate"
        yield "train.schedule.layer_decay", f"{why}; leave it out, or train.method: lora"
    if recipe.data.split.valid == 0 and not recipe.data.valid:
        for name in ("eval_every", "regularise.early_stopping"):
            yield f"train.{name}", "looks at validation examples, and there are none; data.split.valid: 0.1"


def _idle_beside_others(recipe: Recipe) -> Iterator[Idle]:
    data = recipe.data
    if data.clean.language == "off":
        yield "data.clean.languages", "data.clean.language is off; leave one of them out"
    if data.dedup.semantic is None:
        yield "data.dedup.embedding", "for semantic duplicates; give data.dedup.semantic too, such as 0.95"
    if data.dedup.near is None:
        for name in ("max_template_rows", "max_cluster_frac"):
            yield f"data.dedup.{name}", "for near duplicates, and data.dedup.near is off (null); leave it out"
    if data.format not in ("auto", "columns"):
        yield "data.columns", f"for plain columns, and data.format is {data.format}; leave one of them out"
    for part in ("valid", "test"):
        if getattr(data, part):
            yield f"data.split.{part}", f"nothing is held out of train, since data.{part} names files; leave it out"
    if data.columns is not None and data.columns.group is not None:
        yield "data.split.group_by", "the same as data.columns.group; leave one of them out"


def _section(recipe: Recipe, key: str) -> tuple[Section | None, str]:
    """Return the section a dotted key is in, None if that is not there, and the last part of the key."""
    *sections, name = key.split(".")
    section: Any = recipe
    for one in sections:
        section = getattr(section, one)
        if section is None:
            break
    return section, name


def _given(recipe: Recipe, key: str) -> bool:
    section, name = _section(recipe, key)
    return section is not None and name in section.model_fields_set and getattr(section, name) not in ("off", 0.0)


def _value(recipe: Recipe, key: str) -> Any:
    section, name = _section(recipe, key)
    return getattr(section, name)


def _is_default(recipe: Recipe, key: str) -> bool:
    section, name = _section(recipe, key)
    default = type(section).model_fields[name].get_default(call_default_factory=True) if section else None
    return bool(_value(recipe, key) == default)
