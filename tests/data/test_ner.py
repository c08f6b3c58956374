"""Names and addresses by a spaCy pipeline: a small one with rules, trained on the spot, and what an installed one finds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import MissingExtraError, RecipeError, SetupError
from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.prepare import prepare
from tunesmith.data.rows import Row
from tunesmith.recipe import Recipe, parse_recipe
from tunesmith.text.addresses import addresses
from tunesmith.text.names import NameFinder
from tunesmith.text.redact import redact

pytestmark = pytest.mark.slow

PEOPLE = ["Ada Lovelace", "Charles Babbage", "Grace Hopper", "Mia Lindqvist", "Tom"]


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a pipeline that knows some people and towns: what ``nlp.to_disk`` writes."""
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": name} for name in PEOPLE])
    ruler.add_patterns([{"label": "GPE", "pattern": town} for town in ("Leeds", "Paris")])
    folder = tmp_path_factory.mktemp("pipeline")
    nlp.to_disk(folder)
    return str(folder)


def cleaned(pipeline: str, *said: str, **privacy: Any) -> list[Any]:
    roles = ("user", "assistant") * len(said)
    messages: Any = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
    row = Row(messages)
    one = Cleaner(Recipe(name="t", task="chat", data={"train": "x", "privacy": {"ner": pipeline, **privacy}}))
    one.clean(row)
    once = [message["content"] for message in row.messages]
    one.clean(row)
    assert [message["content"] for message in row.messages] == once, "cleaning again changes it"
    return once


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        (["I am Ada Lovelace.", "Hello Ada Lovelace!"], ["I am [NAME].", "Hello [NAME]!"]),
        (["I am Ada Lovelace.", "Dear Ada,"], ["I am [NAME].", "Dear [NAME],"]),
        (["Is ada here? Lovelace, I mean.", "Ada Lovelace is."], ["Is ada here? [NAME], I mean.", "[NAME] is."]),
        (["Ada Lovelace met Charles Babbage.", "Who, Babbage?"], ["[NAME] met [NAME_2].", "Who, [NAME_2]?"]),
        (["Ask Mr. Smithson.", "Smithson's out."], ["Ask Mr. [NAME].", "[NAME]'s out."]),
        (["My name is Zoltan Farkas-Kiss", "Hi Zoltan"], ["My name is [NAME]", "Hi [NAME]"]),
        (["Grace Hopper, hope is grace.", "Hope? Grace is."], ["[NAME], hope is grace.", "Hope? Grace is."]),
        (["[NAME] wrote to Tom", "To Tom?"], ["[NAME] wrote to [NAME_2]", "To [NAME_2]?"]),
        (["tom@x.org is Tom", "Yes"], ["[EMAIL] is [NAME]", "Yes"]),
        (["Fly to Leeds", "Leeds it is"], ["Fly to Leeds", "Leeds it is"]),
        (["Send it to 12 Hill Road, Leeds, LS1 4AP please", "Ok"], ["Send it to [ADDRESS] please", "Ok"]),
    ],
)  # fmt: skip
def test_a_person_has_one_name_in_a_conversation(pipeline, said, clean):
    """Bug: "Dear Ada" stays; Babbage becomes Ada; a town alone is redacted; a placeholder is taken for a name."""
    assert cleaned(pipeline, *said) == clean


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I live at 221B Baker Street, London.", ["221B Baker Street"]),
        ("to 1600 Pennsylvania Ave NW, Washington, DC 20500 now", ["1600 Pennsylvania Ave NW, Washington, DC 20500"]),
        ("Hauptstraße 12, 10115 Berlin", ["Hauptstraße 12, 10115"]),
        ("12 rue de la Paix, Paris", ["12 rue de la Paix"]),
        ("Via Roma 15 is it", ["Via Roma 15"]),
        ("P.O. Box 1234", ["P.O. Box 1234"]),
        ("8 Elm Lane\nApt. 4\nSpringfield\nIL 62704\nbye", ["8 Elm Lane\nApt. 4\nSpringfield\nIL 62704"]),
        ("my zip code is 35649", ["35649"]),
        ("In 1970 via Epic Records", []),
        ("took place during the 2017 season", []),
        ("3 Day Trips and 2 Road Movies", []),
        ("Chapter 5 of the Way", []),
        ("10 Downing", []),
    ],
)
def test_streets_with_numbers_are_addresses_and_other_numbers_are_not(text, found):
    """Bug: a year and a small word make an address; a flat or a code is left behind."""
    assert [text[start:end] for start, end in addresses(text)] == found


def test_a_town_that_the_model_knows_carries_an_address_on():
    """Bug: the town stays behind the redacted street."""
    text = "12 Hill Road, Leeds and off"
    assert [text[start:end] for start, end in addresses(text, [(14, 19)])] == ["12 Hill Road, Leeds"]


