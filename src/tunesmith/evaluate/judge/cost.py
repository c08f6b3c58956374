"""What a judge will take, before anything is asked: questions, tokens, money.

Owns the count. Answers are not there yet, so the right ones stand in for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.evaluate.judge.people import rows_with
from tunesmith.evaluate.judge.sample import judged_rows, sampled_rows
from tunesmith.evaluate.judge.wording import pair_messages, question_of, rubric_messages
from tunesmith.providers.cost import at_most

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.recipe import Recipe
    from tunesmith.recipe.judge import Judge
    from tunesmith.text.examples import Example


def planned(
    recipe: Recipe, test: Sequence[Example], others: Sequence[str], model_graders: int
) -> dict[str, Any] | None:
    """Return how many questions a judge gets at most, the tokens and the USD (None without prices); None without one.

    Args:
        recipe: with its judge.
        test: the test rows.
        others: the systems beside the tuned model.
        model_graders: how many graders ask a model.
    """
    judge = recipe.evaluate.judge
    if judge is None:
        return None
    judged = [test[place] for place in judged_rows(recipe, len(test))]
    rivals = [one for one in others if not judge.against or one in judge.against]
    systems = 1 + len(rivals)
    calls = {"rubric": 0, "pairwise": 0, "human": _of_people(judge, test), "graders": 0}
    chars = 0.0
    if judge.rubric is not None:
        rubric = judge.rubric
        calls["rubric"] = len(judged) * systems * judge.times
        chars += calls["rubric"] * _mean([_chars(rubric_messages(rubric, *_texts(one))) for one in judged])
    if judge.pairwise is not None:
        calls["pairwise"] = len(judged) * len(rivals) * 2 * judge.times
        asked = [pair_messages(judge.pairwise, q, a, a, r) for q, a, r in map(_texts, judged)]
        chars += calls["pairwise"] * _mean([_chars(one) for one in asked])
    if model_graders:
        slow = len(sampled_rows(recipe, len(test)))
        rows = sum(slow if who in ("base", "prompt") else len(test) for who in ["tuned", *others])
        calls["graders"] = model_graders * rows
    beside = calls["human"] + calls["graders"]
    chars += beside * _mean([len(one.asked_text) + 2 * len(one.target_text) for one in test])
    total = sum(calls.values())
    return {"calls": {**calls, "all": total}, **at_most(judge, chars, total)}


def _of_people(judge: Judge, test: Sequence[Example]) -> int:
    human = judge.human
    if human is None:
        return 0
    calls = 0
    if human.pair is not None and human.preferred is not None:
        calls += 2 * judge.times * min(judge.rows, len(rows_with(test, [*human.pair, human.preferred])))
    if human.answer is not None and human.score is not None:
        calls += judge.times * min(judge.rows, len(rows_with(test, [human.answer, human.score])))
    return calls


def _texts(one: Example) -> tuple[str, str, str]:
    return question_of(one.messages[:-1]), one.target_text, one.target_text


def _chars(messages: Sequence[Mapping[str, str]]) -> int:
    return sum(len(one["content"]) for one in messages)


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
