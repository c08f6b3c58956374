"""What was redacted, kept encrypted: read back with the key, and to be found nowhere without it."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.cli.main import main
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import ArtifactError, MissingExtraError, RecipeError, SetupError
from tunesmith.data.originals import Original, Sealer, read_originals
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe, parse_recipe

pytestmark = pytest.mark.slow

pytest.importorskip("cryptography")
VARIABLE, SECRET = "TUNESMITH_ORIGINALS_KEY", "correct-horse-battery-staple"
AWS = "AKIA" + "Z5XQ7LPN3RWT2VYK"
PLANTED = ["ada.lovelace@analytical.org", "charles.babbage@engine.net", "415-555-0123", AWS, "grace@hopper.mil"]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)


def write_rows(folder: Path) -> None:
    """Write rows with planted values: in a row that stays, a duplicate, rows that are no examples, an answer."""
    rows: list[Any] = [
        {"messages": [{"role": "user", "content": f"What is {n} times seven, please?"}, {"role": "assistant", "content": f"It is {n * 7}."}]}
        for n in range(40)
    ]  # fmt: skip
    rows[3]["messages"][0]["content"] = (
        f"I am {PLANTED[0]}, she is {PLANTED[1]}, call {PLANTED[2]}, not {PLANTED[0].upper()}"
    )
    rows[4]["messages"] = rows[3]["messages"]
    rows[5]["messages"][1]["content"] = f"Use {AWS} for it."
    rows[6] = {"messages": [{"role": "user", "content": f"from {PLANTED[4]}"}]}
    rows[7]["messages"][1]["content"] = f"As an AI language model I cannot write to {PLANTED[4]}."
    text = "\n".join(map(json.dumps, rows)) + f'\n{{"messages": [broken {PLANTED[4]}\n'
    (folder / "a.jsonl").write_text(text)


def made(folder: Path, home: str = "home", **data: Any) -> Artifact:
    if not (folder / "a.jsonl").exists():
        write_rows(folder)
    privacy = data.pop("privacy", {"originals": {"key_env": VARIABLE}})
    recipe = Recipe(name="t", task="chat", data={"train": "a.jsonl", "privacy": privacy, **data})
    return prepare(recipe, Workspace(folder / home), recipe_dir=folder)


def contents(folder: Path) -> dict[str, str]:
    """Return every file below a folder as text, Parquet unpacked, base64 undone."""
    found = {}
    for file in folder.rglob("*"):
        if file.suffix == ".parquet":
            found[file.name] = pl.read_parquet(file).write_json()
        elif file.is_file():
            found[file.name] = file.read_bytes().decode("latin-1")
        if file.name == "originals.enc":
            pieces = [json.loads(line) for line in file.read_text().splitlines()[1:]]
            found["opened"] = "".join(base64.b64decode(piece["sealed"]).decode("latin-1") for piece in pieces)
    return found


def test_every_original_is_read_back_and_found_nowhere_else(tmp_path, key, capfd):
    """Bug: a value is lost, or stands in the clear in a file, a scratch folder, the report or the terminal."""
    dataset = made(tmp_path, processes=2)
    found = list(read_originals(dataset, tmp_path))
    assert {one.original.casefold() for one in found} == {value.casefold() for value in PLANTED}
    assert dataset.result["facts"]["originals"] == len(found)
    files = contents(tmp_path / "home")
    assert "opened" in files and "report.html" in files
    said = "".join(capfd.readouterr())
    for value in PLANTED:
        assert not [name for name, text in files.items() if value.casefold() in text.casefold()], value
        assert value.casefold() not in said.casefold()


def test_a_group_that_is_an_address_is_only_a_digest(tmp_path, key):
    """Bug: the texts are redacted, and the customer's address stands in the column that keeps rows together."""
    rows = "\n".join(f"question number {n} of all,yes {n} it is,user{n // 3}@x.org" for n in range(30))
    (tmp_path / "a.csv").write_text(f"question,answer,customer\n{rows}\n")
    data = {"train": "a.csv", "split": {"group_by": "customer"}, "dedup": {"near": None}}
    dataset = prepare(Recipe(name="t", task="chat", data=data), Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    assert not [name for name, text in contents(dataset.path).items() if "@x.org" in text and name != "manifest.json"]
    groups = pl.concat([pl.read_parquet(dataset.path / f"{split}.parquet") for split in ("train", "valid", "test")])[
        "group"
    ]
    assert groups.n_unique() == 10


def test_put_back_in_opposite_order_they_give_the_text_that_was_read(tmp_path, key):
    """Bug: the record names a placeholder that the row does not have, or the wrong row or field."""
    dataset = made(tmp_path, dedup={"exact": False, "near": None})
    rows = pl.concat([pl.read_parquet(dataset.path / f"{split}.parquet") for split in ("train", "valid", "test")])
    texts = dict(rows.select("row_id", "messages").iter_rows())
    originals = [one for one in read_originals(dataset, tmp_path) if one.field != "removed.text"]
    assert len(originals) == 9  # four in each of two rows, one key
    for one in reversed(originals):
        messages = json.loads(texts[one.row_id])
        message = messages[int(one.field.removeprefix("messages[")[:-1])]
        before, after = message["content"].rsplit(one.placeholder, 1)
        message["content"] = before + one.original + after
        texts[one.row_id] = json.dumps(messages)
    restored = [row for row in texts.values() if PLANTED[2] in row]
    assert len(restored) == 2
    assert json.loads(restored[0])[0]["content"] == json.loads((tmp_path / "a.jsonl").read_text().splitlines()[3])["messages"][0]["content"]  # fmt: skip


def test_the_same_key_gives_the_same_bytes_and_the_key_is_no_part_of_the_id(tmp_path, key, monkeypatch):
    """Bug: a random nonce makes two runs differ; or training on a machine without the key makes another Dataset."""
    one, two = made(tmp_path, "one", processes=1), made(tmp_path, "two", processes=2)
    assert one.id == two.id
    assert (one.path / "originals.enc").read_bytes() == (two.path / "originals.enc").read_bytes()
    monkeypatch.setenv(VARIABLE, SECRET + "!")
    other = made(tmp_path, "three")
    assert other.id == one.id
    assert (one.path / "originals.enc").read_bytes() != (other.path / "originals.enc").read_bytes()
    monkeypatch.delenv(VARIABLE)
    assert made(tmp_path, "one").id == one.id  # it is there: nothing has to be sealed
    assert made(tmp_path, "one", privacy={}).id != one.id


def test_without_the_right_key_nothing_opens(tmp_path, key, monkeypatch):
    """Bug: a wrong or missing key gives a traceback, or an empty list that reads as 'nothing was redacted'."""
    dataset = made(tmp_path)
    monkeypatch.setenv(VARIABLE, SECRET + "!")
    with pytest.raises(ArtifactError, match="does not open with this key"):
        list(read_originals(dataset, tmp_path))
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(SetupError, match=f"{VARIABLE} is not there"):
        list(read_originals(dataset, tmp_path))
    with pytest.raises(SetupError, match=f"{VARIABLE} is not there"):
        made(tmp_path, "other")
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(SetupError, match="has 5 characters"):
        made(tmp_path, "other")
    assert not (tmp_path / "other").exists()


def test_a_dataset_without_originals_and_a_machine_without_the_library_say_so(tmp_path, key, monkeypatch):
    """Bug: KeyError for a Dataset of another recipe; ModuleNotFoundError instead of the install line."""
    with pytest.raises(ArtifactError, match="keeps nothing of what was redacted"):
        list(read_originals(made(tmp_path, privacy={}), tmp_path))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(MissingExtraError, match=r"tunesmith\[privacy\]"):
        made(tmp_path)


def test_a_key_file_lies_beside_the_recipe(tmp_path):
    """Bug: the file is looked for in the current folder, or its line end is part of the key."""
    (tmp_path / "key.txt").write_text(SECRET + "\n")
    dataset = made(tmp_path, privacy={"originals": {"key_file": "key.txt"}})
    (tmp_path / "key.txt").write_text(SECRET)
    assert len(list(read_originals(dataset, tmp_path))) > 5


def test_a_restored_row_keeps_its_original_once(tmp_path, key):
    """Bug: a row whose secret removes it, brought back, has no record, or the record of its removal."""
    privacy = {"originals": {"key_env": VARIABLE}, "secrets": "remove"}
    removed = made(tmp_path, privacy=privacy)
    assert [one.field for one in read_originals(removed, tmp_path) if one.original == AWS] == ["removed.text"]
    (tmp_path / "restore.yaml").write_text("rules: {secret: test}\n")
    back = made(tmp_path, privacy=privacy)
    assert [one.field for one in read_originals(back, tmp_path) if one.original == AWS] == ["messages[1]"]


def test_rows_restored_before_they_were_redacted_have_each_their_own(tmp_path, key):
    """Bug: what is redacted in a restored row is lost, or counted again with the next restored row."""
    rows = [
        {"messages": [{"role": "user", "content": f"<p>Who is number {n}?</p>"}, {"role": "assistant", "content": f"It is u{n}@x.org."}]}
        for n in range(30)
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "restore.yaml").write_text("rules: {html: test}\n")
    dataset = made(tmp_path, clean={"html": "remove"})
    assert sorted(one.original for one in read_originals(dataset, tmp_path)) == sorted(f"u{n}@x.org" for n in range(30))


def test_the_command_reads_a_row_and_fails_in_words(tmp_path, key, monkeypatch, capsys):
    """Bug: tunesmith show --originals prints the table on stdout, ignores --row, or exits 1 on a wrong key."""
    dataset = made(tmp_path, ".tunesmith")
    row = next(one.row_id for one in read_originals(dataset, tmp_path) if one.original == AWS)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(
            sys, "argv", ["tunesmith", "show", dataset.id, "--home", str(dataset.path.parents[1]), *words]
        )
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    code, out, _ = run("--originals", "--row", row[:8], "--json")
    assert code == 0
    assert json.loads(out) == {"dataset": dataset.id, "originals": [{"row_id": row, "field": "messages[1]", "placeholder": "[SECRET]", "original": AWS}]}  # fmt: skip
    code, out, said = run("--originals")
    assert (code, out) == (0, "") and AWS in said
    assert run("--originals", "--row", "nothing")[0] == 2
    assert run("--row", row)[0] == 2
    monkeypatch.setenv(VARIABLE, SECRET + "!")
    code, out, said = run("--originals", "--json")
    assert (code, out) == (2, "") and "Traceback" not in said


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("originals: {key: correct-horse-battery-staple}", "unknown key 'data.privacy.originals.key'"),
        ("originals: {key_env: correct-horse-battery-staple}", "never written here"),
        ("originals: {}", "one of key_env and key_file"),
        ("originals: {key_env: A, key_file: b}", "one of key_env and key_file"),
        ("{originals: {key_env: A}, pii: flag, secrets: 'off'}", "keeps what is redacted"),
    ],
)
def test_a_recipe_that_cannot_mean_it_is_refused_and_the_secret_not_repeated(setting, message):
    """Bug: a key written into the recipe is taken for a name, or stands in the error and so in the logs."""
    privacy = setting if setting.startswith("{") else f"{{{setting}}}"
    with pytest.raises(RecipeError, match=message) as raised:
        parse_recipe(f"name: t\ntask: chat\ndata: {{train: x, privacy: {privacy}}}\n")
    assert "battery" not in str(raised.value)


texts = st.text(max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.builds(Original, texts, texts, texts, texts), max_size=4), st.integers(0, 9))
def test_sealing_loses_nothing_and_a_piece_opens_only_in_its_place(originals, number):
    """Bug: odd letters are lost; a piece moved to another place or Dataset, or cut, opens all the same."""
    sealer = Sealer("t-1", bytes(range(64)))
    line = sealer.seal(number, originals)
    assert sealer.open(line) == originals
    moved = json.dumps({**json.loads(line), "piece": number + 1})
    for wrong, by in ((moved, sealer), (line, Sealer("t-2", sealer.key)), (line[:-6] + '"}', sealer)):
        with pytest.raises(ArtifactError):
            by.open(wrong)
