"""What records mean: every format to the same conversation, and every record that does not fit to a rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.data.check import check_row
from tunesmith.data.read.files import Table
from tunesmith.data.read.formats import FORMATS
from tunesmith.data.read.recognise import Meaning, converter, recognised
from tunesmith.data.rows import RawRow, Row, RowFault
from tunesmith.recipe import Recipe

USER = {"role": "user", "content": "Where is my card?"}
ANSWER = {"role": "assistant", "content": "On its way."}
SYSTEM = {"role": "system", "content": "You help."}
TOOLS = [{"type": "function", "function": {"name": "track", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": "{}"}}


def recipe_of(task: str = "chat", **data: Any) -> Recipe:
    return Recipe(name="t", task=task, data={"train": "x", **data})


def table_of(*records: dict[str, Any]) -> Table:
    rows = [RawRow(number, record) for number, record in enumerate(records, 1)]
    columns = list(dict.fromkeys(key for record in records for key in record))
    return Table("x.jsonl", rows, columns=columns)


def converted(record: dict[str, Any], task: str = "chat", **data: Any) -> Row:
    convert, _ = converter(table_of(record), recipe_of(task, **data))
    return convert(record)


SAME = {
    "openai": {"messages": [SYSTEM, USER, ANSWER]},
    "sharegpt": {
        "conversations": [
            {"from": "system", "value": "You help."},
            {"from": "human", "value": "Where is my card?"},
            {"from": "gpt", "value": "On its way."},
        ]
    },
    "alpaca": {"system": "You help.", "instruction": "Where is my card?", "input": "", "output": "On its way."},
    "prompt_completion": {"prompt": [SYSTEM, USER], "completion": [ANSWER]},
    "bedrock_claude": {"system": "You help.", "messages": [USER, ANSWER]},
    "bedrock_converse": {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "You help."}],
        "messages": [
            {"role": "user", "content": [{"text": "Where is "}, {"text": "my card?"}]},
            {"role": "assistant", "content": [{"text": "On its way."}]},
        ],
    },
    "openai_preference": {
        "input": {"messages": [SYSTEM, USER]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [{"role": "assistant", "content": "No idea."}],
    },
    "chosen_rejected": {
        "system": "You help.",
        "prompt": "Where is my card?",
        "chosen": [ANSWER],
        "rejected": "No idea.",
    },
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_and_says_the_same(name):
    """Bug: a system prompt, a part of a text or a turn is lost on the way from one of the formats."""
    record = SAME[name]
    assert recognised(table_of(record)) == name
    assert converted(record).messages == [SYSTEM, USER, ANSWER]
    assert converted(record, format=name).messages == [SYSTEM, USER, ANSWER]


def test_recognition_is_said():
    """Bug: the user cannot see which format was taken."""
    _, how = converter(table_of(SAME["sharegpt"]), recipe_of())
    assert how == "recognised as sharegpt format by its keys"
    _, how = converter(table_of(SAME["sharegpt"]), recipe_of(format="sharegpt"))
    assert how == "sharegpt format, from the recipe"


# --- OpenAI ---------------------------------------------------------------------------------------------------------


def test_tools_calls_results_names_and_weights_are_kept():
    """Bug: a tool call becomes an empty answer; a turn with weight 0 is learnt."""
    messages = [
        {**USER, "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
        {"role": "tool", "tool_call_id": "c1", "content": "posted"},
        {**ANSWER, "weight": 1},
    ]
    row = converted({"messages": messages, "tools": TOOLS, "parallel_tool_calls": False})
    assert row.messages == messages and row.tools == TOOLS


MANY_KEYS = {
    "role": "assistant", "from": "gpt", "content": "On its way.", "value": "On its way.", "name": "ann", "weight": 1,
    "reasoning_content": "Think.", "audio": {"id": "a1"}, "annotations": [{"type": "url"}], "refusal": None, "x": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [USER, MANY_KEYS]},
        {"system": "You help.", "messages": [USER, MANY_KEYS]},
        {"prompt": [USER], "completion": [MANY_KEYS]},
        {"input": {"messages": [USER]}, "preferred_output": [MANY_KEYS], "non_preferred_output": [ANSWER]},
        {"prompt": [USER], "chosen": [ANSWER], "rejected": [MANY_KEYS]},
        {"conversations": [{"from": "human", "value": "Hi"}, MANY_KEYS]},
        {"messages": json.dumps([USER, MANY_KEYS])},
    ],
)
def test_what_a_message_holds_is_read_or_told(record):
    """Bug: the reasoning that somebody paid for is dropped, and nobody is told."""
    convert, _ = converter(table_of(record), recipe_of(task="preference" if "messages" not in record else "chat"))
    row = convert(record)
    read = set[str]().union(*(message.keys() for message in [*row.messages, *(row.rejected or [])]))
    told = convert.ignores(record)
    assert {"reasoning_content", "audio", "annotations"} <= told and not told & (read | {"refusal", "x"})
    named = {"from", "value"} if "conversations" in record else set()
    assert MANY_KEYS.keys() - {"refusal", "x"} <= read | told | named


def test_old_functions_become_tools():
    """Bug: files of 2023 lose their functions."""
    call = {"name": "track", "arguments": "{}"}
    record = {
        "messages": [USER, {"role": "assistant", "content": None, "function_call": call}, {"role": "function", "content": "x"}],
        "functions": [TOOLS[0]["function"]],
    }  # fmt: skip
    row = converted(record)
    assert row.tools == TOOLS
    assert row.messages[1]["tool_calls"] == [{"id": "call_0", "type": "function", "function": call}]
    assert row.messages[2]["role"] == "tool"


def test_text_parts_are_joined_and_developer_is_system():
    """Bug: content as a list of parts is taken for a broken message."""
    parts = [{"type": "text", "text": "Where is "}, {"type": "text", "text": "my card?"}]
    developer = {"role": "developer", "content": "You help."}
    row = converted({"messages": [developer, {"role": "user", "content": parts}, ANSWER]})
    assert row.messages == [SYSTEM, USER, ANSWER]


# --- others ---------------------------------------------------------------------------------------------------------


def test_preference_keeps_both_answers():
    """Bug: the rejected answer is learnt, or lost."""
    row = converted(SAME["openai_preference"], task="preference")
    assert row.answer == ANSWER and row.rejected == [{"role": "assistant", "content": "No idea."}]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Where is my card?", "chosen": "On its way.", "rejected": "No idea."},
        {"prompt": [USER], "chosen": [ANSWER], "rejected": [{"role": "assistant", "content": "No idea."}]},
        {
            "prompt": "Where is my card?",
            "chosen": [USER, ANSWER],
            "rejected": [USER, {"role": "assistant", "content": "No idea."}],
        },
    ],
)
def test_pairs_of_answers_as_most_data_sets_have_them(record):
    """Bug: the commonest form of preference data is refused, or the question is learnt as an answer."""
    row = converted(record, task="preference")
    assert row.messages == [USER, ANSWER] and row.rejected == [{"role": "assistant", "content": "No idea."}]


@pytest.mark.parametrize("text", [json.dumps([USER, ANSWER]), repr([USER, ANSWER])])
def test_messages_that_stand_in_a_cell_as_text_are_read(text):
    """Bug: a table of conversations saved as CSV is 'no format that we know'."""
    assert recognised(table_of({"messages": text})) == "openai"
    assert converted({"messages": text}).messages == [USER, ANSWER]
    with pytest.raises(RowFault, match="wrong_format"):
        Meaning("openai", "chat")({"messages": "[nothing of the kind"})
    with pytest.raises(RowFault, match="wrong_format"):  # half a character, which no Parquet file takes
        Meaning("openai", "chat")({"messages": text.replace("Where", "\\ud83d")})


def test_roles_are_known_in_capitals_and_by_other_names():
    """Bug: a whole file goes because it says User and Assistant, or human and model."""
    for user, assistant in (("User", "Assistant"), ("human", "model"), ("USER", "bot")):
        row = converted({"messages": [{**USER, "role": user}, {**ANSWER, "role": assistant}]})
        assert row.messages == [USER, ANSWER]


def test_alpaca_s_input_follows_its_instruction():
    """Bug: the text to work on is dropped, so answers have no question."""
    row = converted({"instruction": "Translate.", "input": "Hund", "output": "dog"})
    assert row.messages[0]["content"] == "Translate.\n\nHund"


def test_prompt_and_completion_may_be_text():
    """Bug: only conversational prompt/completion works."""
    assert converted({"prompt": "a", "completion": "b"}).messages == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ]


@pytest.mark.parametrize("speaker", ["human", "user"])
@pytest.mark.parametrize("key", [("from", "value"), ("role", "content")])
def test_sharegpt_s_dialects(speaker, key):
    """Bug: ShareGPT with OpenAI's keys is refused."""
    turns = [{key[0]: speaker, key[1]: "a"}, {key[0]: "gpt", key[1]: "b"}]
    assert [message["role"] for message in converted({"conversations": turns}).messages] == ["user", "assistant"]


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "task", "wanted"),
    [
        ({"text": "hi", "label": " greet "}, "classify", ("hi", "greet")),
        ({"id": "7", "Utterance": "hi", "Intent Name": "greet"}, "classify", ("hi", "greet")),
        ({"question": "2+2", "answer": "4"}, "chat", ("2+2", "4")),
        ({"text": "hi", "label": 3}, "classify", ("hi", "3")),
        ({"text": "hi", "label": True}, "classify", ("hi", "true")),
        ({"text": "table for 2", "slots": {"people": "2"}}, "extract", ("table for 2", '{"people": "2"}')),
        ({"text": "q", "context": "c", "answer": "a"}, "chat", ("q\ncontext: c", "a")),
    ],
)
def test_columns_are_recognised_by_name(record, task, wanted):
    """Bug: input and target swapped, an object written as Python, a label with blanks beside one without."""
    row = converted(record, task)
    assert (row.messages[0]["content"], row.messages[1]["content"]) == wanted


