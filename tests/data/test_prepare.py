"""The prepare stage on files: everything accounted for, repaired, deterministic, restorable."""

from __future__ import annotations

import csv
import json
import random
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bad_data import ROWS, csv_text
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import ArtifactError, DataError, TunesmithError
from tunesmith.data.init import write_recipe
from tunesmith.data.prepare import prepare
from tunesmith.data.restore import restore_row, restore_rule
from tunesmith.recipe import Recipe, load_recipe
from tunesmith.text.examples import read_examples

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "src" / "tunesmith" / "assets" / "demo"


def made(folder: Path, **data: Any) -> Artifact:
    recipe = Recipe(name="t", task=data.pop("task", "classify"), data={"train": "a.csv", **data})
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


@pytest.fixture
def demo(tmp_path: Path) -> Artifact:
    shutil.copytree(DEMO, tmp_path / "demo")
    recipe = load_recipe(tmp_path / "demo" / "recipe.yaml")
    return prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path / "demo")


def test_the_demo_accounts_for_every_row(demo):
    """Bug: read is not kept plus removed, or the splits do not add up."""
    result = demo.result
    with (DEMO / "tickets.csv").open(encoding="utf-8", newline="") as file:
        assert result["rows"]["read"] == sum(1 for _ in csv.DictReader(file))
    assert result["rows"]["read"] == result["rows"]["kept"] + result["rows"]["removed"]
    assert sum(result["splits"].values()) == result["rows"]["kept"]
    assert pl.read_parquet(demo.path / "removed.parquet").height == result["rows"]["removed"]
    assert set(result["verdicts"]) == {"relevance", "cleanliness", "balance", "size"}


def test_the_demo_is_clean_afterwards(demo):
    """Bug: mojibake, tags or personal data reach the model."""
    texts = [
        example.input_text
        for name in ("train", "valid", "test")
        for example in read_examples(demo.path / f"{name}.parquet")
    ]
    assert not [text for text in texts if "Ã" in text or "<p>" in text or "&nbsp;" in text]
    assert not [text for text in texts if "@" in text.replace("@ ", "")]
    assert sum("[EMAIL]" in text for text in texts) > 10


def test_no_personal_data_anywhere_in_the_artifact(tmp_path):
    """Bug: what is redacted in the examples lives on in removed.parquet, repairs.parquet or the report."""
    rows = [
        *ROWS,
        ("write to jane.roe@example.org", "refund"),
        ("Write to jane.roe@example.org", "refund"),
        ("jane.roe@example.org", ""),
    ]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    dataset = made(tmp_path)
    assert dataset.result["removed_by"] == {"duplicate": 1, "empty_answer": 1}
    for file in dataset.path.iterdir():
        content = pl.read_parquet(file).write_json() if file.suffix == ".parquet" else file.read_text()
        assert "jane.roe" not in content, file.name


def test_removed_rows_say_where_they_were(tmp_path):
    """Bug: the line is the row's number and not the line in the file, so nobody finds it."""
    text = 'text,intent\n"two\nlines 1",a\nplain 1,b\nplain 1,b\n,a\n' + "".join(
        f"more {n},{'ab'[n % 2]}\n" for n in range(20)
    )
    (tmp_path / "a.csv").write_text(text)
    removed = pl.read_parquet(made(tmp_path).path / "removed.parquet").sort("line").to_dicts()
    assert [(one["source"], one["line"], one["rule"]) for one in removed] == [
        ("a.csv", 5, "duplicate"), ("a.csv", 6, "empty_input"),
    ]  # fmt: skip


