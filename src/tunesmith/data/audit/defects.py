"""Which defect is planted for which rule, why some rules have none, and what is planted that must stay.

Owns the table: every rule that can take, change or flag a row has a line in `DEFECTS` or a reason in `NOT_PLANTED`
(`tests/data/test_audit.py` holds it), and which of them a recipe has on. Does not own how a row is spoilt
(`in_questions`, `in_answers`, `in_records`, `in_both`) nor where (`plant`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tunesmith.data.audit import in_answers, in_both, in_questions, in_records
from tunesmith.data.audit.rows import Row, answer, question

if TYPE_CHECKING:
    from tunesmith.data.audit.rows import Kit, Spoil
    from tunesmith.recipe import Recipe

EVERY = frozenset({"classify", "extract", "chat", "preference"})
FREE = frozenset({"chat", "preference"})


class Place(Enum):
    """Where a spoilt row goes: instead of its row, beside it, or into train while the row is held out."""

    INSTEAD = "instead"
    BESIDE = "beside"
    HELD_OUT = "held out"
    EVALUATED = "evaluated"
    """Nothing is spoilt: the row's question goes into an evaluation file."""


@dataclass(frozen=True)
class Defect:
    """What is planted for a rule.

    ``or_by`` are rules that are as right about it; ``also`` those that are right about it though it is not planted for
    them: their word counts for their own precision alone; ``stirs`` those that may speak of it rightly or not, because
    the planting does more than it should, and whose precision it does not count for. A row that one of ``shuns`` speaks
    of is not fit, nor is one that a rule meant for the defect speaks of. What is ``sound`` is no defect: a row like
    another that the rule must not take.
    """

    rule: str
    name: str
    spoil: Spoil
    tasks: frozenset[str] = EVERY
    place: Place = Place.INSTEAD
    or_by: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    stirs: frozenset[str] = frozenset()
    shuns: frozenset[str] = frozenset()
    sound: bool = False

    @property
    def meant(self) -> frozenset[str]:
        """The rules whose word counts as found."""
        return self.or_by | {self.rule}


def _nearly_and_other_answer(row: Row, kit: Kit) -> Row | None:
    near = question(in_questions.nearly)(row, kit)
    assert not isinstance(near, str)
    other = in_answers.of_another(row, kit)
    return near.answering(other) if near is not None and other is not None else None


def _as_it_is(row: Row, kit: Kit) -> Row | None:
    return row if len(row.asked.split()) >= in_questions.SHORTEST_WORDS else None


_ASKED, _ANSWER = question, answer
_NO_COPY = frozenset({"conflict", "near_conflict", "duplicate", "near_duplicate", "semantic_duplicate", "label_error"})
_ODD = frozenset({"mismatch", "truncated", "language", "refusal", "gibberish"})
"""What an answer that is another's, or a few words of another kind, may be besides."""
_SPACE = frozenset({"whitespace"})
_LABEL = frozenset({"label_error"})

