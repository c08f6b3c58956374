"""Embeddings without a model run, and prompts that mean the same."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import DataError, MissingExtraError, SetupError
from tunesmith.data.duplicates import alike, semantic
from tunesmith.data.duplicates.semantic import _representatives, calibrated, pairs_above, random_pairs, refuse_if_blind
from tunesmith.data.prepare import prepare
from tunesmith.models.embed import (
    StaticEmbedder,
    WordVectors,
    embedder,
    has_static_embeddings,
    input_embeddings,
)
from tunesmith.recipe import Recipe

DEMO = Path(__file__).parents[3] / "src" / "tunesmith" / "assets" / "demo"
ASKED = "please tell me how I can change the delivery address of my order before Friday"
AGAIN = "before Friday can I change the address of delivery of my order please tell me how"


def tickets() -> list[str]:
    with (DEMO / "tickets.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)][:250]


def prepared(folder: Path, rows: list[tuple[str, str]], **data: Any) -> Artifact:
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "intent"])
        writer.writerows([*rows, *((text, "other") for text in tickets())])
    names = ["address", "delivery", "login", "other"]
    data = {"labels": {"fix": "off", "names": names}, "processes": 1, "train": "a.csv", **data}
    recipe = Recipe(name="t", task="classify", data=data)
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


def removed(dataset: Artifact) -> pl.DataFrame:
    return pl.read_parquet(dataset.path / "removed.parquet").filter(pl.col("rule") == "semantic_duplicate")


# --- embeddings ---


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
def test_the_input_embedding_is_read_from_safetensors(tmp_path: Path, kind: Any):
    """Bug: another tensor, another type of numbers or another shape is read."""
    matrix = np.random.default_rng(0).normal(size=(20, 6)).astype(kind)
    save_file({"lm_head.weight": matrix + 1, "model.embed_tokens.weight": matrix}, tmp_path / "model.safetensors")
    assert np.array_equal(input_embeddings(str(tmp_path)), matrix.astype(np.float32))


def test_bfloat16_is_read_as_it_is(tmp_path: Path):
    """Bug: nano's own embedding, in bfloat16, comes out as noise."""
    matrix = np.array([[1.5, -2.0], [0.0078125, 3e38]], np.float32)
    upper = (matrix.view(np.uint32) >> 16).astype("<u2")
    about = {"wte.weight": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    header = json.dumps(about).encode()
    content = len(header).to_bytes(8, "little") + header + upper.tobytes()
    (tmp_path / "model.safetensors").write_bytes(content)
    assert np.allclose(input_embeddings(str(tmp_path)), matrix, rtol=1 / 128)
    nano = input_embeddings("nano")
    assert nano.shape == (4096, 256) and 0.001 < float(nano.std()) < 1


def test_a_sharded_model_says_in_its_index_where_the_embedding_is(tmp_path: Path):
    """Bug: only the first shard is looked into."""
    matrix = np.arange(12, dtype=np.float32).reshape(4, 3)
    save_file({"model.norm.weight": matrix[0].copy()}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"transformer.wte.weight": matrix}, tmp_path / "model-00002-of-00002.safetensors")
    names = {f: file.name for file in tmp_path.glob("*.safetensors") for f in load_file(file)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert np.array_equal(input_embeddings(str(tmp_path)), matrix)


def test_a_base_without_embeddings_here_is_said_so(tmp_path: Path):
    """Bug: a name on the hub is downloaded for the sake of one tensor, or ends in a traceback."""
    assert has_static_embeddings("nano") and not has_static_embeddings("Qwen/Qwen3-0.6B")
    for base in ("Qwen/Qwen3-0.6B", str(tmp_path)):
        with pytest.raises(SetupError, match="no input embeddings"):
            input_embeddings(base)


def test_vectors_have_length_one_and_do_not_hang_on_each_other():
    """Bug: a text's vector changes with the texts beside it; a text without a word is NaN."""
    embed = StaticEmbedder(WordVectors("nano"), tickets())
    texts = ["where is my order", "", "?!", "WHERE is my Order", "日本語", "zzyzx qwrtp unheard of"]
    vectors = embed(texts)
    assert np.allclose(np.linalg.norm(vectors[[0, 3, 4, 5]], axis=1), 1, atol=1e-5)
    assert not vectors[[1, 2]].any()
    assert np.array_equal(vectors[0], vectors[3])
    for text, vector in zip(texts, vectors, strict=True):
        assert np.allclose(embed([text])[0], vector, atol=1e-6)
    assert embed([]).shape == (0, 256)


def test_sentence_transformers_is_an_extra(monkeypatch: pytest.MonkeyPatch):
    """Bug: a traceback instead of the install line."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match="sentence-transformers"):
        embedder("some/model", "nano", [])


# --- duplicates ---


def test_another_word_order_is_the_same_question(tmp_path: Path):
    """Bug: prompts that say the same in another order are both learnt, and the evidence does not say of what."""
    dataset = prepared(tmp_path, [(ASKED, "address"), (AGAIN, "address")], dedup={"semantic": 0.95})
    gone = removed(dataset).to_dicts()
    assert len(gone) == 1 and gone[0]["line"] in (2, 3)  # which of them is a matter of what they say
    evidence = json.loads(gone[0]["evidence"])
    assert evidence["at"] == f"a.csv:{5 - gone[0]['line']}" and evidence["cosine"] >= 0.95
    rows = dataset.result["rows"]
    assert rows["read"] == rows["kept"] + rows["removed"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((ASKED, "address"), (AGAIN, "delivery")),  # another answer
        ((ASKED + " at 9", "address"), (AGAIN + " at 5", "address")),  # another number
        ((ASKED, "address"), (AGAIN.replace("can I", "can I not"), "address")),  # a negation
        (("how do I change my password", "login"), ("my password how do I change", "login")),  # too short
    ],
)
def test_what_differs_in_a_fact_or_the_answer_stays(tmp_path: Path, one: tuple[str, str], other: tuple[str, str]):
    """Bug: embeddings find 12 and 90, is and is not alike, and rows that teach different things are merged."""
    assert not removed(prepared(tmp_path, [one, other], dedup={"semantic": 0.95})).height


def test_held_out_rows_are_not_touched(tmp_path: Path):
    """Bug: a row of the test file goes because it means what another does."""
    with (tmp_path / "test.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "intent"), (ASKED, "address"), (AGAIN, "address")])
    dataset = prepared(tmp_path, [("hello there", "address")], test="test.csv", dedup={"semantic": 0.95})
    assert dataset.result["splits"]["test"] == 2


def test_embeddings_that_tell_nothing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bug: vectors that are all alike take nearly every row away, silently."""
    same = np.ones((500, 4), np.float32) / 2
    with pytest.raises(DataError, match=r"100\.00% of random pairs"):
        refuse_if_blind(random_pairs(same, 0), 0.95)
    monkeypatch.setattr(semantic, "_vectors", lambda prompts, recipe: np.ones((len(prompts), 4), np.float32) / 2)
    for threshold in (0.95, "auto"):
        with pytest.raises(DataError, match="random pairs"):
            prepared(tmp_path, [], dedup={"semantic": threshold})


def test_a_few_true_duplicates_are_no_reason_to_refuse():
    """Bug: twenty duplicate pairs among 200 rows are taken for blind embeddings."""
    vectors = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    vectors[100:120] = vectors[:20]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    refuse_if_blind(random_pairs(vectors, 0), 0.95)
    for rows in range(4):
        refuse_if_blind(random_pairs(vectors[:rows], 0), 0.95)


def test_pairs_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch):
    """Bug: a pair whose rows are in different blocks is missed, found twice, or found with itself."""
    monkeypatch.setattr(semantic, "_BLOCK_ROWS", 7)
    vectors = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    one, other, cosine = pairs_above(vectors, 0.9)
    expected = {(a, b) for a in range(50) for b in range(a + 1, 50) if vectors[a] @ vectors[b] >= 0.9}
    assert set(zip(one.tolist(), other.tolist(), strict=True)) == expected and len(one) == len(expected) > 10
    assert np.allclose(cosine, np.einsum("ij,ij->i", vectors[one], vectors[other]), atol=1e-6)