def test_what_was_wrong_with_rows_is_said_where_they_are_counted(tmp_path, capsys):
    """Bug: of a file with commas nobody quoted three rows are left, and the error that follows is about a label."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("a, b, c", "x"), ("", "refund"), ("d, e", "x")]))
    made(tmp_path)
    assert f"{len(ROWS)} usable (removed: ragged_row 2, empty_input 1)" in capsys.readouterr().err


def test_same_bytes_same_id_same_files(tmp_path):
    """Bug: order of a set, a clock or a path of the machine gets into the artifact."""
    folders = [tmp_path / "one", tmp_path / "other place"]
    for folder in folders:
        folder.mkdir()
        (folder / "a.csv").write_text(csv_text())
    first, second = (made(folder) for folder in folders)
    assert first.id == second.id
    assert first.manifest["files"] == second.manifest["files"]
    (folders[1] / "a.csv").write_text(csv_text()[:-1].replace("parcel 1", "packet 1"))
    assert made(folders[1]).id != first.id


def test_restore_brings_a_row_back_in_the_next_dataset(tmp_path):
    """Bug: restore writes a note nobody reads."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ROWS[0]]))
    first = made(tmp_path)
    twin = pl.read_parquet(first.path / "removed.parquet")["row_id"][0]
    restore_row(first, twin[:8], tmp_path)
    second = made(tmp_path)
    assert second.id != first.id and second.result["rows"] == {"read": 25, "kept": 25, "removed": 0}


def test_restore_refuses_what_is_no_example(tmp_path):
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("no answer", "")]))
    dataset = made(tmp_path)
    row_id = pl.read_parquet(dataset.path / "removed.parquet")["row_id"][0]
    with pytest.raises(DataError, match="empty_answer: it cannot be restored"):
        restore_row(dataset, row_id, tmp_path)
    with pytest.raises(ArtifactError, match="no removed row"):
        restore_row(dataset, "ffffffff", tmp_path)


def test_labels_named_in_the_recipe_may_be_rare(tmp_path):
    """Bug: a list of labels is ignored, or its order is lost."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("my card is gone", "theft")]))
    dataset = made(tmp_path, labels={"names": ["theft", "refund", "delivery", "unused"]})
    assert json.loads((dataset.path / "labels.json").read_text()) == ["theft", "refund", "delivery", "unused"]
    assert "theft" in {example.label for example in read_examples(dataset.path / "train.parquet")}


def test_the_report_is_safe_to_open(tmp_path):
    """Bug: a row's text runs as a script in the report."""
    rows = [*ROWS, ("<script>alert(1)</script> x", "refund"), ("", "<img src=x onerror=alert(2)>")]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    html = (made(tmp_path, clean={"html": "off"}).path / "report.html").read_text()
    assert "<script>alert" not in html and "<img src=x" not in html


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["a", "b", "c", ""])), max_size=40))
def test_any_rows_are_all_accounted_for_or_refused(tmp_path, rows):
    """Bug: some odd text makes a row vanish, or prepare crash."""
    with (tmp_path / "a.csv").open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        try:
            csv.writer(file).writerows([("text", "intent"), *rows])
        except UnicodeEncodeError:
            return
    try:
        result = made(tmp_path).result
    except TunesmithError as error:
        assert str(error)
        return
    assert result["rows"]["read"] == result["rows"]["kept"] + result["rows"]["removed"]


def test_init_finds_the_official_test_and_its_recipe_prepares(tmp_path):
    """Bug: init writes a recipe that the next command refuses, or overlooks the test file beside train."""
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(csv_text([(f"{text} in {name}", label) for text, label in ROWS]))
    recipe = write_recipe(tmp_path / "new project", "classify", tmp_path / "train.csv")
    loaded = load_recipe(recipe)
    assert loaded.data.test == ["../test.csv"] and loaded.data.columns is not None
    dataset = prepare(loaded, Workspace(tmp_path / "home"), recipe_dir=recipe.parent)
    assert dataset.result["splits"]["test"] == len(ROWS)


def test_init_writes_nothing_when_the_file_is_no_use(tmp_path):
    (tmp_path / "a.csv").write_text("text,intent\n,\n")
    with pytest.raises(DataError):
        write_recipe(tmp_path / "new", "classify", tmp_path / "a.csv")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["weird name, with: colon.csv", "a#b.csv", "ünï.csv", "true.csv"])
def test_init_quotes_what_yaml_would_misread(tmp_path, name):
    (tmp_path / name).write_text(csv_text(header="no: comment #1,yes"))
    recipe = load_recipe(write_recipe(tmp_path / "x", "classify", tmp_path / name))
    assert recipe.data.train == [f"../{name}"] and recipe.data.columns is not None
    assert (recipe.data.columns.input, recipe.data.columns.target) == (["no: comment #1"], "yes")


