"""Personal data and secrets of whole rows: one name for one value, and what the recipe says about secrets."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.prepare import prepare
from tunesmith.data.rows import Row, RowFault
from tunesmith.recipe import Recipe

KEY = "AKIA" + "Z5XQ7LPN3RWT2VYK"


def cleaner(**privacy: Any) -> Cleaner:
    return Cleaner(Recipe(name="t", task="chat", data={"train": "x", "privacy": privacy}))


def row_of(*said: str, rejected: str | None = None) -> Row:
    roles = ("user", "assistant") * len(said)
    messages: Any = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
    return Row(messages, rejected=[{"role": "assistant", "content": rejected}] if rejected else None)


def texts(row: Row) -> list[Any]:
    return [message["content"] for message in [*row.messages, *(row.rejected or [])]]


def test_a_value_has_one_name_in_all_messages_of_a_row_and_rows_know_nothing_of_each_other():
    """Bug: the answer names another placeholder than the question, or the second row's first address is [EMAIL_7]."""
    one = cleaner()
    row = row_of("From a@x.org to b@x.org", "Sent to B@x.org.", rejected="Sent to a@x.org.")
    one.clean(row)
    assert texts(row) == ["From [EMAIL] to [EMAIL_2]", "Sent to [EMAIL_2].", "Sent to [EMAIL]."]
    other = row_of("I am c@x.org", "Hello c@x.org")
    one.clean(other)
    assert texts(other) == ["I am [EMAIL]", "Hello [EMAIL]"]


def test_cleaning_a_cleaned_row_changes_nothing():
    """Bug: preparing a prepared set gives other numbers to the names."""
    one = cleaner()
    row = row_of("From a@x.org to b@x.org, call 415-555-0123", "Sent to b@x.org.")
    one.clean(row)
    before = texts(row)
    one.repairs.clear()
    one.clean(row)
    assert texts(row) == before
    assert not one.repairs


def test_secrets_are_redacted_by_default_and_on_record_by_their_own_rule():
    """Bug: a key goes into the model, or into repairs.parquet, or counts as personal data."""
    one = cleaner()
    row = row_of(f"my key is {KEY}", "Never show jo@x.org your key.")
    one.clean(row)
    assert texts(row) == ["my key is [SECRET]", "Never show [EMAIL] your key."]
    assert [(repair.rule, repair.before) for repair in one.repairs] == [
        ("secret", "(not kept: 1 SECRET)"),
        ("pii", "(not kept: 1 EMAIL)"),
    ]
    assert not [repair for repair in one.repairs if KEY in f"{repair.before}{repair.after}"]


@pytest.mark.parametrize(
    ("privacy", "question", "rules"),
    [
        ({"secrets": "flag"}, f"[EMAIL]: {KEY}", ["secret", "pii"]),
        ({"secrets": "off"}, f"[EMAIL]: {KEY}", ["pii"]),
        ({"pii": "off"}, "jo@x.org: [SECRET]", ["secret"]),
        ({"pii": "flag"}, "jo@x.org: [SECRET]", ["pii", "secret"]),
        ({"pii": "off", "secrets": "off"}, f"jo@x.org: {KEY}", []),
    ],
)
def test_each_kind_has_its_own_setting(privacy, question, rules):
    """Bug: one setting moves the other."""
    one = cleaner(**privacy)
    row = row_of(f"jo@x.org: {KEY}", "fine")
    one.clean(row)
    assert texts(row) == [question, "fine"]
    assert [repair.rule for repair in one.repairs] == rules


def test_a_secret_may_remove_its_row_and_is_not_in_the_record():
    """Bug: the row is removed, and its key kept in removed.parquet."""
    one = cleaner(secrets="remove")
    row = row_of("What is it?", f"It is {KEY}, or {KEY[:-1]}A.")
    with pytest.raises(RowFault) as raised:
        one.clean(row)
    assert (raised.value.rule, raised.value.evidence) == ("secret", {"fields": ["messages[1]"], "secrets": 2})
    assert texts(row)[1] == "It is [SECRET], or [SECRET_2]."  # a restored row has none either
    assert one.safe(f"x {KEY}") == "x [SECRET]"


def test_the_artifact_has_no_secret_and_says_which_rows_went(tmp_path):
    """Bug: rule secret is not counted, or the text of the removed row has the key."""
    rows = [{"messages": [{"role": "user", "content": f"Question number {n}?"}, {"role": "assistant", "content": f"It is {n * 7}."}]} for n in range(30)]  # fmt: skip
    rows[3]["messages"][1]["content"] = f"Use {KEY} for it."
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = {"train": [str(tmp_path / "a.jsonl")], "privacy": {"secrets": "remove"}, "dedup": {"near": None}}
    dataset = prepare(Recipe(name="t", task="chat", data=data), Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    assert dataset.result["removed_by"] == {"secret": 1}
    for file in dataset.path.iterdir():
        content = pl.read_parquet(file).write_json() if file.suffix == ".parquet" else file.read_text()
        assert KEY not in content, file.name
