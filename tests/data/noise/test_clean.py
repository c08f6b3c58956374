"""Repairs: noise goes, meaning stays, every change is on record, personal data is nowhere."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.noise.fixes import (
    fix_control,
    fix_encoding,
    fix_fence,
    fix_furniture,
    fix_html,
    fix_json,
    fix_merged,
    fix_no_input,
    fix_outer_whitespace,
    fix_whitespace,
)
from tunesmith.data.rows import Row, RowFault
from tunesmith.recipe import Recipe

TEXT = st.text(
    alphabet=st.sampled_from("ab é\n\t\r \xa0\x00\x0b\u200b\u2028<>&;`") | st.characters(exclude_categories=["Cs"])
)


def cleaner(task: str = "chat", **data: Any) -> Cleaner:
    return Cleaner(Recipe(name="t", task=task, data={"train": "x", **data}))


def row_of(question: str, answer: Any = "fine", **fields: Any) -> Row:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Row(messages, row_id="r1", **fields)


def cleaned(
    question: str, answer: str = "fine", task: str = "chat", **data: Any
) -> tuple[str, str, list[tuple[str, str]]]:
    one, row = cleaner(task, **data), row_of(question, answer)
    one.clean(row)
    return row.messages[0]["content"], row.answer["content"], [(repair.field, repair.rule) for repair in one.repairs]


# --- the four repairs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CafÃ© fÃ¼r 3 â‚¬", "Café für 3 €"),
        ("Itâ€™s here", "It’s here"),
        ("Café für 3 €", "Café für 3 €"),
        ("naïve Ångström, ½ ¿qué?", "naïve Ångström, ½ ¿qué?"),
        ("私のカード 🙂", "私のカード 🙂"),
    ],
)
def test_mojibake_is_undone_and_right_text_stays(before, after):
    """Bug: 'CafÃ©' is learnt, or good accents are 'repaired'."""
    assert fix_encoding(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>Hello&nbsp;there,</p><p>my card</p>", "Hello there, \n my card"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ('see <a href="http://x">this</a>', "see  this"),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("if a < b and c > d then", "if a < b and c > d then"),
        ("R&D; AT&T", "R&D; AT&T"),
        ("use `<b>` for bold", "use `<b>` for bold"),
        ("<!DOCTYPE html><html><body><p>x</p>", "<!DOCTYPE html><html><body><p>x</p>"),
        ("List<String> and <T>", "List<String> and <T>"),
        ("<abbr> <article>", "<abbr> <article>"),
        ("<p>wet</p><script type='x'>\nvar a = '<b>';\n</script> <style>p {}</style>", "wet"),
        ("What does <script>a()</script> do?", "What does <script>a()</script> do?"),
        ("<script>a()</script>", "<script>a()</script>"),
    ],
)
def test_web_forms_leave_no_tags_and_code_keeps_its_own(before, after):
    """Bug: 'a < b' loses its end, code examples lose their tags, entities are learnt."""
    assert fix_html(before).split() == after.split()


def test_control_characters_go_and_line_ends_are_one():
    """Bug: a zero-width space makes two labels or two words of one."""
    assert fix_control("a\u200bb\x00c\ufeff\x1bd\r\ne\rf\tg\n") == "abcd\ne\nf\tg\n"


def test_joiners_that_letters_need_stay():
    """Bug: emoji families and Persian words fall apart."""
    assert fix_control("👨\u200d👩\u200d👧 می\u200cروم") == "👨\u200d👩\u200d👧 می\u200cروم"


def test_whitespace_is_one_space_but_paragraphs_stay():
    """Bug: 'a  b' and 'a b' are two examples; or a text becomes one line."""
    assert fix_whitespace("  a \t b\xa0c \n\n\n\n d  \n") == "a b c\n\nd"


def test_code_in_answers_keeps_its_indentation():
    """Bug: Python code is flattened, or its first line moves left of the others."""
    code = "    def f():\n        return 1\n\n\n\n    x  =  2"
    assert fix_outer_whitespace(f"\n \n{code}  \n\n") == "    def f():\n        return 1\n\n    x  =  2"
    assert cleaned("  write   it  ", code)[1] == "    def f():\n        return 1\n\n    x  =  2"
    assert fix_outer_whitespace("  one line \n") == "one line"


@settings(max_examples=500, deadline=None)
@given(TEXT, st.sampled_from([fix_control, fix_whitespace, fix_outer_whitespace]))
def test_repairs_are_done_at_once(text, fix):
    """Bug: cleaning a cleaned dataset changes it again, so its rows are no duplicates of themselves."""
    assert fix(fix(text)) == fix(text)


@settings(max_examples=300, deadline=None)
@given(TEXT, st.sampled_from(["chat", "classify"]))
def test_only_whitespace_and_control_characters_are_lost_from_plain_text(text, task):
    """Bug: a repair eats letters."""
    text = text.replace("\\", "")  # escapes written out are resolved
    after = cleaned(text, task=task, clean={"html": "off", "encoding": "off"}, privacy={"pii": "off"})[0]
    gone = [letter for letter in text if letter.isprintable() and not letter.isspace()]
    assert [letter for letter in after if letter.isprintable() and not letter.isspace()] == gone


@settings(max_examples=300, deadline=None)
@given(TEXT, st.sampled_from([fix_html, fix_furniture, fix_no_input, fix_fence, fix_json]))
def test_other_repairs_are_done_at_once_too(text, fix):
    """Bug: preparing a prepared set changes it."""
    assert fix(fix(text)) == fix(text)


def test_an_answer_ends_before_the_next_instruction():
    """Bug: the model learns to go on with an instruction of its own; or the answer before it is lost."""
    text = "A noun names a thing.\n##\n7. Instruction: Name a verb.\n7. Input:\n7. Output:\nRun"
    assert fix_merged(text, "What is a noun?") == "A noun names a thing."
    assert fix_merged(text, "Write example instructions with output.") == text


def test_a_placeholder_for_no_input_goes_and_the_question_stays():
    """Bug: the question ends in '<noinput>', or is cut itself."""
    assert fix_no_input("Name a lake.\n\n<noinput>") == "Name a lake."
    assert fix_no_input("Name a lake.\n\n### Input:\nN/A") == "Name a lake."
    assert fix_no_input("none") == "none"


def test_whole_code_is_closed_and_cut_code_is_not():
    """Bug: a block without end swallows the next message; or a cut answer is made to look whole."""
    assert fix_fence("Use:\n```sh\nls") == "Use:\n```sh\nls\n```"
    assert fix_fence("Use:\n```py\nprint(") == "Use:\n```py\nprint("


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('Here it is: {"a": 1}', '{"a": 1}'),
        ('{"a": [1, 2,],}', '{"a": [1, 2]}'),
        ("{'a': None, 'b': True}", '{"a": null, "b": true}'),
        ('{"a": 1', '{"a": 1'),
        ("[1]", "[1]"),
        ("no", "no"),
        ('{"a": 1} {"b": 2}', '{"a": 1} {"b": 2}'),
    ],
)
def test_almost_json_is_json_and_the_rest_stays(before, after):
    """Bug: rows are lost to a code fence; or half an answer is made of a whole."""
    assert fix_json(before) == after
    assert cleaned("x", before, task="extract")[1] == after


def test_a_picture_that_is_not_there_is_still_seen():
    """Bug: the tag of a picture is dropped as HTML, and nothing tells that the question is about it."""
    assert cleaned('What is this? <img src="a.png">')[0] == "What is this? [image]"


# --- actions and records --------------------------------------------------------------------------------------------


def test_every_change_is_on_record_with_before_and_after():
    """Bug: a repair nobody can look up."""
    one, row = cleaner("classify"), row_of("CafÃ©  <p>x</p>")
    one.clean(row)
    assert [(repair.row_id, repair.field, repair.rule) for repair in one.repairs] == [
        ("r1", "messages[0]", "encoding"), ("r1", "messages[0]", "html"), ("r1", "messages[0]", "whitespace"),
    ]  # fmt: skip
    assert (one.repairs[0].before, one.repairs[0].after) == ("CafÃ©  <p>x</p>", "Café  <p>x</p>")
    assert one.repairs[-1].after == row.messages[0]["content"]


@pytest.mark.parametrize("rule", ["encoding", "html", "control", "whitespace"])
def test_each_kind_can_be_repaired_flagged_removed_or_left(rule):
    """Bug: an action of the recipe is not looked at."""
    text = {"encoding": "CafÃ©", "html": "<p>x</p>", "control": "a\x00b", "whitespace": "a  b\n\n\n\nc "}[rule]
    assert cleaned(text, clean={rule: "repair"})[0] != text
    assert cleaned(text, clean={rule: "off"})[::2] == (text, [])
    flagging = cleaner(clean={rule: "flag"})
    row = row_of(text)
    flagging.clean(row)
    assert row.messages[0]["content"] == text and [repair.after for repair in flagging.repairs] == [None]
    removing, row = cleaner(clean={rule: "remove"}), row_of("CafÃ©  x" if rule == "whitespace" else text)
    row.messages[0]["content"] = text
    before = copy.deepcopy(row)
    with pytest.raises(RowFault) as fault:
        removing.clean(row)
    assert fault.value.rule == rule and fault.value.evidence["before"] == text
    assert row == before and removing.repairs == []


def test_labels_are_never_changed():
    """Bug: 'a  b' becomes another class than the one the recipe names."""
    assert cleaned("x", " CafÃ©  <b>", task="classify")[1] == " CafÃ©  <b>"


def test_extracted_values_are_cleaned_as_their_text_is():
    """Bug: the answer says 'CafÃ©' where the input now says 'Café', so it can never be found in it."""
    question, answer, _ = cleaned("at CafÃ©  Central", '{"place": "CafÃ©  Central", "n": 2}', task="extract")
    assert question == "at Café Central"
    assert json.loads(answer) == {"place": "Café Central", "n": 2}


def test_an_answer_that_needs_no_repair_keeps_its_bytes():
    """Bug: JSON answers are re-written for no reason, so spacing differs from the user's."""
    assert cleaned("x", '{"a":1,   "b": "c"}', task="extract")[1] == '{"a":1,   "b": "c"}'