def test_mapping_of_the_recipe_overrides_names():
    """Bug: the recipe's columns are ignored where names look familiar."""
    columns = {"input": ["subject", "body"], "target": "team", "group": "customer", "weight": "w"}
    record = {"text": "no", "label": "no", "subject": "s", "body": "b", "team": "t", "customer": 7, "w": "0.5"}
    row = converted(record, "classify", columns=columns)
    assert row.messages[0]["content"] == "s\nbody: b" and row.answer["content"] == "t"
    assert (row.group, row.weight) == ("7", 0.5)


def test_mapping_may_read_columns_of_what_looks_like_a_message_format():
    """Bug: data.columns is ignored because the file has prompt and completion."""
    columns = {"input": "prompt", "target": "kind"}
    row = converted({"prompt": "a", "completion": "b", "kind": "c"}, "classify", columns=columns)
    assert row.answer["content"] == "c"


def test_missing_column_is_named_with_those_there_are():
    """Bug: KeyError, or an empty question for every row."""
    with pytest.raises(
        DataError, match=r"no column 'txt' \(recipe: data.columns.input: txt\); it has text, label"
    ) as e:
        converted({"text": "a", "label": "b"}, "classify", columns={"input": "txt", "target": "label"})
    assert e.value.hint == "did you mean 'text'?"