def test_a_row_goes_only_for_a_row_that_stays():
    """Bug: in a chain a ~ b ~ c ~ d all but one go, though a and d have little in common."""
    chain = (np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([0.96, 0.97, 0.98], np.float32))
    gone = _representatives(4, chain)
    assert [(row, kept) for row, kept, _ in gone] == [(0, 1), (2, 1)]


def test_more_rows_than_can_be_compared_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bug: a million rows are compared each with each, for days."""
    monkeypatch.setattr(semantic, "MOST_ROWS", 50)
    with pytest.raises(DataError, match="too many"):
        prepared(tmp_path, [], dedup={"semantic": 0.95})


def shuffled(times: int) -> list[tuple[str, str]]:
    """Return one question in so many orders of its words."""
    random = np.random.default_rng(5)
    return [(" ".join(random.permutation(ASKED.split())), "address") for _ in range(times)]


def test_a_large_cluster_stops_and_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bug: one question in many wordings goes without a word, or is told as embeddings that cannot tell duplicates."""
    monkeypatch.setattr(alike, "ALARM_ROWS", 10)
    with pytest.raises(DataError, match=r"would be removed as semantic duplicates") as caught:
        prepared(tmp_path, shuffled(20), dedup={"semantic": 0.95})
    assert "max_cluster_frac" in caught.value.hint and "data.dedup.semantic" in caught.value.hint
    dataset = prepared(tmp_path, shuffled(20), dedup={"semantic": 0.95, "max_cluster_frac": 1.0})
    assert removed(dataset).height >= 18


def test_more_pairs_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch):
    """Bug: half of 100,000 rows are wordings of one question, and their pairs fill the memory."""
    monkeypatch.setattr(semantic, "MOST_PAIRS", 1_000)
    with pytest.raises(DataError, match="1,000 pairs"):
        pairs_above(np.ones((60, 4), np.float32) / 2, 0.9)


def test_the_threshold_is_calibrated_on_random_pairs(tmp_path: Path):
    """Bug: auto is a constant, or it is lower than what random pairs reach."""
    dataset = prepared(tmp_path, [(ASKED, "address"), (AGAIN, "address")], dedup={"semantic": "auto"})
    told = dataset.result["facts"]["semantic"]
    assert 0.9 <= told["threshold"] <= 0.99 and told["random_pairs"] < told["threshold"] and told["removed"] >= 1
    wide = np.random.default_rng(0).normal(size=(500, 64))
    level = {}
    for shared in (0.0, 3.0, 5.0):  # the more all vectors share, the nearer random pairs are
        vectors = (wide + shared).astype(np.float32)
        level[shared] = calibrated(random_pairs(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 0))
    assert level[0.0] == 0.9 < level[3.0] < level[5.0]
    with pytest.raises(DataError, match="cannot tell duplicates"):
        calibrated(random_pairs(np.ones((500, 4), np.float32) / 2, 0))
