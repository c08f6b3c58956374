"""The override file beside the recipe: removals and repairs undone, by row and by rule, and nothing ignored in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from bad_data import ROWS, csv_text
from noise_rows import BAD
from tunesmith.cli.main import root
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import ArtifactError, DataError
from tunesmith.data.prepare import prepare
from tunesmith.data.report.words import known_rules
from tunesmith.data.restore import FILE, is_restorable, restore_repair, restore_row, restore_rule
from tunesmith.recipe import Clean, Recipe
from tunesmith.text.examples import read_examples

HTML = "my <b>card</b> did  not come"
MAIL = "please write to <i>jane.roe@mailbox.org</i> today"
SOURCE = Path(__file__).parents[2] / "src" / "tunesmith" / "data"


def made(folder: Path, rows: list[tuple[str, str]] = ROWS, **data: Any) -> Artifact:
    (folder / "a.csv").write_text(csv_text([*rows, (HTML, "refund"), (MAIL, "delivery")]))
    recipe = Recipe(name="t", task="classify", data={"train": "a.csv", "processes": 1, **data})
    return prepare(recipe, Workspace(folder / ".tunesmith"), recipe_dir=folder)


def inputs(dataset: Artifact) -> set[str]:
    parts = ("train", "valid", "test")
    return {one.input_text for part in parts for one in read_examples(dataset.path / f"{part}.parquet")}


def repaired(dataset: Artifact, text: str) -> str:
    found = pl.read_parquet(dataset.path / "repairs.parquet").filter(pl.col("before").str.contains(text, literal=True))
    return str(found["row_id"][0])


def test_a_repaired_row_that_is_named_stays_as_it_came(tmp_path):
    """Bug: restore undoes removals alone, and a wrong repair cannot be undone but by turning the rule off."""
    first = made(tmp_path)
    row = repaired(first, HTML)
    restore_repair(first, row[:8], tmp_path)
    again = made(tmp_path)
    assert HTML in inputs(again) - inputs(first) and again.id != first.id
    told = pl.read_parquet(again.path / "repairs.parquet").filter(pl.col("row_id") == row)
    assert set(told["rule"]) == {"html", "whitespace"} and told["after"].null_count() == told.height
    assert "<i>" not in " ".join(inputs(again))


def test_a_rule_that_is_named_repairs_nothing(tmp_path):
    """Bug: the rule is noted and looked for among removals only."""
    restore_repair(made(tmp_path), "html", tmp_path)
    again = made(tmp_path)
    assert {"my <b>card</b> did not come", "please write to <i>[EMAIL]</i> today"} <= inputs(again)
    assert "html" not in again.result["repaired_by"] and again.result["flagged_by"]["html"] == 2


def test_what_was_redacted_comes_back_only_by_row_and_rule(tmp_path):
    """Bug: undoing the repair of a tag brings an address back, or nothing ever brings back a number that is none."""
    first = made(tmp_path)
    row = repaired(first, "(not kept")
    restore_repair(first, row, tmp_path)
    assert "please write to <i>[EMAIL]</i> today" in inputs(made(tmp_path))
    with pytest.raises(DataError, match="row by row"):
        restore_repair(first, "pii", tmp_path)
    restore_repair(first, f"{row}/pii", tmp_path)
    again = made(tmp_path)
    assert MAIL in inputs(again) and again.result["flagged_by"]["pii"] == 1


def test_nothing_of_that_name_was_repaired(tmp_path):
    dataset = made(tmp_path)
    with pytest.raises(ArtifactError, match="did you mean 'html'"):
        restore_repair(dataset, "htm", tmp_path)
    with pytest.raises(ArtifactError, match="nothing was repaired"):
        restore_repair(dataset, "", tmp_path)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: {near_duplicat: x}", ["rules", "'near_duplicat'", "did you mean 'near_duplicate'"]),
        ("repairs: {htlm: x}", ["repairs", "'htlm'", "did you mean 'html'"]),
        ("repairs: {0123456789abcdef/pi: x}", ["repairs", "'pi'", "did you mean 'pii'"]),
        ("rules: {leak: x}", ["leak", "leak into training"]),
        ("rule: {html: x}", ["rule", "expected"]),
    ],
)
def test_a_rule_that_there_is_not_is_an_error(tmp_path, text, told):
    """Bug: a misspelt rule in restore.yaml restores nothing, and nobody is told."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError) as caught:
        made(tmp_path)
    assert all(one in str(caught.value) for one in told) and FILE in str(caught.value)


def test_a_repaired_row_that_is_found_no_more_is_told(tmp_path):
    """Bug: a row that moved is repaired again without a word."""
    (tmp_path / FILE).write_text("repairs: {0123456789abcdef: x, html: y, 0123456789abcdee/pii: z}")
    notes = made(tmp_path).result["notes"]
    assert [note.split()[2] for note in notes] == ["0123456789abcdee", "0123456789abcdef"]


def test_every_rule_in_the_code_is_known():
    """Bug: a new rule cannot be named in restore.yaml, and the report has no words for it."""
    code = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    called = r'(?:RowFault|BadRow|fates\.remove|fates\.flag|_removed)\((?:\w+, |int\([^"]*?, )?"([a-z_]+)"'
    found = set(re.findall(called, code))
    assert len(found) > 20 and found <= known_rules()