@pytest.mark.parametrize(
    "record",
    [{"prompt": "a", "completion": "b", "label": "c"}, {"instruction": "a", "output": "b"},
     {"prompt": "a", "chosen": "b", "rejected": "c"}],
)  # fmt: skip
def test_columns_that_are_missing_are_not_guessed(record):
    """Bug: a slip of the pen in data.columns, and the model learns another column, without a word."""
    with pytest.raises(DataError, match="no column 'promt'"):
        converted(record, "classify", columns={"input": "promt", "target": "lable"})


def test_messages_beside_files_of_columns_are_read_as_messages():
    """Bug: what `tunesmith distill` wrote cannot stand in train beside one's own table."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    row = converted({"messages": turns, "teacher": "t"}, "classify", columns={"input": "text", "target": "label"})
    assert row.answer["content"] == "b"


@pytest.mark.parametrize("weight", ["heavy", "-1", "nan", "inf", None])
def test_weight_that_is_none_is_a_fault(weight):
    """Bug: NaN weights make the loss NaN."""
    with pytest.raises(RowFault, match="bad_weight"):
        converted({"t": "a", "l": "b", "w": weight}, columns={"input": "t", "target": "l", "weight": "w"})


def test_context_alone_is_no_question():
    """Bug: a row without its question is kept because the other column has text."""
    assert converted({"text": " ", "context": "c", "answer": "a"}).messages[0]["content"] == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(float("nan"), ""), (None, ""), (1, "1"), (1.0, "1"), (-2.0, "-2"), (1.5, "1.5"), (True, "true"), (2**70, str(2**70)),
     (float(2**70), str(float(2**70))), (0.1, "0.1"), ("1.0", "1.0")],
)  # fmt: skip
def test_numbers_are_written_as_people_do_and_nan_is_nothing(value, text):
    """Bug: a gap becomes the label 'nan', and the labels beside it 1.0 in one file and 1 in another."""
    row = converted({"text": "a", "label": value}, task="classify")
    assert row.messages[1]["content"] == text


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [*FORMATS])
def test_files_of_another_format_than_the_recipe_says_are_refused(wanted):
    """Bug: every row is removed one by one, and the reason is found in a Parquet file."""
    with pytest.raises(DataError, match=rf"x\.jsonl: data\.format says {wanted}, .* keys colour, shape"):
        converter(table_of({"colour": 1, "shape": 2}), recipe_of(format=wanted))


def test_refusal_names_the_format_the_file_has():
    """Bug: the hint does not help."""
    with pytest.raises(DataError) as error:
        converter(table_of(SAME["sharegpt"]), recipe_of(format="alpaca"))
    assert "data.format: sharegpt" in error.value.hint


def test_unknown_columns_are_listed_not_guessed():
    """Bug: the first column is taken for the question."""
    with pytest.raises(DataError, match=r"cannot tell the question from the answer: it has the columns foo, bar"):
        converter(table_of({"foo": 1, "bar": 2}), recipe_of())


def test_plain_columns_are_no_preferences():
    """Bug: preference training without rejected answers."""
    with pytest.raises(DataError, match="hold no rejected answers"):
        converter(table_of({"text": "a", "label": "b"}), recipe_of("preference"))


def test_answers_marked_one_by_one_are_no_pairs():
    """Bug: TRL's unpaired form loses every row to "no rejected answer", without a word on what to do."""
    record = {"prompt": "Where is my card?", "completion": "On its way.", "label": True}
    with pytest.raises(DataError, match="a label each") as error:
        converter(table_of(record), recipe_of("preference"))
    assert "objective: kto" in error.value.hint


