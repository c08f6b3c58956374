"""Whether answers follow their instructions: strictly as they are, or loosely, forgiving a frame around them.

Owns the kinds by name, the loose variants, and the columns of the metrics. Does not own any check (`wording`,
`lengths`, `forms`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.evaluate.ifeval import forms, lengths, wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Rows
    from tunesmith.text.examples import Example

KINDS: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "change_case:capital_word_frequency": wording.capital_words,
    "change_case:english_capital": wording.all_capitals,
    "change_case:english_lowercase": wording.all_lowercase,
    "combination:repeat_prompt": forms.repeats_prompt,
    "combination:two_responses": forms.two_responses,
    "detectable_content:number_placeholders": forms.placeholders,
    "detectable_content:postscript": forms.postscript,
    "detectable_format:constrained_response": forms.constrained,
    "detectable_format:json_format": forms.is_json,
    "detectable_format:multiple_sections": forms.sections,
    "detectable_format:number_bullet_lists": forms.bullets,
    "detectable_format:number_highlighted_sections": forms.highlights,
    "detectable_format:title": forms.title,
    "keywords:existence": wording.has_keywords,
    "keywords:forbidden_words": wording.no_forbidden_words,
    "keywords:frequency": wording.keyword_frequency,
    "keywords:letter_frequency": wording.letter_frequency,
    "language:response_language": wording.in_language,
    "length_constraints:nth_paragraph_first_word": lengths.first_word_of_paragraph,
    "length_constraints:number_paragraphs": lengths.paragraphs,
    "length_constraints:number_sentences": lengths.sentences,
    "length_constraints:number_words": lengths.words,
    "punctuation:no_comma": wording.no_comma,
    "startend:end_checker": forms.ends_with,
    "startend:quotation": forms.quoted,
}
"""IFEval's name of each kind of instruction, and what checks it."""

Instruction = tuple[str, dict[str, Any]]


def follows(text: str, instruction: Instruction, *, loose: bool = False) -> bool:
    """Return whether an answer follows an instruction; an empty one follows none.

    Loosely: also if it does without its first or last line or both, or without stars, as models put "Sure:" before and
    a question after what was asked for.

    Raises:
        ValueError: for arguments that the kind cannot take.
    """
    kind, given = instruction
    check = KINDS[kind]
    return any(bool(one.strip()) and check(one, given) for one in (_variants(text) if loose else [text]))


def instructions_of(example: Example) -> list[Instruction]:
    """Return the instructions that a row keeps in ``instruction_id_list`` and ``kwargs``; none if it has none.

    Arguments that are null are left out, as where every row has a place for every argument.

    Raises:
        DataError: for an unknown kind, or as many arguments as there are no instructions.
    """
    kinds, given = (_listed(example.kept.get(key)) for key in ("instruction_id_list", "kwargs"))
    if len(kinds) != len(given):
        raise DataError(f"row {example.row_id}: {len(kinds)} instructions and arguments for {len(given)}")
    for kind in kinds:
        if kind not in KINDS:
            raise DataError(f"row {example.row_id}: no instruction {kind!r}", hint=did_you_mean(str(kind), KINDS))
    return [
        (kind, {key: value for key, value in (own or {}).items() if value is not None})
        for kind, own in zip(kinds, given, strict=True)
    ]


def ifeval_columns(loose: bool) -> Callable[[Rows], Columns]:
    """Return the maker of the columns of one way to look, ``strict`` or ``loose``.

    ``ifeval_<way>`` says whether all instructions of a row were followed, ``…_followed`` how many, ``ifeval_asked``
    how many there are, ``has_ifeval`` whether there is any.

    Raises:
        DataError: (when made) for an instruction that cannot be checked.
    """
    way = "loose" if loose else "strict"

    def columns(rows: Rows) -> Columns:
        asked = [instructions_of(example) for example in rows.examples]
        followed = [
            [_checked(text, one, loose, example) for one in own]
            for text, own, example in zip(rows.answers.texts, asked, rows.examples, strict=True)
        ]
        return {
            f"ifeval_{way}": np.array([all(one) for one in followed], dtype=bool),
            f"ifeval_{way}_followed": np.array([sum(one) for one in followed], dtype=np.int64),
            "ifeval_asked": np.array([len(one) for one in asked], dtype=np.int64),
            "has_ifeval": np.array([bool(one) for one in asked], dtype=bool),
        }

    return columns


IFEVAL = {"strict": ifeval_columns(loose=False), "loose": ifeval_columns(loose=True)}
"""Way to look at an answer to the maker of its columns."""


def _checked(text: str, instruction: Instruction, loose: bool, example: Example) -> bool:
    try:
        return follows(text, instruction, loose=loose)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind, given = instruction
        raise DataError(f"row {example.row_id}: {kind} cannot be checked with {given!r} ({error!r})") from error


def _variants(text: str) -> Iterator[str]:
    lines = text.split("\n")
    frames = (text, "\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip())
    for one in frames:
        yield one
        yield one.replace("*", "")


def _listed(value: Any) -> list[Any]:
    """Return a list that stands in a column, also where a CSV file has it as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    return value if isinstance(value, list) else []
