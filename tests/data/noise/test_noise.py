"""The judge of single rows: defects are caught by the rule meant for them, look-alikes pass, the recipe decides."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_rows import BAD, FINE
from tunesmith.core.errors import RecipeError
from tunesmith.data.check import check_row
from tunesmith.data.noise.arithmetic import evaluate, same, wrong_told_sum
from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.noise.corpus import Habits
from tunesmith.data.noise.exchange import View, exchanges
from tunesmith.data.noise.judge import Finding, Noise
from tunesmith.data.noise.language import language_of
from tunesmith.data.noise.word_sums import told_sums
from tunesmith.data.rows import Row, RowFault
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

PROSE = [("What is rain?", "Rain is water that falls from clouds.")] * 400
CUT = "Rain is water that falls from the high clouds over sea"


def recipe_of(task: str = "chat", **clean: Any) -> Recipe:
    return Recipe(name="t", task=task, data={"train": "x", "clean": clean, "privacy": {"pii": "off"}})


def row_of(question: str, answer: Any, **fields: Any) -> Row:
    return Row([{"role": "user", "content": question}, {"role": "assistant", "content": answer}], row_id="r", **fields)


def rules_of(row: Row, recipe: Recipe, noise: Noise) -> set[str]:
    """Return the rules that removed, repaired or flagged a row; data whose answers end in full stops are assumed."""
    cleaner = Cleaner(recipe)
    try:
        cleaner.clean(row)
        check_row(row, recipe)
    except RowFault as fault:
        return {fault.rule}
    return {one.rule for one in noise.judge(row)} | {repair.rule for repair in cleaner.repairs}


def judged(row: Row, task: str = "chat", **clean: Any) -> list[Finding]:
    return Noise(recipe_of(task, **clean)).judge(row)


@pytest.mark.parametrize("rule", sorted(BAD))
def test_other_words_for_the_same_defect_are_caught(rule):
    """Bug: the rule knows the strings of one data set, not the defect."""
    recipe = recipe_of()
    missed = [pair for pair in BAD[rule] if rule not in rules_of(row_of(*pair), recipe, Noise(recipe))]
    assert len(BAD[rule]) >= 12 and missed == []


@pytest.mark.parametrize("rule", sorted(FINE))
def test_rows_that_only_look_like_a_defect_pass(rule):
    """Bug: good rows are lost to a rule that looks at one word."""
    recipe = recipe_of()
    caught = [pair for pair in FINE[rule] if rule in rules_of(row_of(*pair), recipe, Noise(recipe))]
    assert len(FINE[rule]) >= 12 and caught == []


# --- what the recipe says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["remove", "flag", "off"])
def test_the_recipe_decides_what_a_finding_does(action):
    """Bug: a rule that is off still removes, or one to flag removes."""
    found = judged(row_of("What is tea?", "As an AI language model, I cannot drink."), ai_disclaimer=action)
    assert [one.action for one in found if one.rule == "ai_disclaimer"] == ([] if action == "off" else [action])


def test_findings_that_remove_come_first():
    """Bug: the reason kept for a removed row is a mere hint."""
    found = judged(
        row_of("What is tea?", "Sorry, as an AI language model I cannot help you with that."), mismatch="off"
    )
    assert [one.rule for one in found] == ["ai_disclaimer", "refusal"]
    assert [one.action for one in found] == ["remove", "flag"]


def test_what_a_repair_could_not_mend_is_flagged():
    """Bug: 'repair' silently keeps a row it could not repair."""
    found = judged(row_of("What is her name?", "Her name is Zo\ufffd of Leeds."))
    assert [(one.rule, one.action) for one in found] == [("encoding", "flag")]
    assert "Zo\ufffd" in found[0].evidence["span"]


@pytest.mark.parametrize("task", ["classify", "extract"])
def test_labels_and_values_are_not_judged_as_answers(task):
    """Bug: a label 'n/a' or the input copied into JSON is taken for a bad answer."""
    answer = "n/a" if task == "classify" else '{"a": "N/A"}'
    assert judged(row_of("I attached the picture, see the file. As above.", answer), task) == []


def test_rows_about_ai_may_speak_of_it():
    """Bug: the data of a vendor of chatbots are emptied."""
    assert judged(row_of("Are you an AI?", "Yes, I am an AI language model.")) == []


def test_each_turn_that_is_learnt_is_judged_and_no_other():
    """Bug: only the last answer of a conversation is looked at, or context with weight 0 removes the row."""
    says = [
        ("user", "Hi, who is there?"),
        ("assistant", "As an AI, I am nobody."),
        ("user", "Ok."),
        ("assistant", "Fine."),
    ]
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in says]
    assert [one.field for one in judged(Row(messages))] == ["messages[1]"]
    messages[1]["weight"] = 0
    assert judged(Row(messages)) == []


def test_a_conversation_before_the_question_explains_it():
    """Bug: 'Summarize it' after a pasted text, or 'now in French', is flagged for what was said before."""
    messages = [
        {"role": "user", "content": "Please answer in French from now on."},
        {"role": "assistant", "content": "Sure, I answer in French."},
        {"role": "user", "content": "What does this picture of a house that I described show?"},
        {"role": "assistant", "content": "La maison est dans un jardin et elle est très grande."},
    ]
    assert judged(Row(messages)) == []


def test_allowed_languages_are_held():
    """Bug: the recipe's list of languages is not looked at."""
    german = row_of("Wie ist das Wetter heute in der Stadt?", "Das Wetter ist heute in der Stadt sehr schön.")
    assert judged(german) == []
    assert [one.rule for one in judged(german, languages=["en", "fr"])] == ["language"]
    assert judged(german, languages=["de"]) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The bees are in the garden and they make honey.", "en"),
        ("Die Bienen sind im Garten und sie machen Honig.", "de"),
        ("Les abeilles sont dans le jardin et elles font du miel.", "fr"),
        ("Las abejas están en el jardín y hacen miel.", "es"),
        ("Пчёлы живут в саду.", "Cyrillic"),
        ("蜜蜂在花园里采蜜。", "Chinese"),
        ("Paris", None),
        ("Tenerife, Gran Canaria, La Palma, El Hierro, La Gomera", None),
        ("", None),
    ],
)
def test_languages_are_told_or_left_open(text, code):
    """Bug: a list of names has a language, a short text is guessed."""
    assert language_of(View(text)) == code