FAULTS = {
    "not a list": ("openai", {"messages": "hi"}, "wrong_format"),
    "a message of text": ("openai", {"messages": ["hi"]}, "wrong_format"),
    "an unknown role": ("openai", {"messages": [{"role": "boss", "content": "x"}]}, "unknown_role"),
    "a role that is a list": ("openai", {"messages": [{"role": [], "content": "x"}]}, "unknown_role"),
    "an image": ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "unsupported_content"),
    "content of a number": ("openai", {"messages": [{"role": "user", "content": 3}]}, "wrong_format"),
    "tools of text": ("openai", {"messages": [USER, ANSWER], "tools": "track"}, "wrong_format"),
    "tools of names": ("openai", {"messages": [USER, ANSWER], "tools": ["track"]}, "wrong_format"),
    "functions of text": ("openai", {"messages": [USER, ANSWER], "functions": "track"}, "wrong_format"),
    "calls of text": ("openai", {"messages": [USER, {**ANSWER, "tool_calls": "track"}]}, "wrong_format"),
    "a call without a name": ("openai", {"messages": [USER, {**ANSWER, "tool_calls": [{"function": {}}]}]}, "wrong_format"),
    "input of text": ("openai_preference", {**SAME["openai_preference"], "input": "hi"}, "wrong_format"),
    "one answer": ("openai_preference", {**SAME["openai_preference"], "preferred_output": None}, "wrong_format"),
    "other conversations": ("chosen_rejected", {"chosen": [USER, ANSWER], "rejected": [ANSWER, ANSWER]}, "wrong_format"),
    "no rejected": ("chosen_rejected", {"prompt": "hi", "chosen": "a", "rejected": None}, "wrong_format"),
    "a turn of text": ("sharegpt", {"conversations": ["hi"]}, "wrong_format"),
    "no speaker": ("sharegpt", {"conversations": [{"value": "hi"}]}, "unknown_role"),
    "an odd speaker": ("sharegpt", {"conversations": [{"from": ["human"], "value": "hi"}]}, "unknown_role"),
    "mixed kinds": ("prompt_completion", {"prompt": [USER], "completion": "b"}, "wrong_format"),
    "another version": ("bedrock_converse", {**SAME["bedrock_converse"], "schemaVersion": "2"}, "wrong_format"),
    "system of text": ("bedrock_converse", {**SAME["bedrock_converse"], "system": "You help."}, "wrong_format"),
    "a cache point": ("bedrock_converse", {**SAME["bedrock_converse"], "system": [{"cachePoint": 1}]}, "unsupported_content"),
    "content of text": ("bedrock_converse", {**SAME["bedrock_converse"], "messages": [USER]}, "wrong_format"),
    "a document": (
        "bedrock_converse",
        {**SAME["bedrock_converse"], "messages": [{"role": "user", "content": [{"document": {}}]}]},
        "unsupported_content",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "record", "rule"), FAULTS.values(), ids=FAULTS)