def test_long_and_odd_texts_are_read(pipeline):
    """Bug: spaCy refuses more than a million characters; a regular expression takes minutes."""
    text = "Tom " + "word " * 250_000 + "1 a.A-" * 20_000 + " Tom"
    assert [kind for _, _, kind in NameFinder(pipeline)(text)] == ["NAME", "NAME"]
    assert NameFinder(pipeline)("") == []


def write_rows(folder: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"What does {PEOPLE[n % 4]} say of number {n} in the list?"}, {"role": "assistant", "content": f"{PEOPLE[n % 4].split()[0]} says it is {n * 7} or more."}]}
        for n in range(60)
    ]  # fmt: skip
    rows[3]["messages"].pop()
    rows[4]["messages"][1]["content"] = "As an AI language model I know Mia Lindqvist."
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken Mia Lindqvist\n")


def made(folder: Path, pipeline: str, home: str = "home", **data: Any) -> Artifact:
    if not (folder / "a.jsonl").exists():
        write_rows(folder)
    privacy = {"ner": pipeline, **data.pop("privacy", {})}
    recipe = Recipe(
        name="t", task="chat", data={"train": "a.jsonl", "privacy": privacy, "dedup": {"near": None}, **data}
    )
    return prepare(recipe, Workspace(folder / home), recipe_dir=folder)


def test_no_name_is_left_in_any_file_and_the_number_of_processes_changes_nothing(tmp_path, pipeline, monkeypatch):
    """Bug: names stand in removed.parquet or the report; processes find other names than one process does."""
    monkeypatch.setattr("tunesmith.data.read.files.PIECE_ROWS", 20, raising=False)
    one, two = made(tmp_path, pipeline, "one", processes=1), made(tmp_path, pipeline, "two", processes=2)
    assert one.id == two.id
    for file in one.path.iterdir():
        content = pl.read_parquet(file).write_json() if file.suffix == ".parquet" else file.read_text()
        assert not [name for name in PEOPLE[:4] if name in content or name.split()[1] in content], file.name
        if file.suffix == ".parquet":
            assert file.read_bytes() == (two.path / file.name).read_bytes()
    assert pl.read_parquet(one.path / "repairs.parquet").filter(pl.col("before").str.contains("NAME")).height > 90


def test_the_pipeline_and_not_its_path_is_part_of_the_id(tmp_path, pipeline):
    """Bug: another pipeline finds other names under the same id; the same one elsewhere makes another Dataset."""
    copy = tmp_path / "copy"
    shutil.copytree(pipeline, copy)
    first = made(tmp_path, pipeline)
    assert made(tmp_path, str(copy)).id == first.id
    (copy / "meta.json").write_text((copy / "meta.json").read_text().replace("0.0.0", "0.0.1"))
    assert made(tmp_path, str(copy)).id != first.id


def test_names_may_only_be_flagged(tmp_path, pipeline):
    """Bug: pii: flag redacts names, or does not see them."""
    dataset = made(tmp_path, pipeline, privacy={"pii": "flag"})
    assert dataset.result["flagged_by"]["pii"] > 50
    assert "Ada Lovelace" in pl.read_parquet(dataset.path / "train.parquet").write_json()


def test_what_cannot_find_names_says_so(tmp_path, pipeline, monkeypatch):
    """Bug: a misspelt package, a folder of something else or a missing extra ends in a traceback."""
    spacy = pytest.importorskip("spacy")
    with pytest.raises(SetupError, match="no spaCy pipeline 'en_core_web_nothing' is installed"):
        made(tmp_path, "en_core_web_nothing")
    with pytest.raises(SetupError, match="no spaCy pipeline 'json'"):
        made(tmp_path, "json")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(SetupError, match="no part that finds names"):
        made(tmp_path, str(tmp_path / "blank"))
    (tmp_path / "blank" / "config.cfg").write_text("nothing")
    with pytest.raises(SetupError, match="cannot be loaded"):
        made(tmp_path, str(tmp_path / "blank"))
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    shutil.copytree(pipeline, tmp_path / "again")
    with pytest.raises(MissingExtraError, match=r"tunesmith\[ner\]"):
        made(tmp_path, str(tmp_path / "again"))
    with pytest.raises(RecipeError, match="pii is off"):
        parse_recipe("name: t\ntask: chat\ndata: {train: x, privacy: {ner: x, pii: 'off'}}\n")


def test_redaction_without_a_pipeline_knows_nothing_of_names():
    """Bug: addresses are looked for although the recipe names no pipeline."""
    assert redact("Ada Lovelace, 12 Hill Road, ada@x.org") == ("Ada Lovelace, 12 Hill Road, [EMAIL]", {"EMAIL": 1})


def test_nothing_inside_a_placeholder_is_found_again():
    """Bug: a model that takes "EMAIL" for a name makes "[[NAME]_2]" of a placeholder, and then more, without end."""
    text = "see [EMAIL_2] now"
    assert redact(text, names=lambda one: [(one.find("MAIL"), one.find("MAIL") + 4, "NAME")]) == (text, {})
