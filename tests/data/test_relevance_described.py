"""Relevance to a target that is only described: what it finds in real data, and when it refuses to guess."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from tunesmith.cli.main import root
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import DataError
from tunesmith.data.prepare import prepare
from tunesmith.data.relevance.describe import meant_by
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

BANK = "customer questions to a retail bank about cards, transfers and accounts"
PLACES = "short descriptions of restaurants, pubs and coffee shops with price, food and customer rating"
MEANINGLESS = (
    "legal contracts between companies",
    "telecom customers asking about their mobile contract, roaming and invoices",
    "poems about love and death",
    "insurance claims after car accidents",
    "tweets about football matches and transfers of players",
    "Rezepte für Kuchen und Brot",
)


@pytest.fixture
def sets(shared_data: Callable[[str], Path]) -> dict[str, list[str]]:
    """Rows of four real sets, some hundreds of each."""

    def lines(file: Path, key: str) -> list[str]:
        return [json.loads(line)[key] for line in file.read_text(encoding="utf-8").splitlines()]

    def cells(file: Path, key: str) -> list[str]:
        with file.open(encoding="utf-8", newline="") as stream:
            return [row[key] for row in csv.DictReader(stream)]

    found = {
        "banking": cells(shared_data("banking77") / "train.csv", "text"),
        "dolly": lines(shared_data("dolly6400") / "rows.jsonl", "instruction"),
        "e2e": cells(shared_data("e2e_nlg") / "devset.csv", "ref"),
        "stories": lines(shared_data("corpus_tinystories_lc") / "stories.jsonl", "text"),
    }
    return {
        name: [texts[at] for at in np.linspace(0, len(texts) - 1, 500).astype(int)] for name, texts in found.items()
    }


@pytest.fixture
def folder(tmp_path: Path, sets: Mapping[str, list[str]]) -> Path:
    """A folder whose a.csv holds the four sets, with the set as the label."""
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([text, name] for name, texts in sets.items() for text in texts)
    return tmp_path


def recipe(relevance: Mapping[str, Any], **data: Any) -> dict[str, Any]:
    data = {"train": "a.csv", "labels": {"fix": "off"}, "dedup": {"near": None}, "processes": 1, **data}
    return {"name": "t", "task": "classify", "data": {**data, "relevance": dict(relevance)}}


def prepared(folder: Path, home: str = "home", **relevance: Any) -> Artifact:
    return prepare(Recipe(**recipe(relevance)), Workspace(folder / home), recipe_dir=folder)


def test_prepare_keeps_the_rows_that_a_description_means(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Bug: a description removes rows of its own domain, keeps the others, or does not say what it was taken for."""
    (folder / "recipe.yaml").write_text(json.dumps(recipe({"to": BANK})), encoding="utf-8")
    monkeypatch.chdir(folder)
    ran = CliRunner().invoke(root, ["prepare", "recipe.yaml", "--json"])
    assert ran.exit_code == 0, ran.output
    dataset = Artifact(next(folder.glob(".tunesmith/**/report.html")).parent)
    verdict = dataset.result["verdicts"]["relevance"]
    assert {"cards", "transfers", "accounts"} <= set(verdict["said"]) and verdict["agreement"] >= 0.8
    assert "taken for what is described" in verdict["why"] and "not that they are what was meant" in verdict["why"]
    assert len(verdict["worst"]) == 5 and verdict["auc"]["value"] > 0.6
    assert verdict["auc_of"] == "rows taken for the description"
    removed = pl.read_parquet(dataset.path / "removed.parquet").filter(pl.col("rule") == "irrelevant")
    of_bank = removed.filter(pl.col("line") <= 501).height
    assert of_bank <= 0.07 * 500
    assert removed.height - of_bank >= 0.95 * 1500
    assert "taken for what is described" in (dataset.path / "report.html").read_text(encoding="utf-8")


def test_a_description_that_means_no_rows_is_an_error(folder: Path):
    """Bug: "legal contracts" removes everything but the nearest thing to them, though there are none."""
    with pytest.raises(DataError, match="cannot be said which rows 'legal contracts between companies' means"):
        prepared(folder, to=MEANINGLESS[0])
    dataset = prepared(folder, to=MEANINGLESS[0], action="flag")
    assert dataset.result["verdicts"]["relevance"]["verdict"] == "look"
    assert "irrelevant" not in dataset.result["flagged_by"]


def test_a_description_draws_rows_like_any_target(folder: Path):
    """Bug: resample does not know the scores of a description."""
    dataset = prepared(folder, to=[BANK], action="resample", keep=0.25)
    removed = pl.read_parquet(dataset.path / "removed.parquet").filter(pl.col("rule") == "irrelevant")
    assert removed.filter(pl.col("line") <= 501).height <= 0.2 * removed.height / 3


@pytest.mark.parametrize("description", MEANINGLESS)
def test_what_the_pool_does_not_hold_is_refused(sets: Mapping[str, list[str]], description: str):
    """Bug: one word of a description, common in some domain, makes that domain the target."""
    meant = meant_by(description, [text for texts in sets.values() for text in texts])
    assert meant.doubt


@pytest.mark.parametrize(("description", "name"), [(BANK, "banking"), (PLACES, "e2e")])
def test_what_is_meant_is_found_in_any_order(sets: Mapping[str, list[str]], description: str, name: str):
    """Bug: other rows than the described are found, or other ones when the file is sorted otherwise."""
    pool = [text for texts in sets.values() for text in texts]
    meant = meant_by(description, pool)
    assert not meant.doubt
    own = set(sets[name])
    assert len(own & set(meant.texts)) >= 0.9 * len(own)
    assert len(own & set(meant.texts)) >= 0.9 * len(meant.texts)
    assert meant_by(description, pool[::-1] + pool[:50]) == meant


def test_one_domain_is_not_cut_in_two(sets: Mapping[str, list[str]]):
    """Bug: among customers of a bank alone, those who speak of cards are kept and the others go."""
    assert meant_by(BANK, sets["banking"]).doubt


def test_too_few_rows_or_words_are_refused(sets: Mapping[str, list[str]]):
    """Bug: twenty rows, or two words, decide what a domain is."""
    assert "different rows are too few" in meant_by(BANK, sets["banking"][:90] + sets["e2e"][:90]).doubt
    assert "word(s) that tell" in meant_by("customers of the bank", sets["banking"]).doubt
    assert "say any of its words" in meant_by("lattice quantum chromodynamics", sets["banking"]).doubt