def test_states_conserve_and_say_what_is_held_out(tmp_path):
    """Bug: a validation row is counted as kept to learn from, or a row is in two states."""
    rows = [(f"where is my parcel number {n} now?", "ab"[n % 2]) for n in range(100)]
    (tmp_path / "b.csv").write_text(
        csv_text([("where <b>is</b> my lamp?", "a"), ("and where is the <i>chair</i>?", "b")])
    )
    result = made(
        tmp_path, [*rows, rows[0], ("", "a")], test="b.csv", labels={"names": ["a", "b", "refund", "delivery"]}
    )
    states, splits = result.result["states"], result.result["splits"]
    assert list(states) == ["kept", "repaired", "held_out", "removed"]
    assert sum(states.values()) == result.result["rows"]["read"] and states["removed"] == 2
    assert (
        states["held_out"] == splits["valid"] + splits["test"]
        and states["kept"] + states["repaired"] == splits["train"]
    )
    assert result.result["repaired"] == {"train": 2, "valid": 0, "test": 2}


def test_the_command_names_what_it_undoes(tmp_path, monkeypatch):
    """Bug: the command does not know repairs, or takes a row and a rule at once."""
    (tmp_path / "r.yaml").write_text("")
    dataset = made(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(root, ["restore", dataset.id, "--repair", "html", "--json"])
    assert ran.exit_code == 0 and json.loads(ran.stdout)["repair"] == "html"
    assert (tmp_path / FILE).read_text().startswith("repairs:\n  html: 2 repairs of")
    both = CliRunner().invoke(root, ["restore", dataset.id, "--rule", "html", "--repair", "html"])
    assert both.exit_code == 2 and "name one ROW" in both.output


ITEM = "Which bright lantern hangs beside the old northern gate of the harbour in winter?"


def chat(folder: Path, pairs: list[tuple[str, str]], **data: Any) -> Artifact:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"prompt": asked, "completion": told}) + "\n" for asked, told in pairs]
    (folder / "a.jsonl").write_text("".join(lines))
    recipe = Recipe(name="t", task="chat", base="openai:none", data={"train": "a.jsonl", "processes": 1, **data})
    return prepare(recipe, Workspace(folder / ".tunesmith"), recipe_dir=folder)


def test_what_any_rule_about_noise_or_duplicates_removed_comes_back(tmp_path):
    """Bug: a rule's removals can be named for restoring and go all the same."""
    halls = [(f"How far is hall {n} from hall {n + 7}?", f"It is {n * 3} steps to hall {n + 7}.") for n in range(200)]
    off = {"almost_json", "answer_schema", "languages", "schema"}
    clean = {name: "remove" for name in Clean.model_fields if name not in off}
    bad = [pair for rule in BAD for pair in BAD[rule][:2]]
    lamp = [(ITEM, "The red lantern of the pilots."), (f"{ITEM} Say it", "The red lantern of the pilots.")]
    pairs = [*halls, halls[0], *lamp, *bad, ("Where is the pilot?", "At home."), ("Where is the pilot?", "At sea.")]
    settings = {"clean": clean, "dedup": {"conflicts": "remove"}, "privacy": {"secrets": "remove"}}
    first = chat(tmp_path, pairs, **settings)
    rules = first.result["removed_by"]
    assert len(rules) > 20 and {"duplicate", "near_duplicate", "conflict"} <= rules.keys()
    for rule in rules:
        if is_restorable(rule):
            restore_rule(first, rule, tmp_path)
    assert {rule for rule in chat(tmp_path, pairs, **settings).result["removed_by"] if is_restorable(rule)} == set()
    (tmp_path / FILE).unlink()
    removed = pl.read_parquet(first.path / "removed.parquet").select("row_id", "rule").rows()
    for row_id, rule in removed:
        if is_restorable(rule):
            restore_row(first, row_id, tmp_path)
    assert {rule for rule in chat(tmp_path, pairs, **settings).result["removed_by"] if is_restorable(rule)} == set()


def test_a_row_taken_for_an_evaluation_item_comes_back_by_its_id_alone(tmp_path):
    """Bug: a row that only resembles an item is lost for good, or all items of an evaluation are learnt at a stroke."""
    pairs = [*((f"Where is hall {n}?", f"Hall {n} is on the left.") for n in range(40)), (ITEM, "The red one.")]
    (tmp_path / "items.jsonl").write_text(json.dumps({"question": ITEM}) + "\n")
    first = chat(tmp_path, pairs, decontaminate=["items.jsonl"])
    (row,) = pl.read_parquet(first.path / "removed.parquet").filter(pl.col("rule") == "contaminated").to_dicts()
    with pytest.raises(DataError, match=r"all at once(.|\n)*data\.decontaminate"):
        restore_rule(first, "contaminated", tmp_path)
    assert "one by one" in (first.path / "report.html").read_text()
    restore_row(first, row["row_id"], tmp_path)
    again = chat(tmp_path, pairs, decontaminate=["items.jsonl"]).result
    assert again["removed_by"] == {} and again["flagged_by"]["contaminated"] == 1


def test_a_row_that_stays_out_although_it_is_wanted_is_told(tmp_path):
    """Bug: a row in restore.yaml that a held-out file has too stays out without a word."""
    pairs = [*((f"Where is hall {n}?", f"Hall {n} is on the left.") for n in range(40)), (ITEM, "The red one.")]
    (tmp_path / "t.jsonl").write_text(json.dumps({"prompt": ITEM, "completion": "The red one."}) + "\n")
    first = chat(tmp_path, pairs, test="t.jsonl")
    (row,) = pl.read_parquet(first.path / "removed.parquet").to_dicts()
    with pytest.raises(DataError, match=r"t\.jsonl:1"):
        restore_row(first, row["row_id"], tmp_path)
    (tmp_path / FILE).write_text(f"rows: {{{row['row_id']}: x}}")
    (note,) = (one for one in chat(tmp_path, pairs, test="t.jsonl").result["notes"] if FILE in one)
    assert row["row_id"] in note and "leak" in note and "stays out" in note
