"""Rows as vectors of small whole numbers, for whoever asks how rows lie to each other: selection and topics.

Owns whose embeddings serve, and the rounding: a vector of length 1 times 127, as whole numbers, so that products of
two are exact in float32 and a choice made by them is the same on every machine. Does not own the embedding of a text
(`models.embed`), nor what is done with vectors.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import MissingExtraError
from tunesmith.data.asked import texts_of
from tunesmith.data.read.files import PIECE_ROWS
from tunesmith.data.rowwise import FREE_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.spans import I64
    from tunesmith.data.gather import Gathered
    from tunesmith.models.embed import F32
    from tunesmith.recipe import Recipe

I8 = NDArray[np.int8]
TextsOf: TypeAlias = "Callable[[I64], list[str]]"

SCALE = 127
MOST_WIDE = 256
"""Widest vector: products stay below 2^24, so float32 holds them exactly, and 200,000 rows take 51 MB."""

SAMPLE_ROWS = 2_000
"""Rows, the first by the hash of their content, that tell how often words are and what all texts share."""

FALLBACK = "nano"
"""The bundled base: its embeddings serve where those of the recipe's base are not on this machine."""


def base_of(recipe: Recipe) -> str:
    """Return the base whose input embeddings serve: the recipe's own, or the bundled one if they are not here."""
    from tunesmith.models.embed import has_static_embeddings

    return recipe.base if has_static_embeddings(recipe.base) else FALLBACK


def can_embed() -> bool:
    """Tell whether the library that reads a base's tokenizer is installed."""
    return find_spec("transformers") is not None


def vectors_of(gathered: Gathered, rows: I64, recipe: Recipe, texts: TextsOf | None = None) -> I8:
    """Return the vectors of some rows (ascending), n x d with d up to `MOST_WIDE`: of the question, and of a free
    answer as well. A row without a word has zeros.

    Time grows with the rows; beside the result, `PIECE_ROWS` rows are held at a time. ``texts`` gives the texts of
    rows where those are at hand already.

    Raises:
        MissingExtraError: without the ``train`` extra, which reads the tokenizer.
    """
    from tunesmith.models.embed import embedder

    if not can_embed():
        raise MissingExtraError("train", "transformers")
    texts = texts or partial(texts_of, gathered, answers=recipe.task in FREE_ANSWERS)
    embed = embedder(None, base_of(recipe), texts(np.sort(by_exchange(gathered, rows)[:SAMPLE_ROWS])))
    parts = (rows[start : start + PIECE_ROWS] for start in range(0, len(rows), PIECE_ROWS))
    return np.concatenate([rounded(embed(texts(part))) for part in parts])


def by_exchange(gathered: Gathered, rows: I64) -> I64:
    """Return rows in the order of the hashes of question and answer: the same whatever the order of the files.

    Unlike the order of all that a row holds (`Fates.by_content`), labels, groups, weights and letter case play no part.
    """
    keys = gathered.frame.select("prompt_key", "answer_key")[rows].to_numpy()
    return np.asarray(rows[np.lexsort((keys[:, 1], keys[:, 0]))])


def rounded(vectors: F32) -> I8:
    """Return vectors (n x d, of length 1) as whole numbers, wide ones brought down to `MOST_WIDE` by random signs.

    Source: Achlioptas, "Database-friendly random projections", 2003.
    """
    wide = vectors.shape[1]
    if wide > MOST_WIDE:
        signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (wide, MOST_WIDE))
        vectors = unit(vectors @ signs)
    return np.rint(vectors * SCALE).astype(np.int8)


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return vectors at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))
