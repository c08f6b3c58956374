"""The judge of single rows: every rule about noise and errors that can be seen but not mended, one after another.

Owns the list of rules, which texts of which task each looks at, and `Finding`. Does not own any rule (each has its
module), repairs (`clean`), nor what only several rows tell (`duplicates`). A `Noise` may work in any process, on any
rows, in any order: nothing is kept between rows but the counts of `habits`, which merge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.arithmetic import arithmetic
from tunesmith.data.noise.attachments import (
    ATTACHMENT_TRIGGERS,
    IMAGE_TRIGGERS,
    URL_TRIGGERS,
    image_request,
    missing_attachment,
    unread_link,
    url_answer,
)
from tunesmith.data.noise.corpus import ANSWERED, Habits, mismatch
from tunesmith.data.noise.endings import truncated
from tunesmith.data.noise.exchange import View, exchanges, unanswered
from tunesmith.data.noise.gibberish import gibberish, gibberish_in
from tunesmith.data.noise.language import other_language, outside
from tunesmith.data.noise.leftovers import INJECTION_TRIGGERS, injection, lost_letters, merged, placeholder
from tunesmith.data.noise.loops import repetition
from tunesmith.data.noise.nonanswers import ai_disclaimer, echo, may_be_answer, no_answer, refusal
from tunesmith.data.noise.toolcalls import answer_violation, schema_of_answers, tool_calls
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.data.noise.exchange import Exchange
    from tunesmith.data.rows import Row
    from tunesmith.recipe import Recipe

    Judge = Callable[[Exchange], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that one text of a row breaks: where, the evidence, and what the recipe says to do (remove or flag).

    ``habit`` names the habit of the data without which the finding says nothing: keep it, and remove the row for it,
    only once all rows are counted (`data.habits`).
    """

    rule: str
    action: str
    field: str
    evidence: dict[str, Any] = dataclasses.field(default_factory=dict)
    habit: str = ""


_OF_ANSWERS: dict[str, Judge] = {
    "no_answer": no_answer,
    "ai_disclaimer": ai_disclaimer,
    "refusal": refusal,
    "echo": echo,
    "repetition": repetition,
    "gibberish": gibberish_in,
    "arithmetic": arithmetic,
    "url_answer": url_answer,
}
_OF_QUESTIONS: dict[str, tuple[Judge, frozenset[str]]] = {
    "missing_attachment": (missing_attachment, ATTACHMENT_TRIGGERS),
    "image_request": (image_request, IMAGE_TRIGGERS),
    "unread_link": (unread_link, URL_TRIGGERS),
    "injection": (injection, INJECTION_TRIGGERS),
}


def _injection_in(view: View) -> dict[str, Any] | None:
    return None if INJECTION_TRIGGERS.isdisjoint(view.unique) else injection(unanswered(view))


def _placeholder_in(view: View) -> dict[str, Any] | None:
    return placeholder(view, unanswered(view))


_OF_INPUTS: dict[str, Callable[[View], dict[str, Any] | None]] = {
    "gibberish": gibberish,
    "encoding": lost_letters,
    "injection": _injection_in,
    "placeholder": _placeholder_in,
}
_TRIGGERS = frozenset[str]().union(*(triggers for _, triggers in _OF_QUESTIONS.values()))
"""A question without any of these words breaks no rule about questions: one intersection asks for all of them."""