# --- personal data --------------------------------------------------------------------------------------------------


def test_personal_data_is_redacted_in_every_message_and_its_record():
    """Bug: redacted in the example, kept in repairs.parquet."""
    one = cleaner()
    row = row_of("I am jo@x.org\n", "Hello jo@x.org", rejected=[{"role": "assistant", "content": "jo@x.org who?"}])
    one.clean(row)
    assert [message["content"] for message in [*row.messages, *row.rejected]] == [
        "I am [EMAIL]",
        "Hello [EMAIL]",
        "[EMAIL] who?",
    ]
    assert not [repair for repair in one.repairs if "jo@x.org" in f"{repair.before}{repair.after}"]


@pytest.mark.parametrize("as_text", [True, False])
def test_personal_data_in_tool_calls_is_redacted_and_stays_json(as_text):
    """Bug: the address the user typed lives on in the arguments of the call it led to."""
    arguments: Any = {"to": ["jo@x.org"], "n": 2}
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps(arguments) if as_text else arguments},
    }
    row = row_of("mail jo@x.org", None)
    row.answer["tool_calls"] = [call]
    one = cleaner()
    one.clean(row)
    after = row.answer["tool_calls"][0]["function"]["arguments"]
    assert (json.loads(after) if as_text else after) == {"to": ["[EMAIL]"], "n": 2}
    assert [repair.field for repair in one.repairs] == ["messages[0]", "messages[1].tool_calls[0]"]


def test_personal_data_may_be_flagged_or_left():
    """Bug: the recipe's choice is not looked at."""
    assert cleaned("jo@x.org", privacy={"pii": "flag"}) == ("jo@x.org", "fine", [("messages[0]", "pii")])
    assert cleaned("jo@x.org", privacy={"pii": "off"}) == ("jo@x.org", "fine", [])


def test_messages_without_text_are_left_alone():
    """Bug: content null, as beside tool calls, crashes the run."""
    row = row_of("x", None)
    cleaner().clean(row)
    assert row.answer["content"] is None


def test_a_script_leaves_one_space():
    """Bug: two spaces tell where a script was, since answers keep their inner whitespace."""
    assert fix_html("It is wet. <script>ad()</script> It falls.") == "It is wet. It falls."
