"""Few-shot examples: chosen by rows and seed alone, even among labels, never too few in silence."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import RecipeError
from tunesmith.text.examples import Example
from tunesmith.text.shots import choose, shots_of


def example(question: str, answer: str, **more) -> Example:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Example(turns, label=answer, **more)


ROWS = st.lists(st.sampled_from("abc"), min_size=1, max_size=40).map(
    lambda labels: [example(f"question {number} {'x' * (number % 7)}", label) for number, label in enumerate(labels)]
)


@given(ROWS, st.integers(1, 50), st.integers(0, 3))
def test_labels_are_shown_as_evenly_as_there_are_rows(rows, count, seed):
    """Would let through: 8 examples of two labels of which 7 are of one, and the model learns to say that one."""
    chosen = choose(rows, count, seed, by_label=True)
    assert len(chosen) == min(count, len(rows)) and len({id(one) for one in chosen}) == len(chosen)
    there, shown = Counter(one.label for one in rows), Counter(one.label for one in chosen)
    most = max(shown.values())
    assert all(shown[label] >= min(most - 1, there[label]) for label in there)


@given(ROWS, st.integers(1, 20), st.integers(0, 3), st.booleans())
def test_fewer_are_the_first_of_more(rows, count, seed, by_label):
    """Would let through: a teacher of 16 examples and a model of 4 that need a spare each, and get another's."""
    assert choose(rows, count + 5, seed, by_label=by_label)[:count] == choose(rows, count, seed, by_label=by_label)


def test_another_seed_shows_others():
    rows = [example(f"question {number:02}", "a") for number in range(40)]
    assert choose(rows, 4, 0, by_label=True) != choose(rows, 4, 1, by_label=True)


def test_shots_are_one_question_and_one_answer_each_question_once():
    """Would let through: a tool call, half a conversation or the same question twice shown as an example."""
    called = [*example("a", "x").messages[:1], {"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}]
    odd = [
        Example([{"role": "system", "content": "s"}, *example("s", "x").messages]),
        Example([*example("t", "x").messages, *example("u", "x").messages]),
        Example(called),
        example("tools", "x", tools=[{"type": "function"}]),
        example(" ", "x"),
    ]
    plain = [example("one", "x"), example("one ", "y"), example("two", "y"), example("three", "x")]
    found = shots_of([*odd, *plain], 2, 0, by_label=False, key="prompt.shots")
    assert len(found) == 3 and {shot.question for shot in found} == {"one", "two", "three"}
    with pytest.raises(RecipeError, match=r"prompt\.shots: 3 .* train has 3 ") as caught:
        shots_of([*odd, *plain], 3, 0, by_label=False, key="prompt.shots")
    assert caught.value.hint == "prompt.shots: 2"
    with pytest.raises(RecipeError) as caught:
        shots_of(odd, 1, 0, by_label=False, key="prompt.shots")
    assert caught.value.hint == "leave prompt.shots out"