DEFECTS = (
    Defect("invalid_json", "a line that is no JSON", in_records.broken_json, or_by=frozenset({"wrong_format"})),
    Defect("not_an_object", "a line that is no object", in_records.no_object),
    Defect("wrong_format", "a record of another format", in_records.other_format),
    Defect("unknown_role", "a role nobody knows", in_records.unknown_role, EVERY - {"preference"}),
    Defect("unsupported_content", "a picture in the question", in_records.with_picture),
    Defect("roles", "no answer after the question", in_records.no_answer_turn, EVERY - {"preference"}),
    Defect("turns", "two turns of one role", in_records.turns, EVERY - {"preference"}),
    Defect("no_weight", "no answer with a weight", in_records.no_weight, EVERY - {"preference"}),
    Defect("bad_weight", "a weight of 2", in_records.bad_weight, EVERY - {"preference"}),
    Defect("no_rejected", "no second answer", in_records.no_rejected, frozenset({"preference"}),
           or_by=frozenset({"wrong_format"})),
    Defect("same_answers", "twice the same answer", in_records.same_answers, frozenset({"preference"})),
    Defect("empty_input", "no question", _ASKED(in_questions.nothing)),
    Defect("empty_answer", "no answer", _ANSWER(in_answers.nothing), or_by=frozenset({"wrong_format", "roles"})),
    Defect("not_json", "an answer that is no JSON object", _ANSWER(in_answers.no_json), frozenset({"extract"})),
    Defect("schema", "an answer against the schema", _ANSWER(in_answers.against_schema), frozenset({"extract"})),
    Defect("almost_json", "JSON in a code block, a comma too many", _ANSWER(in_answers.wrapped_json),
           frozenset({"extract"})),
    Defect("unknown_label", "a label that is not listed", _ANSWER(in_answers.unknown_label), frozenset({"classify"})),
    Defect("label_error", "the label of another row", _ANSWER(in_answers.other_label), frozenset({"classify"})),
    Defect("too_long", "a question longer than the base reads", in_records.too_long, stirs=_ODD),
    Defect("encoding", "UTF-8 read as Windows-1252", _ASKED(in_questions.mojibake)),
    Defect("html", "tags of a web form", _ASKED(in_questions.html), stirs=_SPACE),
    Defect("furniture", "lines of a web page", _ASKED(in_questions.page_around), FREE, stirs=_SPACE),
    Defect("control", "a letter nobody sees", _ASKED(in_questions.control), stirs=_SPACE),
    Defect("whitespace", "blank lines and spaces", _ASKED(in_questions.spaces)),
    Defect("no_input", "<noinput>", _ASKED(in_questions.no_input), FREE, or_by=frozenset({"html"})),
    Defect("gibberish", "letters at random, question", _ASKED(in_questions.gibberish), EVERY - FREE, stirs=_NO_COPY),
    Defect("gibberish", "letters at random, answer", _ANSWER(in_answers.gibberish), FREE, stirs=_ODD),
    Defect("pii", "personal data", _ASKED(in_questions.personal)),
    Defect("secret", "a key or a password", _ASKED(in_questions.secret)),
    Defect("missing_attachment", "a file that is not there", _ASKED(in_questions.attachment), FREE,
           or_by=frozenset({"image_request"}), stirs=_ODD | _NO_COPY),
    Defect("image_request", "asks for a picture", _ASKED(in_questions.picture), FREE,
           or_by=frozenset({"missing_attachment"}), stirs=_ODD | _NO_COPY),
    Defect("unread_link", "asks what a linked page says", _ASKED(in_questions.linked_page), FREE,
           stirs=_ODD | _NO_COPY),
    Defect("injection", "commands to the model", _ASKED(in_questions.injection), FREE),
    Defect("no_answer", "a word that stands for an answer", _ANSWER(in_answers.stand_in), FREE,
           or_by=frozenset({"empty_answer"})),
    Defect("ai_disclaimer", "words of another assistant", _ANSWER(in_answers.disclaimer), FREE),
    Defect("refusal", "a refusal", _ANSWER(in_answers.refusal), FREE, stirs=_ODD),
    Defect("repetition", "words in a loop", _ANSWER(in_answers.loop), FREE, stirs=_ODD),
    Defect("language", "an answer in another language", _ANSWER(in_answers.foreign), FREE, stirs=_ODD),
    Defect("truncated", "an answer cut off", _ANSWER(in_answers.cut), FREE),
    Defect("placeholder", "a slot not filled in", _ANSWER(in_answers.slot), FREE, stirs=frozenset({"truncated"})),
    Defect("url_answer", "a link as answer", _ANSWER(in_answers.link), FREE, stirs=_ODD),
    Defect("echo", "the question as answer", _ANSWER(in_answers.echo), FREE, stirs=frozenset({"truncated"})),
    Defect("mismatch", "the answer of another row", _ANSWER(in_answers.long_of_another), FREE, stirs=_ODD),
    Defect("arithmetic", "a wrong sum", _ANSWER(in_answers.wrong_sum), FREE),
    Defect("merged", "a second instruction", _ANSWER(in_answers.second_task), FREE),
    Defect("code_fence", "a block of code left open", _ANSWER(in_answers.open_fence), FREE,
           or_by=frozenset({"truncated"})),
    Defect("tool_calls", "a call against the tool's schema", in_records.tool_call, EVERY - {"extract", "classify"},
           stirs=_ODD),
    Defect("duplicate", "a copy in other case or spacing", _ASKED(in_questions.other_case), place=Place.BESIDE,
           stirs=_NO_COPY | {"whitespace", "truncated"}),
    Defect("near_duplicate", "a copy with a word more", _ASKED(in_questions.nearly), place=Place.BESIDE,
           or_by=frozenset({"duplicate"}), stirs=_NO_COPY),
    Defect("semantic_duplicate", "a copy turned round", _ASKED(in_questions.turned_round), place=Place.BESIDE,
           or_by=frozenset({"duplicate", "near_duplicate"}), stirs=_NO_COPY),
    Defect("conflict", "another answer to the question", _ANSWER(in_answers.of_another), place=Place.BESIDE,
           also=_LABEL, stirs=_NO_COPY | _ODD),
    Defect("near_conflict", "another answer to nearly the question", _nearly_and_other_answer, place=Place.BESIDE,
           or_by=frozenset({"conflict"}), also=_LABEL, stirs=_NO_COPY | _ODD),
    Defect("leak", "a question of the test", lambda row, kit: row, place=Place.HELD_OUT,
           or_by=frozenset({"near_leak"}), shuns=_NO_COPY),
    Defect("near_leak", "nearly a question of the test", _ASKED(in_questions.nearly), place=Place.HELD_OUT,
           or_by=frozenset({"leak"}), shuns=_NO_COPY),
    Defect("contaminated", "a question of an evaluation file", _as_it_is, place=Place.EVALUATED,
           shuns=_NO_COPY),
)  # fmt: skip