def test_evaluation_items_are_taken_out_of_train_and_shown(tmp_path):
    """Bug: a benchmark's question is learnt, and nobody can see which."""
    question = (
        "A farmer has seventeen sheep and sells all but nine of them at the market; how many sheep remain with him?"
    )
    rows = [*ROWS, (f"please solve: {question.upper()}", "delivery")]
    (tmp_path / "a.csv").write_text("text,intent\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    (tmp_path / "evals.jsonl").write_text(json.dumps({"question": question, "answer": "9"}) + "\n")
    dataset = made(tmp_path, decontaminate=["evals.jsonl"])
    [row] = pl.read_parquet(dataset.path / "removed.parquet").to_dicts()
    evidence = json.loads(row["evidence"])
    assert row["rule"] == "contaminated" and evidence["item"] == "evals.jsonl:1"
    assert evidence["span"].upper().startswith("A FARMER HAS") and dataset.result["facts"]["evaluation_items"] == 1
    (tmp_path / "evals.jsonl").write_text(json.dumps({"question": "another question altogether", "answer": "9"}) + "\n")
    assert made(tmp_path, decontaminate=["evals.jsonl"]).id != dataset.id


def test_near_duplicates_go_and_alike_questions_with_other_facts_stay(tmp_path):
    """Bug: rows that differ in a number or an answer are merged, or a copy with one other word is learnt twice."""
    say = (
        "hello there could you please be so kind as to tell me when exactly the parcel with the {} lamp which i ordered "
        "last week from your lovely web shop will finally arrive at my house because i am going away for some days soon"
    )
    extra = [(say.format("green"), "delivery"), (say.format("brown"), "delivery"), (say.format("red"), "refund")]
    extra += [(f"i paid {price} for the lamp and would like to have all of my money back now please", "refund")
              for price in (10, 20)]  # fmt: skip
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, *extra]))
    dataset = made(tmp_path)
    removed = pl.read_parquet(dataset.path / "removed.parquet").to_dicts()
    assert [(row["rule"], "brown" in row["text"]) for row in removed] == [("near_duplicate", True)]
    flagged = pl.read_parquet(dataset.path / "repairs.parquet").filter(pl.col("rule") == "near_conflict")
    assert flagged.height == 1


@pytest.mark.parametrize(("values", "gone"), [(("low", "average"), {}), (("low", "low"), {"near_duplicate": 1})])
def test_a_value_changed_in_question_and_answer_is_another_row(tmp_path, values, gone):
    """Bug: of 'a pub with low prices' and 'a pub with average prices', each with its answer, one is never learnt."""
    ask = "name[Aromi], eatType[coffee shop], food[Chinese], customer rating[{}], area[riverside]"
    tell = "{} is a coffee shop with Chinese food by the river, and its customers rate it as {} over all these years."
    rows = [(f"tell me about subject number {n}", f"Subject {n} is one of many.") for n in range(30)]
    rows += [(ask.format(value), tell.format(who, value)) for value, who in zip(values, ("It", "This"), strict=True)]
    assert prepared_chats(tmp_path, rows).result["removed_by"] == gone


def test_a_value_changed_on_both_sides_of_long_rows_is_another_row(tmp_path):
    """Bug: the same where question and answer are long enough to be alike by their runs of words."""
    ask = " ".join(["please write down with all that you know about it"] * 4) + " which requests were {} by the board"
    tell = " ".join(["as far as anybody around here can tell today"] * 4) + " these were {} and the file was closed"
    rows = [(f"tell me about subject number {n}", f"Subject {n} is one of many.") for n in range(30)]
    rows += [(ask.format(value), tell.format(value)) for value in ("approved", "rejected")]
    assert "near_duplicate" not in prepared_chats(tmp_path, rows).result["removed_by"]


