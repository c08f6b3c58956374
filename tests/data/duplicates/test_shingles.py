"""Words, shingles and signatures: pure functions of each text."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.duplicates.shingles import BANDS, Signed, band_keys, mixed, shingle_hashes, sign, word_hashes

TEXTS = st.lists(
    st.text(alphabet=st.sampled_from("aAbB1_ .,!\n-é’中ß🙂\x00\ud800"), max_size=60)
    | st.lists(st.sampled_from(["one", "Two", "three.", "internationalisation", "x"]), max_size=20).map(" ".join),
    max_size=12,
)


def same(one: Signed, other: Signed) -> bool:
    names = ("words", "exact", "bands", "shingles", "offsets")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def join(parts: list[Signed]) -> Signed:
    sizes = np.concatenate([[0], *(np.diff(part.offsets) for part in parts)])
    arrays = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("words", "exact", "bands", "shingles")
    )
    return Signed(*arrays, np.cumsum(sizes))


@given(TEXTS, st.integers(0, 12))
def test_chunks_joined_are_the_whole(texts: list[str], cut: int):
    """Bug: a text's hash depends on its neighbours, so that another chunk size gives another Dataset."""
    assert same(sign(texts), join([sign(texts[:cut]), sign(texts[cut:])]))


def test_a_chunk_larger_than_a_block_is_the_same():
    """Bug: the border of an inner block of half a megabyte cuts a text."""
    texts = [f"word{n} " * 40 + "é" * (n % 2) for n in range(2500)]
    assert same(sign(texts), join([sign(texts[at : at + 70]) for at in range(0, 2500, 70)]))


@given(TEXTS)
@settings(max_examples=200)
def test_words_are_the_runs_of_word_characters(texts: list[str]):
    """Bug: a word at the start, at the end, or next to an odd character is lost or cut in two."""
    plain = [re.sub(r"[^\x00-\x7f]", " ", text) for text in texts]
    hashes, offsets = word_hashes(plain)
    assert [len(re.findall(r"\w+", text)) for text in plain] == np.diff(offsets).tolist()
    named = dict(zip(re.findall(r"\w+", " ".join(plain).lower()), hashes.tolist(), strict=True))
    assert len(set(named.values())) == len(named)
    assert [named[word] for text in plain for word in re.findall(r"\w+", text.lower())] == hashes.tolist()


@given(st.lists(st.sampled_from(["a", "b", "c", "internationalisation"]), max_size=14))
def test_shingles_are_runs_of_five_words(words: list[str]):
    """Bug: a run over the border of two texts counts, or the last run of a text is missing."""
    flat, offsets = shingle_hashes(["x y z", " ".join(words), "p q r s t u"])
    runs = [tuple(words[at : at + 5]) for at in range(len(words) - 4)] or ([tuple(words)] if words else [])
    ours = flat[offsets[1] : offsets[2]].tolist()
    assert len(ours) == len(runs)
    assert len(set(ours)) == len(set(runs)) == len(set(zip(runs, ours, strict=True)))


def test_short_answers_are_their_own_shingle():
    """Bug: every text shorter than one shingle gets the same signature and vanishes ("Yes." and "No.")."""
    signed = sign(["Yes.", "No.", "Reset code 10001", "The capital is Paris.", "42", ""])
    assert np.diff(signed.offsets).tolist() == [1, 1, 1, 1, 1, 0]
    assert len(set(signed.shingles.tolist())) == 5 and len(set(signed.exact.tolist())) == 6


def test_exact_is_blind_to_case_punctuation_and_whitespace_only():
    """Bug: a re-cased or re-flowed copy counts as new, or word order does not count."""
    one, two, three, four = sign(
        ["Hello, big WORLD!", "hello big\n\n world", "big hello world", "hello bigworld"]
    ).exact
    assert one == two and len({one, three, four}) == 3


def test_texts_without_words_differ_by_their_signs():
    """Bug: all answers that are only an emoji or an operator are taken for empty and merged."""
    exact = sign(["👍", "👎", " 👍 ", "!!", ""]).exact
    assert exact[0] == exact[2] and len(set(exact.tolist())) == 4


def test_other_scripts_have_words():
    """Bug: Chinese has no spaces, so every text is one shingle; capital ß and full-width letters are other words."""
    words = sign(["今天天气很好", "STRASSE ＡＢＣ", "straße abc", "हिन्दी में लिखा"]).words
    assert words.tolist() == [6, 2, 2, 3]
    exact = sign(["STRASSE ＡＢＣ", "straße abc"]).exact
    assert exact[0] == exact[1]


def test_band_keys_agree_as_often_as_minhash_theory_says():
    """Bug: the permutations are not independent, so that near-duplicates are missed. Jaccard 0.6: 0.6^4 of them."""
    shingles = mixed(np.arange(400 * 100, dtype=np.uint64))
    rows = shingles.reshape(400, 100)
    flat = np.concatenate([rows[:, :80], rows[:, 20:]], axis=1).ravel()
    keys = band_keys(flat, np.arange(0, len(flat) + 1, 80)).reshape(400, 2, BANDS)
    share = float((keys[:, 0] == keys[:, 1]).mean())
    assert share == pytest.approx((60 / 100) ** 4, abs=0.01)


def test_hashes_are_the_same_in_every_process_and_release():
    """Bug: stored signatures cannot be compared with new ones, because they hang on PYTHONHASHSEED or a library."""
    code = "from tunesmith.data.duplicates.shingles import sign; s = sign(['Ein kurzer Satz über 3 Dinge, ja?']); " + (
        "print(s.exact[0], s.shingles.sum(), int(s.bands.sum(dtype='u8')))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {"13195467364636384744 2395819551846642168 59513215310"}


def test_nothing_gives_nothing():
    """Bug: an empty part of the data, or a text of nothing, crashes the stage."""
    assert len(sign([])) == 0 and sign([]).bands.shape == (0, BANDS)
    assert sign(["", "  \n"]).words.tolist() == [0, 0]
    assert shingle_hashes([])[1].tolist() == [0]