def test_records_that_do_not_fit_break_a_rule(name, record, rule):
    """Bug: what cannot be learnt is dropped silently, or crashes the run."""
    with pytest.raises(RowFault) as fault:
        FORMATS[name](record)
    assert fault.value.rule == rule
    json.dumps(fault.value.evidence)


KEYS = st.sampled_from([
    "messages", "tools", "functions", "input", "preferred_output", "non_preferred_output", "conversations", "from", "value",
    "role", "content", "system", "prompt", "completion", "instruction", "output", "schemaVersion", "text", "type", "weight",
    "tool_calls", "function_call",
])  # fmt: skip
LEAVES = st.sampled_from([
    None, "", "hi", "user", "assistant", "human", "gpt", "bedrock-conversation-2024", 0, 1.5, True, "text",
])  # fmt: skip
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.dictionaries(KEYS, ANYTHING, max_size=5))
def test_any_record_becomes_an_example_or_breaks_a_rule(name, record):
    """Bug: one odd value among a million rows ends the run with a traceback."""
    try:
        row = FORMATS[name]({**record, "schemaVersion": "bedrock-conversation-2024"})
    except RowFault as fault:
        json.dumps(fault.evidence)
        return
    assert all(message["role"] in ("system", "user", "assistant", "tool") for message in row.messages)
    assert all(isinstance(message["content"], str | None) for message in row.messages)
    assert row.tools is None or all(isinstance(tool, dict) for tool in row.tools)


def test_the_documented_records_are_recognised_as_documented():
    """Bug: docs/data.md shows a record that its format refuses."""
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| `(\{.*\})` \|$", page, re.MULTILINE))
    assert set(shown) == {*FORMATS, "columns"}
    for name, text in shown.items():
        record = json.loads(text)
        assert recognised(table_of(record)) == (None if name == "columns" else name)
        tasks = {"columns": "classify", "openai_preference": "preference", "chosen_rejected": "preference"}
        task = tasks.get(name, "chat")
        check_row(converted(record, task), recipe_of(task))


def test_a_record_of_another_form_among_columns_is_told_as_such():
    """Bug: conversations in a file of columns go as 'empty_input', though their questions are there."""
    table = table_of({"text": "a", "label": "b"})
    convert, _ = converter(table, recipe_of("classify"))
    with pytest.raises(RowFault, match="wrong_format") as caught:
        convert({"messages": [USER, ANSWER]})
    assert caught.value.evidence == {"expected": "text and label", "found": "messages"}
    assert convert({"text": "a"}).answer["content"] == ""