def test_rows_of_a_template_that_answer_differently_are_counted_as_rows(tmp_path):
    """Bug: every pair is counted as a prompt, so that 30 rows are 435 contradictions and the data are called poor."""
    say = (
        "Write a short product description for our web shop that fits on one line and names the price for the item: {}"
    )
    rows = [(say.format(a + b), f"The {a}{b} is a fine thing of {n} shillings, with {a * 3} and {b * 4}.")
            for n, (a, b) in enumerate((a, b) for a in ("sofa", "lamp", "desk", "vase", "rack", "bowl") for b in "klmno")]  # fmt: skip
    lines = [json.dumps({"prompt": ask, "completion": answer}) for ask, answer in rows]
    others = [json.dumps({"prompt": f"{word} {n * 37} {word[::-1]}?", "completion": f"{n} {word * 2} {n + 1}."})
              for n in range(80) for word in ("mountain", "kitchen", "engine", "winter")]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, *others]))
    recipe = Recipe(name="t", task="chat", data={"train": "a.jsonl"})
    result = prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path).result
    assert result["conflicts"] == 0
    assert 1 < result["near_conflicts"] <= 30 and result["flagged_by"]["near_conflict"] == result["near_conflicts"]
    assert result["verdicts"]["cleanliness"]["measures"]["conflict_frac"]["value"] == 0


def test_one_cluster_of_everything_stops_and_asks(tmp_path):
    """Bug: a rule that is wrong for the data removes most of them without a word."""
    say = (
        "dear team my order number is unknown to me at the moment because i lost the paper but the {} thing which i bought "
        "from you some weeks ago is late and i really want to know why it is so late and when it is going to be here"
    )
    names = [f"{a}{b}" for a in "abcdefghijkl" for b in "abcdefghijkl"]
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, *((say.format(name), "delivery") for name in names)]))
    with pytest.raises(DataError, match=r"nearly the same as a\.csv"):
        made(tmp_path)
    assert made(tmp_path, dedup={"max_cluster_frac": 1.0}).result["removed_by"]["near_duplicate"] > 100


def test_where_pieces_end_changes_no_byte(tmp_path, monkeypatch):
    """Bug: a piece lists its repairs before its flags and unread rows before the others, so its size is seen."""
    plain = [(f"tell me about subject number {n}", f"Subject {n} is one of many.") for n in range(30)]
    flagged = [("what is in the box?", "You will find it in the"), ("  too  wide ", "It is as wide as can be.")]
    lines = [
        json.dumps({"prompt": asked, "completion": told}) for asked, told in [*plain, *flagged, ("", "nothing asked")]
    ]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "no json"]) + "\n")
    found = []
    for rows in (10_000, 1):
        monkeypatch.setattr("tunesmith.data.read.files.PIECE_ROWS", rows)
        found.append(made(tmp_path, task="chat", train="a.jsonl", processes=1).manifest)
        shutil.rmtree(tmp_path / "home")
    assert found[0]["files"] == found[1]["files"]
    assert found[0]["result"]["flagged_by"] and found[0]["result"]["rows"]["removed"] == 2


REQUESTS = [
    ("what is pisco?", "Hi! Could you tell me, what is pisco?", True),
    ("Name the capital of Peru.", "please: name the capital of Peru", True),
    ("is the server up?", "is the server down?", False),
    ("convert 12 dollars to euro", "convert 90 dollars to euro please", False),
    ("what is pisco?", "what is wine?", False),
    ("how do I cancel my subscription?", "how do I renew my subscription?", False),
    ("the harbour inn is a cheap pub near the river", "a cheap pub near the river is the harbour inn", False),
]


@pytest.mark.parametrize(("one", "other", "same"), REQUESTS)
def test_a_question_with_words_around_it_is_the_same_request(tmp_path, one, other, same):
    """Bug: 'Hi! What is X?' is learnt twice, or questions that differ in the one word that matters, or are worded in
    another order, are merged.
    """
    answer = "It is what most people around here would expect it to be, more or less, on a normal day."
    other_answer = answer.replace("normal", "usual" if not same else "normal").replace("the", "the")
    rows = [
        {"prompt": f"tell me about subject number {n}", "completion": f"Subject {n} is one of many."} for n in range(30)
    ]
    rows += [{"prompt": one, "completion": answer}, {"prompt": other, "completion": other_answer}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = Recipe(name="t", task="chat", data={"train": "a.jsonl"})
    result = prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path).result
    assert result["removed_by"] == ({"near_duplicate": 1} if same else {})


