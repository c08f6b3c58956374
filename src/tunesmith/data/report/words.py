"""Rules and their evidence in words that a person who has not read the manual understands.

Owns these sentences. Does not own the rules, nor what their evidence holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_RULES = {
    "duplicate": "asks and answers the same as an earlier row, up to case and whitespace",
    "near_duplicate": "nearly the same question and answer as a row that stays",
    "semantic_duplicate": "means the same as a row that stays, in other words, and is answered the same",
    "leak": "its question is in a held-out file: the test would be easier than the world",
    "near_leak": "its question is nearly that of a held-out row",
    "contaminated": "holds an item of an evaluation file",
    "conflict": "the same question with different answers: at most one can be learnt",
    "near_conflict": "nearly the same question as another row, with a different answer",
    "size": "beyond the rows that data.size keeps; others like it stay",
    "balance_cap": "beyond what data.balance keeps of its group",
    "template_cap": "beyond the most rows kept of one template",
    "label_error": "another label fits better, says a probe that has not seen the row",
    "irrelevant": "far from the target that data.relevance names",
    "pii": "personal data, replaced by placeholders unless the recipe says otherwise",
    "secret": "keys and tokens",
    "too_long": "longer than the base reads: the answer would be cut",
    "not_rendered": "the base's chat template refuses it",
    "invalid_csv": "cannot be read as CSV",
    "ragged_row": "has more or fewer cells than the header",
    "invalid_json": "is no JSON",
    "not_an_object": "is JSON, but no object with named fields",
    "wrong_format": "does not fit the format of its file",
    "unknown_role": "has a turn of a role that nobody knows",
    "unsupported_content": "holds images or audio",
    "roles": "has no question, no answer, or a system message in the middle",
    "empty_input": "asks nothing",
    "empty_answer": "answers nothing",
    "no_weight": "has nothing to learn: every answer weighs 0",
    "bad_weight": "its weight is none: of a row from 0, of a turn from 0 to 1",
    "not_json": "its answer is no JSON object",
    "schema": "its answer breaks clean.answer_schema",
    "unknown_label": "its label is not in data.labels.names",
    "no_rejected": "has no second answer to prefer the first to",
    "same_answers": "prefers an answer to itself",
}


def rule_words(rule: str) -> str:
    """Return what a rule is about, or an empty string for one that nobody described."""
    from tunesmith.recipe import Clean

    if rule in _RULES:
        return _RULES[rule]
    field = Clean.model_fields.get(rule)
    return (field.description or "") if field else ""


def known_rules() -> frozenset[str]:
    """Return the names of all rules."""
    from tunesmith.recipe import Clean

    return frozenset(_RULES) | {name for name in Clean.model_fields if name not in ("answer_schema", "languages")}


def evidence_words(rule: str, evidence: Mapping[str, Any], near: float | None) -> str:
    """Return the evidence against a row as a sentence (plain text); what has no words of its own is listed.

    Empty if the rule says it all.
    """
    rest = dict(evidence)
    told = [
        words for part in (_stands_for, _twin, _item, _target, _label, _length, _finding) if (words := part(rest, near))
    ]
    told += [f"{key.replace('_', ' ')}: {value}" for key, value in rest.items() if value not in (None, "", [])]
    return "; ".join(told)


def _twin(rest: dict[str, Any], near: float | None) -> str:
    if "twin" not in rest:
        if "answers" in rest:
            return f"{rest.pop('answers')} different answers"
        return ""
    rest.pop("twin")
    told = f"its twin is {rest.pop('at', 'another row')}"
    if (held := rest.pop("held_out", None)) is not None:
        told += f", held out for {held}"
    if (jaccard := rest.pop("jaccard", None)) is not None:
        told += f": {jaccard_words(jaccard, near)}"
    if (cosine := rest.pop("cosine", None)) is not None:
        told += f": cosine of their meanings {cosine:.2f}"
    if (answers := rest.pop("answers", None)) is not None:
        told += f", {answers} different answers"
    if (most := rest.pop("max_template_rows", None)) is not None:
        told += f", one of {rest.pop('rows', '?')} rows of a template; {most} are kept"
    return told


def _stands_for(rest: dict[str, Any], near: float | None) -> str:
    """Return which row that stays is nearest to one that was not chosen."""
    if "max_examples" not in rest:
        return ""
    told = f"{rest.pop('max_examples'):,} rows are kept"
    if rest.pop("like", None):
        told += f"; the nearest of them is {rest.pop('at')}, cosine {rest.pop('cosine'):.2f}"
    return told


def _item(rest: dict[str, Any], near: float | None) -> str:
    if "item" not in rest:
        return ""
    rest.pop("item_text", None)
    rest.pop("span", None)
    score = rest.pop("score", None)
    return f"holds {rest.pop('item')}" + (f", match {percent(score)}" if score is not None else "")


def _target(rest: dict[str, Any], near: float | None) -> str:
    if not {"nearest", "similarity", "score", "threshold"} <= rest.keys():
        return ""
    rest.pop("nearest")
    return (
        f"scores {rest.pop('score'):.2f} against the target, threshold {rest.pop('threshold'):.2f}; its nearest text "
        f"there is alike by {percent(rest.pop('similarity'))}"
    )


def _label(rest: dict[str, Any], near: float | None) -> str:
    if "likely" not in rest:
        return ""
    own, likely = percent(rest.pop("p_label", None)), percent(rest.pop("p_likely", None))
    return f"labelled {rest.pop('label')} ({own}), looks like {rest.pop('likely')} ({likely})"


def percent(value: Any) -> str:
    """Return a share in percent; nothing is rounded to 0 or 100 that is not."""
    if not isinstance(value, int | float):
        return "?"
    if 0 < value < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= value < 1 else f"{100 * value:.0f} %"


def jaccard_words(jaccard: float, near: float | None) -> str:
    """Return how alike two prompts are, and from where they are the same."""
    limit = f" (from {percent(near)} they are the same)" if near is not None and jaccard >= near else ""
    return f"{percent(jaccard)} of their 5-word sequences agree{limit}"


def _length(rest: dict[str, Any], near: float | None) -> str:
    if "max_tokens" not in rest or "tokens" not in rest:
        return ""
    tokens, most = rest.pop("tokens"), rest.pop("max_tokens")
    return f"{tokens:,} tokens, {rest.pop('target_tokens', 0):,} of them the answer; the base reads {most:,}"


def _finding(rest: dict[str, Any], near: float | None) -> str:
    """Return what a rule about noise saw; the span itself is marked in the text."""
    if isinstance(rest.get("at"), int):
        rest.pop("at")
    field = rest.pop("field", None)
    told = []
    if (why := rest.pop("why", None)) is not None:
        told.append(str(why))
    if "repeated" in rest:
        times = rest.pop("copies", None)
        told.append(f"the marked part is there {times} times" if times else "the marked part goes on and on")
        rest.pop("chars", None)
    if {"stated", "value"} <= rest.keys():
        told.append(f"says {rest.pop('stated')}, it is {rest.pop('value'):g}")
    if {"prompt", "answer"} <= rest.keys():
        told.append(f"asked in {rest.pop('prompt')}, answered in {rest.pop('answer')}")
    for key in ("span", "repeated", "blob", "symbols", "answer", "end", "before"):
        rest.pop(key, None)
    return ", ".join(told) + (f" (in {field})" if field and told else "")


def span_of(evidence: Mapping[str, Any]) -> str:
    """Return the piece of a row's text that the evidence points at, or an empty string."""
    for key in ("span", "repeated", "blob", "symbols", "end"):
        if isinstance(found := evidence.get(key), str):
            return found
    return ""