# --- what only all rows tell ------------------------------------------------------------------------------------------


def settled(pairs: list[tuple[str, str]]) -> list[list[str]]:
    noise = Noise(recipe_of())
    found = [noise.judge(row_of(*pair)) for pair in pairs]
    return [[one.rule for one in own if noise.habits.trusts(one.habit)] for own in found]


def test_a_missing_full_stop_counts_where_answers_have_them():
    """Bug: every caption of a data set without full stops is 'truncated', or a cut answer among whole ones is not."""
    assert settled([("What is rain?", CUT), *PROSE])[0] == ["truncated"]
    bare = [(question, answer.rstrip(".")) for question, answer in PROSE]
    assert settled([("What is rain?", CUT), *bare])[0] == []


def test_no_common_word_counts_where_answers_have_them():
    """Bug: a data set of captions, each without a word of its question, is flagged from end to end."""
    stranger = ("Who painted Guernica?", "Compost needs moisture, warmth and regular turning.")
    assert settled([stranger, *PROSE])[0] == ["mismatch"]
    assert settled([stranger] * 100) == [[]] * 100


def test_a_finding_that_hangs_on_a_habit_says_so_whatever_is_done_about_it():
    """Bug: `remove` only flags, or removes before it is known whether answers end in full stops here."""
    for action in ("remove", "flag"):
        found = judged(row_of("What is rain?", CUT), truncated=action, mismatch=action)
        assert [(one.action, one.habit) for one in found] == [(action, "stops")]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            *[st.integers(0, 10**6)] * 4,
            st.dictionaries(st.sampled_from(["en", "es", "Greek"]), st.integers(1, 99)),
        ),
        max_size=6,
    ),
    st.randoms(),
)
def test_habits_of_parts_add_up_in_any_order(parts, rng):
    """Bug: two processes give another dataset than one."""

    def total(order: list[tuple[Any, ...]]) -> Habits:
        whole = Habits()
        for part in order:
            whole.merge(Habits(*part))
        return whole

    shuffled = list(parts)
    rng.shuffle(shuffled)
    assert total(parts) == total(shuffled)