def test_a_restored_row_is_still_without_personal_data(tmp_path):
    """Bug: what the user brings back skips all repairs, and an address is learnt."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("<p>write to jane.roe@mailbox.org</p>", "refund")]))
    first = made(tmp_path, clean={"html": "remove"})
    assert first.result["removed_by"] == {"html": 1}
    restore_rule(first, "html", tmp_path)
    second = made(tmp_path, clean={"html": "remove"})
    texts = [
        one.input_text for name in ("train", "valid", "test") for one in read_examples(second.path / f"{name}.parquet")
    ]
    assert len(texts) == len(ROWS) + 1 and not [text for text in texts if "jane" in text]
    assert [text for text in texts if "[EMAIL]" in text]


def prepared_chats(folder: Path, rows: list[tuple[str, str]], test: str | None = None, **dedup: Any) -> Artifact:
    """Prepare chats of (question, answer); ``test`` is the file that is held out."""
    lines = (json.dumps({"prompt": asked, "completion": told}) + "\n" for asked, told in rows)
    (folder / "a.jsonl").write_text("".join(lines))
    data: dict[str, Any] = {"train": "a.jsonl", "dedup": dedup} | ({"test": test} if test else {})
    recipe = Recipe(name="t", task="chat", data=data)
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
def test_a_label_that_is_not_a_number_is_none(tmp_path, kind):
    """Bug: what programs write for a missing label is learnt as the label 'nan'; the numbers beside it end in '.0'."""
    rows = [{"text": f"{text} now", "label": 1.0 if label == "refund" else 2.0} for text, label in ROWS]
    rows += [{"text": f"who knows {number} of these", "label": float("nan")} for number in range(3)]
    file = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(file)
    elif kind == "csv":
        file.write_text(csv_text([(one["text"], f"{one['label']:g}") for one in rows], "text,label"))
    else:
        file.write_text("\n".join(map(json.dumps, rows)) if kind == "jsonl" else json.dumps(rows))
    dataset = made(tmp_path, train=file.name)
    assert dataset.result["removed_by"]["empty_answer"] == 3
    assert json.loads((dataset.path / "labels.json").read_text()) == ["1", "2"]


def test_a_label_nan_that_the_recipe_lists_stays(tmp_path):
    """Bug: bread is no label."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, *((f"flat bread {word}", "nan") for word in "abcd")]))
    names = sorted({label for _, label in ROWS} | {"nan"})
    assert "empty_answer" not in made(tmp_path, labels={"names": names}).result["removed_by"]


def test_keys_of_messages_that_nothing_reads_are_told_once(tmp_path):
    """Bug: `reasoning_content` is dropped silently; a piece taken from the index forgets what it ignored."""
    with (tmp_path / "a.jsonl").open("w") as file:
        for number in range(40):
            answer = {"role": "assistant", "content": f"It is number {number}.", "refusal": None}
            if number < 25:
                answer["reasoning_content"] = "Let me think."
            asked = {"role": "user", "content": f"Which number has house {number} of the long road?"}
            file.write(json.dumps({"messages": [asked, answer]}) + "\n")
    for _ in range(2):
        dataset = made(tmp_path, task="chat", train="a.jsonl", dedup={"near": None})
        assert dataset.result["ignored_keys"] == {"reasoning_content": 25}
        told = [note for note in dataset.result["notes"] if "reasoning_content 25" in note]
        assert len(told) == 1 and "reasoning_content 25" in (dataset.path / "report.html").read_text()
        shutil.rmtree(tmp_path / "home" / "artifacts", ignore_errors=True)


def asked_in(dataset: Artifact, part: str) -> set[str]:
    """Return the questions of a split."""
    return {json.loads(text)[0]["content"] for text in pl.read_parquet(dataset.path / f"{part}.parquet")["messages"]}