class Noise:
    """Judges rows one by one, after `Cleaner` has mended them and `check_row` has let them pass.

    Args:
        recipe: Says what to do with each kind; ``off`` is not looked for.

    Raises:
        RecipeError: if ``data.clean.answer_schema`` is no JSON Schema.
    """

    def __init__(self, recipe: Recipe) -> None:
        clean = recipe.data.clean
        self.task = recipe.task
        self.actions: dict[str, str] = {
            name: "flag" if action == "repair" else action
            for name, action in clean.model_dump(include=set(_RULES)).items()
            if action != "off"
        }
        self.schema = None
        if clean.answer_schema is not None:
            self.schema = schema_of_answers(clean.answer_schema)
        self.languages = None if clean.languages is None else frozenset(clean.languages)
        self.answers = [(name, judge) for name, judge in _OF_ANSWERS.items() if name in self.actions]
        self.questions = [(name, *judge) for name, judge in _OF_QUESTIONS.items() if name in self.actions]
        self.inputs = [(name, judge) for name, judge in _OF_INPUTS.items() if name in self.actions]
        if self.languages is not None and "language" in self.actions:
            self.inputs.append(("language", partial(outside, allowed=self.languages)))
        self.habits = Habits()

    def judge(self, row: Row) -> list[Finding]:
        """Return what is wrong with a row, those to remove it for first; a clean row has none.

        Classifications and extractions have labels and JSON as answers: there only the input is judged. JSON is held
        against the recipe's schema, if that has one.
        """
        if self.task in ("chat", "preference"):
            found = [finding for exchange in exchanges(row) for finding in self._exchange(exchange)]
        else:
            found = list(self._input(row))
        if row.tools and "tool_calls" in self.actions and (why := tool_calls(row)) is not None:
            found.append(self._finding("tool_calls", why.pop("field"), why))
        if len(found) > 1:
            found.sort(key=lambda finding: finding.action != "remove")
        return found

    def _exchange(self, exchange: Exchange) -> Iterator[Finding]:
        for name, judge in self.answers:
            if (why := judge(exchange)) is not None:
                habit = ANSWERED if name == "no_answer" and may_be_answer(why["answer"]) else ""
                yield self._finding(name, exchange.answer_name, why, habit)
        words = exchange.prompt.unique & _TRIGGERS
        for name, judge, triggers in self.questions:
            if not triggers.isdisjoint(words) and (why := judge(exchange)) is not None:
                yield self._finding(name, exchange.prompt_name, why)
        yield from self._with_care(exchange)

    def _with_care(self, exchange: Exchange) -> Iterator[Finding]:
        """Judge by the rules that need more than the exchange, or look at both of its texts."""
        actions = self.actions
        answer = exchange.answer_name
        if "language" in actions and (why := other_language(exchange, self.languages, self.habits)) is not None:
            yield self._finding("language", answer, why, why.pop("habit", ""))
        if "truncated" in actions and (why := truncated(exchange, self.habits)) is not None:
            yield self._finding("truncated", answer, why, why.pop("habit", ""))
        if "mismatch" in actions and (why := mismatch(exchange, self.habits)) is not None:
            yield self._finding("mismatch", answer, why, "words")
        if "merged" in actions and (why := merged(exchange)) is not None:
            yield self._finding("merged", why.pop("field"), why)
        for view, name in ((exchange.prompt, exchange.prompt_name), (exchange.answer, answer)):
            if "placeholder" in actions and (why := placeholder(view, exchange)) is not None:
                yield self._finding("placeholder", name, why)
            if "encoding" in actions and (why := lost_letters(view)) is not None:
                yield self._finding("encoding", name, why)
        yield from self._schema(exchange.answer.text, answer)

    def _input(self, row: Row) -> Iterator[Finding]:
        """Judge a text to classify or to extract from, and an extracted answer."""
        users = [number for number, message in enumerate(row.messages) if message["role"] == "user"]
        if users:
            view, name = View(text_of(row.messages[users[-1]])), f"messages[{users[-1]}]"
            for rule, judge in self.inputs:
                if (why := judge(view)) is not None:
                    yield self._finding(rule, name, why)
        yield from self._schema(text_of(row.answer), f"messages[{len(row.messages) - 1}]")

    def _schema(self, answer: str, where: str) -> Iterator[Finding]:
        if self.schema is not None and (why := answer_violation(answer, self.schema)) is not None:
            yield Finding("schema", "remove", where, why)

    def _finding(self, rule: str, where: str, evidence: dict[str, Any], habit: str = "") -> Finding:
        return Finding(rule, self.actions[rule], where, evidence, habit)


_RULES = (
    *_OF_ANSWERS,
    *_OF_QUESTIONS,
    *("language", "truncated", "mismatch", "merged", "placeholder", "encoding", "tool_calls"),
)
