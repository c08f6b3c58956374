"""IFEval's instructions: for each kind answers that follow it and answers that do not, by its paper's rules."""

import json
import time

import pytest

from graded import columns_of, examples_of, metric_of, recipe_of
from tunesmith.core.errors import DataError
from tunesmith.evaluate.ifeval.follow import KINDS, follows, instructions_of
from tunesmith.evaluate.ifeval.lengths import count_sentences

LOREM = "the quick brown fox jumps over the lazy dog and runs home before the rain begins"
GERMAN = "der schnelle braune fuchs springt über den faulen hund und läuft vor dem regen nach hause"

CASES = {
    "change_case:capital_word_frequency": [
        ({"capital_frequency": 2, "capital_relation": "at least"}, ["I saw NASA", "THE END."], ["I saw it", "The End"]),
        ({"capital_frequency": 1, "capital_relation": "less than"}, ["none here"], ["ONE here"]),
    ],
    "change_case:english_capital": [({}, [LOREM.upper(), "IN 2024 IT RAINED."], [LOREM, GERMAN.upper()])],
    "change_case:english_lowercase": [({}, [LOREM, LOREM + " 3 times!"], [LOREM.title(), GERMAN])],
    "combination:repeat_prompt": [
        ({"prompt_to_repeat": "Write a poem."}, ["Write a poem. Roses", " write a poem.\nRoses"], ["Roses. Write a poem.", "Write poem."])
    ],
    "combination:two_responses": [
        ({}, ["one\n******\ntwo", "******\none\n******\ntwo\n******"], ["one", "one ****** one", "a ****** b ****** c", "a ****** ****** b"])
    ],
    "detectable_content:number_placeholders": [({"num_placeholders": 2}, ["[name] at [address]", "[a][b][c]"], ["[name]", "(a) (b)", "[a\nb] [c]", "] [[a]"])],
    "detectable_content:postscript": [
        ({"postscript_marker": "P.S."}, ["Bye.\nP.S. I wait", "bye p. s. yes"], ["Bye. PS I wait", "Bye."]),
        ({"postscript_marker": "Note:"}, ["Bye.\nnote: I wait"], ["N.o.t.e: yes", "Bye."]),
        ({"postscript_marker": "P.P.S"}, ["P.P.S yes", "p.p.s. yes", "P. P. S yes"], ["P.S. yes"]),
    ],
    "detectable_format:constrained_response": [({}, ["My answer is yes.", "Well. My answer is maybe."], ["Yes.", "my answer is yes"])],
    "detectable_format:json_format": [
        ({}, ['{"a": 1}', '```json\n{"a": 1}\n```', "```\n[1]\n```"], ["{a: 1}", 'Here: {"a": 1}', '{"a": 1'])
    ],
    "detectable_format:multiple_sections": [
        ({"section_spliter": "SECTION", "num_sections": 2}, ["SECTION 1\na\nSECTION 2\nb", "SECTION1 SECTION 2 SECTION 3"], ["SECTION 1", "Section 1 Section 2", "SECTION one SECTION two"])
    ],
    "detectable_format:number_bullet_lists": [
        ({"num_bullets": 2}, ["* a\n* b", "- a\n - b", "Text\n* a\n- b\nText"], ["* a", "* a\n* b\n* c", "** a\n** b", "1. a\n2. b"])
    ],
    "detectable_format:number_highlighted_sections": [
        ({"num_highlights": 2}, ["*one* and *two*", "**one** and *two*", "*a* *b* *c*"], ["*one*", "* one\n* two", "** **, **"])
    ],
    "detectable_format:title": [({}, ["<<Poem>>\nRoses", "I call it <<A b>>."], ["<Poem>", "<<>>", "<<  >>", "<<a\nb>>"])],
    "keywords:existence": [({"keywords": ["meal", "waste"]}, ["Waste of a MEAL", "mealtime wasted"], ["a meal", ""])],
    "keywords:forbidden_words": [({"forbidden_words": ["name", "cat"]}, ["rename the category", "none"], ["my Name", "a cat."])],
    "keywords:frequency": [
        ({"keyword": "war", "frequency": 2, "relation": "at least"}, ["war and War", "wars, warm"], ["war", "peace"]),
        ({"keyword": "war", "frequency": 2, "relation": "less than"}, ["one war", "peace"], ["war war"]),
    ],
    "keywords:letter_frequency": [
        ({"letter": "q", "let_frequency": 2, "let_relation": "at least"}, ["Q and q"], ["q", "none"]),
        ({"letter": "!", "let_frequency": 1, "let_relation": "less than"}, ["calm."], ["Ha!"]),
    ],
    "language:response_language": [
        ({"language": "de"}, [GERMAN], [LOREM]),
        ({"language": "ru"}, ["Сегодня хорошая погода, и мы идём гулять в парк."], [LOREM]),
    ],
    "length_constraints:nth_paragraph_first_word": [
        (
            {"first_word": "weekend", "num_paragraphs": 2, "nth_paragraph": 2},
            ["One.\n\nWeekend, at last.", "One.\n\n'weekend' it is"],
            ["Weekend.\n\nTwo", "One.\n\nWeekends come", "One.\n\nTwo.\n\nWeekend", "weekend"],
        )
    ],
    "length_constraints:number_paragraphs": [
        ({"num_paragraphs": 2}, ["a\n***\nb", "***\na\n***\nb\n***"], ["a", "a\n\nb", "a\n***\n***\nb", "a *** b *** c"])
    ],
    "length_constraints:number_sentences": [
        ({"num_sentences": 2, "relation": "at least"}, ["One. Two.", "Is it? Yes!"], ["One.", "Dr. Smith paid 3.5 dollars."]),
        ({"num_sentences": 2, "relation": "less than"}, ["Only one."], ["One. Two."]),
    ],
    "length_constraints:number_words": [
        ({"num_words": 3, "relation": "at least"}, ["one two three", "it's me"], ["one two"]),
        ({"num_words": 3, "relation": "less than"}, ["one two"], ["one, two, three"]),
    ],
    "punctuation:no_comma": [({}, ["No comma here."], ["One, two"])],
    "startend:end_checker": [({"end_phrase": "Any questions?"}, ["That is it. Any questions?", 'So: "any questions?"\n'], ["Any questions? Ask.", "Bye"])],
    "startend:quotation": [({}, ['"All of it."', ' "All"\n'], ['"Half" of it', "“All”", '"'])],
}  # fmt: skip
TABLE = [
    (kind, given, text, right)
    for kind, rows in CASES.items()
    for given, follow, break_it in rows
    for text, right in [*((one, True) for one in follow), *((one, False) for one in break_it)]
]