def test_pairs_are_made_of_train_alone(tmp_path):
    """Bug: a conflict whose row is held out becomes a preference pair, and its prompt is learnt."""
    things = ["parcel", "card", "letter", "box", "lamp", "chair", "phone", "cup"]
    asked = [f"What is the rule for a {thing} of colour {n}?" for thing in things for n in range(10)]
    rows = [
        (prompt, f"{word} {at}, as the book says.")
        for at, prompt in enumerate(asked)
        for word in ("Rule", "Rule", "Other")
    ]
    dataset = prepared_chats(tmp_path, rows, conflicts="pairs", near=None)
    lines = (dataset.path / "preference_pairs.jsonl").read_text().splitlines()
    paired = {json.loads(line)["input"]["messages"][0]["content"] for line in lines}
    assert len(paired) == 64 and paired == asked_in(dataset, "train")


def test_rows_of_one_template_are_all_kept_and_held_out(tmp_path):
    """Bug: all rows of a template are one cluster, nothing can be held out, and good data are refused as too few."""
    text = (
        "Article {}: you are asked about the stock of our warehouse in the harbour, which is counted every evening by "
        "the two clerks of the night shift and written into the ledger. How many units of it are left on the shelves?"
    )
    rows = [(text.format(10_000 + n), f"There are {n * 7 % 3001} units of it left on our shelves.") for n in range(600)]
    dataset = prepared_chats(tmp_path, rows)
    assert {part: len(asked_in(dataset, part)) for part in ("train", "valid", "test")} == {
        "train": 480, "valid": 60, "test": 60,
    }  # fmt: skip


def test_rows_that_all_ask_alike_are_refused_by_that_name(tmp_path):
    """Bug: a user with hundreds of rows is told that they are too few."""
    asked = "please tell me in your own words what you think of the new garden of the old museum in our small town"
    rows = [
        (asked + " and" * (n % 2) + f" {'it ' * (n % 3)}is", f"My thought {'ab'[n % 2]} of {n} is short.")
        for n in range(200)
    ]
    with pytest.raises(DataError, match=r"of \d+ rows ask alike"):
        prepared_chats(tmp_path, rows, conflicts="flag")


def test_alike_questions_stay_together_when_near_duplicates_are_not_looked_for(tmp_path):
    """Bug: `near: null` leaves copies with one changed word on both sides of the split, and the score is a lie."""
    words = [f"{a}{b}{c}" for a in "bdkmprst" for b in "aeiou" for c in "lnrst"]
    rows = []
    chance = random.Random(5)
    for n in range(100):
        own = chance.choices(words, k=40)
        rows += [(" ".join(own), f"The answer is {n}."), (" ".join([*own[:-1], "changed"]), f"It is {n}, of course.")]
    dataset = prepared_chats(tmp_path, rows, near=None)
    sides = {
        part: {" ".join(asked.split()[:-1]) for asked in asked_in(dataset, part)} for part in ("train", "test", "valid")
    }
    assert len(sides["train"]) + len(sides["test"]) + len(sides["valid"]) == 100


FILLED = (
    "please write down in one short line what the customer of our shop in the old harbour has to pay for a {} when it is "
    "sent by post to the next village"
)


@pytest.mark.parametrize("near", [0.7, None])
def test_rows_of_one_template_are_split_by_the_words_that_fill_it(tmp_path, near):
    """Bug: 300 facts in one wording end in 'nothing can be held out'; or the same fact, asked twice, lies on two sides;
    or nobody is told what such a test measures.
    """
    words = [f"{a}{b}{c}" for a in "bdkmprst" for b in "aeiou" for c in ("ll", "nd", "rk", "st", "mp", "x", "sk", "ft")]
    rows = []
    for n, word in enumerate(words[:300]):
        rows.append((FILLED.format(word), f"The {word} costs {words[-n - 1]} coins."))
        if n % 3 == 0:
            rows.append((FILLED.format(word).replace("what the", "what a"), f"That is {words[-n - 1]} coins for it."))
    dataset = prepared_chats(tmp_path, rows, near=near)
    sides = {part: {asked.split()[22] for asked in asked_in(dataset, part)} for part in ("train", "valid", "test")}
    assert min(len(sides["valid"]), len(sides["test"])) >= 20
    assert not sides["train"] & (sides["valid"] | sides["test"]) and not sides["valid"] & sides["test"]
    [note] = [note for note in dataset.result["notes"] if "templates" in note]
    assert note.startswith("400 of 400 rows") and "says nothing about new questions" in note
    assert dataset.result["near_conflicts"] <= 110  # the same fact in other words; other facts contradict nothing