MUST_STAY = (
    Defect("near_duplicate", "another value in question and answer", in_both.other_value, EVERY - {"classify"},
           place=Place.BESIDE, or_by=frozenset({"duplicate", "semantic_duplicate"}), stirs=_NO_COPY | _ODD,
           sound=True),
)  # fmt: skip
"""What no rule meant for it may take: a row beside its own, of which both teach something."""

NOT_PLANTED = {
    "invalid_csv": "the copy is written as JSONL; what reading a CSV costs shows in removed.parquet",
    "ragged_row": "the copy is written as JSONL; what reading a CSV costs shows in removed.parquet",
    "not_rendered": "hangs on the base's chat template alone: no conversation is refused by all of them",
    "irrelevant": "what is far from the target only the target says; its verdict has an AUC on texts held out of it",
    "template_cap": "counts rows of a template; none of them is at fault",
    "balance_cap": "counts rows of a group; none of them is at fault",
    "size": "counts rows; none of them is at fault",
}
"""Rule to the reason why no defect is planted for it."""

PLANTED_ELSEWHERE = {
    "label_error": "a wrong answer of a closed set is planted only where answers are labels (classify)",
    "tool_calls": "a faulty call is planted only where answers may be calls (chat, preference)",
    **dict.fromkeys(
        ("unknown_role", "roles", "turns", "no_weight", "bad_weight"), "a pair of answers has no turns to spoil"
    ),
}
"""Rule to the reason why it is planted for some tasks only, though it speaks in others. Rules that are in neither table
do not look at rows of other tasks than their defect's."""


def is_on(rule: str, recipe: Recipe) -> bool:
    """Tell whether a recipe lets a rule speak."""
    data = recipe.data
    if rule in type(data.clean).model_fields:
        return bool(getattr(data.clean, rule) != "off")
    asked_for = {
        "schema": data.clean.answer_schema is not None,
        "unknown_label": data.labels.names is not None,
        "label_error": data.labels.fix != "off",
        "pii": data.privacy.pii != "off",
        "secret": data.privacy.secrets != "off",
        "duplicate": data.dedup.exact,
        **dict.fromkeys(("near_duplicate", "near_conflict", "near_leak"), data.dedup.near is not None),
        "semantic_duplicate": data.dedup.semantic is not None,
        "template_cap": data.dedup.max_template_rows is not None,
        "contaminated": bool(data.decontaminate),
        "irrelevant": data.relevance is not None,
        "balance_cap": data.balance is not None and data.balance.cap is not None,
        "size": data.size is not None,
    }
    return asked_for.get(rule, True)


def defects_of(recipe: Recipe) -> list[Defect]:
    """Return what is planted for the rules that a recipe has on and that look at rows of its task."""
    own = [one for one in (*DEFECTS, *MUST_STAY) if recipe.task in one.tasks and is_on(one.rule, recipe)]
    if recipe.data.privacy.ner is not None:
        own.insert(0, Defect("pii", "the name of somebody", _ASKED(in_questions.person)))
    return own