@pytest.mark.parametrize(("kind", "given", "text", "right"), TABLE)
def test_each_kind_tells_right_from_wrong(kind, given, text, right):
    assert follows(text, (kind, given)) == right


def test_every_kind_has_cases_and_every_kind_of_the_data_a_checker(shared_data):
    """A kind without a checker would fail on the first row that has it."""
    assert CASES.keys() == KINDS.keys() and len(KINDS) == 25
    rows = [json.loads(line) for line in (shared_data("ifeval") / "input_data_half.jsonl").read_text().splitlines()]
    assert {kind for row in rows for kind in row["instruction_id_list"]} == KINDS.keys()
    for row in rows:
        example = examples_of(["x"], kept=row)[0]
        for instruction in instructions_of(example):
            follows("Some answer.\n\nWith two parts.", instruction, loose=True)


def test_an_empty_answer_follows_nothing():
    """It has no comma, and no forbidden word either."""
    assert not follows(" \n", ("punctuation:no_comma", {}))


@pytest.mark.parametrize(
    "text", ["Sure, here it is:\n{}", "{}\nShall I go on, or stop?", "Sure, here:\n{}\nMore, maybe?", "**{}**"]
)
def test_a_frame_is_forgiven_loosely_and_not_strictly(text):
    answer = text.format('"all quiet here"')
    quoted = ("startend:quotation", {})
    assert not follows(answer, quoted) and follows(answer, quoted, loose=True)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("No stop at the end", 1),
        ("Mr. Lee met Dr. Who at 5 p.m. on Monday. They left.", 2),
        ("It cost 3.50 dollars!", 1),
        ("Really?! Yes... No.", 3),
        ('He said "stop." Then he left.', 2),
        ("A title\n\nA sentence.", 2),
        ("1. First thing.\n2. Second thing.", 2),
        ("今日は雨です。明日は晴れです。", 2),
    ],
)
def test_sentences_are_counted(text, count):
    assert count_sentences(text) == count


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_check_takes_long_on_an_answer_that_says_nothing_at_length(kind):
    """Bug: lines of nothing, and signs without end, as a model in a loop writes, took the square of their number."""
    for given, *_ in CASES[kind]:
        for text in (
            "\n" * 50_000 + "x",
            "Mr. " * 15_000,
            ". " * 25_000,
            "." * 50_000 + "x",
            "[" * 50_000,
            "<" * 50_000,
        ):
            started_s = time.process_time()
            follows(text, (kind, given))
            assert time.process_time() - started_s < 1.0


ROWS = [
    {"instruction_id_list": ["punctuation:no_comma", "startend:quotation"], "kwargs": [{}, {}]},
    {"instruction_id_list": '["length_constraints:number_words"]', "kwargs": '[{"relation": "at least", "num_words": 2, "keyword": null}]'},
    {},
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "n"), [("ifeval_strict", 0.5, 2), ("ifeval_loose", 1.0, 2), ("ifeval_strict_each", 2 / 3, 2)]
)
def test_rows_count_whole_and_instructions_one_by_one(name, value, n):
    """Rows without instructions do not count; a CSV file has lists and arguments as JSON."""
    examples = [examples_of(["x"], kept=row)[0] for row in ROWS]
    metric = metric_of(recipe_of("chat", name), name)
    columns = columns_of(metric, "chat", ["x"] * 3, ['Here:\n"quiet"', "two words", "x"], examples)
    found = metric.estimate(columns, 0)
    assert (found.value, found.n) == (pytest.approx(value), n) and metric.on(columns) == found.value


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"instruction_id_list": ["punctuation:no_coma"], "kwargs": [{}]}, "no instruction 'punctuation:no_coma'"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "1 instructions and arguments for 0"),
        ({"instruction_id_list": ["keywords:existence"], "kwargs": [{}]}, "cannot be checked with {}"),
        ({"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 3, "relation": "about"}]}, "neither"),
        ({}, "none of 1 rows has instructions"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_told_with_its_row(row, words):
    metric = metric_of(recipe_of("chat", "ifeval_strict"), "ifeval_strict")
    with pytest.raises(DataError, match=words):
        columns_of(metric, "chat", ["x"], ["x"], examples_of(["x"], kept=row))