def test_a_test_file_of_the_same_template_leaves_rows_to_learn(tmp_path):
    """Bug: all of train fills the template of the test file, so every row is a leak and nothing is left; or a question
    of the test with another article is learnt; or copies of the test with a word changed are no leak if they are many.
    """
    words = [f"{a}{b}{c}" for a in "bdkmprst" for b in "aeiou" for c in ("ll", "nd", "rk", "st", "mp", "x", "sk", "ft")]
    rows = [(FILLED.format(word), f"The {word} costs {words[-n - 1]} coins.") for n, word in enumerate(words[:200])]
    own = (json.dumps({"prompt": asked, "completion": told}) + "\n" for asked, told in rows[160:])
    (tmp_path / "test.jsonl").write_text("".join(own))
    learnt = [*rows[:160], (rows[170][0].replace("what the", "what a"), "It costs what it costs.")]
    dataset = prepared_chats(tmp_path, learnt, test="test.jsonl")
    assert dataset.result["removed_by"] == {"near_leak": 1} and dataset.result["splits"]["test"] == 40
    chance = random.Random(3)
    texts = [chance.choices(words, k=40) for _ in range(60)]
    rows = [(" ".join(own), f"It is {n}.") for n, own in enumerate(texts)]
    (tmp_path / "test.jsonl").write_text(
        "".join(json.dumps({"prompt": asked, "completion": told}) + "\n" for asked, told in rows)
    )
    copies = [(" ".join([*own[:20], "changed", *own[21:]]), f"It may be {n + 5}.") for n, own in enumerate(texts)]
    others = [(" ".join(chance.choices(words, k=40)), f"So {n}.") for n in range(60)]
    again = prepared_chats(tmp_path, [*copies, *others], test="test.jsonl")
    assert again.result["removed_by"] == {"near_leak": 60}


def test_a_stricter_search_for_duplicates_makes_no_easier_test(tmp_path):
    """Bug: with `near: 0.9` questions that are alike to 0.75 lie on both sides of the split."""
    words = [f"{a}{b}{c}" for a in "bdkmprst" for b in "aeiou" for c in "lnrst"]
    rows, chance = [], random.Random(5)
    for n in range(100):
        own = chance.choices(words, k=40)
        other = [*own[:20], "changed", *own[21:]]
        rows += [(" ".join(own), f"The answer is {n}."), (" ".join(other), f"It is {n}, of course.")]
    dataset = prepared_chats(tmp_path, rows, near=0.9)
    sides = {part: {" ".join(asked.split()[:20]) for asked in asked_in(dataset, part)}
             for part in ("train", "test", "valid")}  # fmt: skip
    assert sum(map(len, sides.values())) == len(set.union(*sides.values())) == 100
    assert not [note for note in dataset.result["notes"] if "templates" in note]


def test_a_restored_row_that_is_found_no_more_is_told(tmp_path):
    """Bug: a line put above a restored row takes it out again, and nobody is told."""
    rows = [(f"how do I find shelf {n} of hall {n * 3}?", f"Go to hall {n * 3}, shelf {n}.") for n in range(60)]
    rows.append(rows[5])
    before = prepared_chats(tmp_path, rows)
    [twin] = pl.read_parquet(before.path / "removed.parquet")["row_id"].to_list()
    restore_row(before, twin, tmp_path)
    assert prepared_chats(tmp_path, rows).result["notes"] == before.result["notes"]
    told = prepared_chats(tmp_path, [("where is the exit?", "Behind you, on the left."), *rows]).result["notes"]
    assert [note for note in told if twin in note]