def test_judging_does_not_depend_on_the_rows_before():
    """Bug: state is kept from row to row."""
    rows = [pair for pairs in (*BAD.values(), *FINE.values()) for pair in pairs]
    alone = {pair: judged(row_of(*pair)) for pair in rows}
    noise = Noise(recipe_of())
    random.Random(3).shuffle(rows)
    assert all(noise.judge(row_of(*pair)) == alone[pair] for pair in rows)


# --- edges ------------------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=120), st.text(max_size=200))
def test_no_text_makes_a_rule_crash(question, answer):
    """Bug: an odd character ends the run with a traceback."""
    judged(row_of(question, answer))
    judged(row_of(question, answer), "classify")


def test_long_texts_are_judged_in_time():
    """Bug: a regular expression that takes seconds for one row of 100,000 letters."""
    for unit in (
        "word ",
        "(",
        "a: b\n",
        "<p ",
        "1 + ",
        "User: x\n",
        "!",
        "the a ",
        "see attached ",
        "\\n",
        "ab12",
        "[x] ",
    ):
        text = unit * (100_000 // len(unit))
        row = row_of(text, text[::-1])
        Cleaner(recipe_of()).clean(row)
        judged(row)


def test_messages_without_text_have_no_exchange():
    """Bug: a tool call without content crashes, or is an empty answer."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None}]
    assert list(exchanges(Row(messages))) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("3+4", 7), ("2*(3+4)", 14), ("10/4", 2.5), ("-3+5", 2), ("1,000*2", 2000), ("$5+$6", 11), ("3x4", 12), ("1/0", None), ("a+1", None),
     ("2**9", None), ("(" * 60, None), ("", None), ("007+1", 8), ("9" * 200, None)],
)  # fmt: skip
def test_sums_are_worked_out_and_nothing_else_is(text, value):
    """Bug: a sum in the data runs code, hangs on a power, or counts as octal."""
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("value", "written", "right"),
    [(10 / 3, "3.33", True), (10 / 3, "3.34", False), (10 / 3, "3", True), (10 / 3, "4", False), (2 / 3, "0.66", False), (2 / 3, "0.67", True), (7, "8", False),
     (7, "7.0", True), (7, "7.01", False), (150, "150.5", False), (1005, "1000", False), (2.5, "2", True), (2.5, "3", True), (1000000, "1000001", False),
     (0.1 + 0.2, "0.3", True), (54, "54.00000000000001", True)],
)  # fmt: skip
def test_results_are_as_exact_as_they_are_written(value, written, right):
    """Bug: '10 / 3 = 3.33' is wrong arithmetic, or '3 + 4 = 8' and '200 * 1.005 = 200' are rounding."""
    assert same(value, written, float(written)) is right


@settings(deadline=None)
@given(value=st.fractions(min_value=-1000, max_value=1000, max_denominator=997), decimals=st.integers(1, 4))
def test_what_is_rightly_rounded_is_right_and_the_next_digit_is_not(value, decimals):
    """Bug: a result off in its last digit passes, or one that is rounded by the book is flagged."""
    unit = Fraction(1, 10**decimals)
    rounded = round(value / unit) * unit
    assert same(value, f"{float(rounded):.{decimals}f}", rounded)
    assert not same(value, f"{float(rounded + 2 * unit):.{decimals}f}", rounded + 2 * unit)


@pytest.mark.parametrize(
    ("said", "expression", "stated"),
    [("So twelve plus three is sixteen.", "12+3", "16"), ("5 plus 7 equals 13", "5+7", "13"), ("half of 30 is 14", "1*30/2", "14"),
     ("Two thirds of 9 is 5.", "2*9/3", "5"), ("20% of 50 is 12.", "20*50/100", "12"), ("Twice 8 is 17!", "2*8", "17"),
     ("twenty-one plus one hundred and five is 126", "21+105", "126"), ("5 apples plus 7 apples is 13 apples", "5+7", "13"),
     ("1,200 divided by 3 is 300", "1200/3", "300")],
)  # fmt: skip
def test_sums_told_in_words_are_read(said, expression, stated):
    """Bug: a sum in words is not seen, or its numbers are read wrongly."""
    assert [(one.expression, one.stated) for one in told_sums(said)] == [(expression, stated)]


@pytest.mark.parametrize(
    "said",
    ["About half of 30 is 14.", "Half of 30 is 14 more than one.", "half of 1 hour is 30 minutes", "3 dozen plus 2 is 38", "five plus five is one way",
     "If 5 plus 7 is 13, what is 6?", "x times 3 is 4", "2 * 5 plus 7 equals 17", "nineteen ninety plus one is 3", "Ten percent of $500 is $500 x 10/100",
     "Twice two years is 5 times as long", "half of 10 is 5.", "two times a day is 3", "half of the people is 3"],
)  # fmt: skip
def test_what_is_no_sum_in_words_is_not_flagged(said):
    """Bug: an estimate, a comparison, a conversion or half a sentence is taken for a wrong sum."""
    assert wrong_told_sum(said) is None


# --- JSON -------------------------------------------------------------------------------------------------------------

PLACE = {"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("answer", "why"),
    [('{"city": "Rome"}', None), ("{}", "'city' is a required property"), ('{"city": 3}', "3 is not of type 'string'"),
     ('{"city": "rome"}', "'rome' does not match '^[A-Z]'")],
)  # fmt: skip
def test_extracted_answers_keep_the_schema_of_the_recipe(answer, why):
    """Bug: a value of the wrong type is learnt although the recipe gives the schema."""
    found = judged(row_of("She lives in Rome.", answer), "extract", answer_schema=PLACE)
    assert [(one.rule, one.action, one.evidence["why"]) for one in found] == (
        [("schema", "remove", why)] if why else []
    )


def test_a_schema_that_is_none_is_an_error_of_the_recipe():
    """Bug: a misspelt schema lets every row pass."""
    with pytest.raises(RecipeError, match=r"data\.clean\.answer_schema"):
        Noise(recipe_of("extract", answer_schema={"type": "objekt"}))


def test_findings_do_not_depend_on_the_hash_seed():
    """Bug: ties are broken by the order of a set, so that another process flags other rows."""
    script = textwrap.dedent("""
        import json, random, sys
        from tunesmith.data.noise.clean import Cleaner
        from tunesmith.data.noise.judge import Noise
        from tunesmith.data.rows import Row
        from tunesmith.recipe import Recipe
        chance = random.Random(1)
        small = "de la le en van die der und et il per con que los las og att det som er pa na i se no do da um uma".split()
        words = small + [f"{a}{b}{c}" for a in "bdkm" for b in "aeiou" for c in "lnrst"]
        noise = Noise(Recipe(name="t", task="chat", data={"train": "x"}))
        found = []
        for number in range(1500):
            asked, told = (" ".join(chance.choices(words, k=chance.randrange(4, 25))) for _ in range(2))
            row = Row([{"role": "user", "content": asked + "?"}, {"role": "assistant", "content": told + "."}])
            found.append([(one.rule, one.field, one.evidence) for one in noise.judge(row)])
        print(json.dumps(found))
    """)
    told = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] and b"language" in told[0]


@pytest.mark.parametrize(
    "text", ["5 plus " * 3000, "one " * 5000, "1" * 20000, "half of " * 3000, "Q: a. A: " * 2000, "Q: " * 5000]
)
def test_long_texts_without_an_end_cost_little(text):
    """Bug: a pattern goes back over a text again and again, so that one row holds up a million."""
    started = time.process_time()
    judged(row_of("What is it?", text))
    assert time.process_time() - started < 5
