"""Texts as vectors without running a model: the mean of the base's own input embeddings, by word.

Owns reading that one tensor, the vector of a word, and of a text (rare words count more, what all texts share is taken
out); and the door to a sentence-transformers model, for those who want a better one. Does not own what vectors are
compared for (`data.semantic`, `data.relevance`).

Source: Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", 2017 (weights a / (a + p),
first principal component removed).
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import MissingExtraError, SetupError
from tunesmith.core.ids import digest_bytes
from tunesmith.models.load import ADAPTER_CONFIG, load_tokenizer, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.core.spans import I64

F32 = NDArray[np.float32]

SIF = 1e-3
"""Share of all words at which a word counts half. Source: Arora et al. 2017, section 4.1."""

_NAMES = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight", "tok_embeddings.weight")
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_WORD = re.compile(r"\w+")
_TEXTS_AT_ONCE = 64


class Embedder(Protocol):
    """Makes vectors of texts."""

    def __call__(self, texts: Sequence[str]) -> F32:
        """Return a vector of length 1 for each text (n x d); zeros for a text of no word."""


def embedder(name: str | None, base: str, sample: Sequence[str]) -> Embedder:
    """Return what makes vectors: the base's own embeddings if ``name`` is None, else a sentence-transformers model.

    ``sample`` is what texts look like: word frequencies and what all texts share are taken from it.

    Raises:
        MissingExtraError: without sentence-transformers, if one of its models is named.
        SetupError: if the base has no embeddings on this machine.
    """
    return StaticEmbedder(WordVectors(base), sample) if name is None else SentenceEmbedder(name)


def has_static_embeddings(base: str) -> bool:
    """Tell whether a base's weights lie on this machine as safetensors, with an input embedding among them."""
    folder = _folder_of(base)
    return folder is not None and _find(folder) is not None


def input_embeddings(base: str) -> F32:
    """Return the input embedding matrix of a base (vocabulary x width), reading nothing else of its weights.

    Raises:
        SetupError: if the base is no local folder, or has no such tensor in a type of numbers that is known.
    """
    folder = _folder_of(base)
    found = _find(folder) if folder else None
    if found is None:
        raise SetupError(
            f"{base!r} has no input embeddings on this machine",
            expected="nano, or a folder with safetensors",
            hint="download the base into a folder, or name a sentence-transformers model in data.dedup.embedding",
        )
    return _tensor(*found)


def embeddings_identity(base: str) -> str:
    """Return what identifies a base's input embeddings: the digest of that tensor if it is local, else the name."""
    return digest_bytes(input_embeddings(base).tobytes()) if has_static_embeddings(base) else base


def _folder_of(base: str) -> Path | None:
    folder = locate(base)
    if folder and (folder / ADAPTER_CONFIG).exists():
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        return locate(str(config["base_model_name_or_path"]))
    return folder


def _find(folder: Path) -> tuple[Path, str] | None:
    """Return the file and the name of the input embedding; in a sharded model the index says where it is."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        where: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    else:
        where = {name: file.name for file in sorted(folder.glob("*.safetensors")) for name in _header(file)[0]}
    names = [name for ending in _NAMES for name in where if name == ending or name.endswith("." + ending)]
    return (folder / where[names[0]], names[0]) if names else None


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """Return what a safetensors file says of its tensors, and where their bytes begin.

    Source: the format's description, github.com/huggingface/safetensors: 8 bytes of length, JSON, then the tensors.
    """
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > file.stat().st_size:
            raise SetupError(f"{file}: no safetensors file", expected="weights as safetensors", hint="load it again")
        header: dict[str, Any] = json.loads(stream.read(size))
    return header, 8 + size


def _tensor(file: Path, name: str) -> F32:
    header, begin = _header(file)
    about = header[name]
    dtype = _DTYPES.get(about["dtype"])
    if dtype is None:
        raise SetupError(f"{file}: {name} is of type {about['dtype']}", expected=", ".join(_DTYPES))
    start, stop = about["data_offsets"]
    with file.open("rb") as stream:
        stream.seek(begin + start)
        values = np.frombuffer(stream.read(stop - start), dtype)
    if about["dtype"] == "BF16":  # the upper half of a float32
        values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values.astype(np.float32).reshape(about["shape"])


class WordVectors:
    """The vector of a word: the mean over the tokens it is made of, behind a space."""

    def __init__(self, base: str) -> None:
        self._matrix = input_embeddings(base)
        self._encode_all = _encoder(base)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self._matrix.shape[1])

    def of(self, words: Sequence[str]) -> F32:
        """Return the vectors of words (n x width); zeros for a word without a token. No words give no rows."""
        out = np.zeros((len(words), self.width), np.float32)
        ids = self._encode_all([f" {word}" for word in words])
        sizes = np.fromiter(map(len, ids), np.int64, len(ids))
        filled = np.flatnonzero(sizes)
        if len(filled):
            flat = np.fromiter((one for own in ids for one in own), np.int64, int(sizes.sum()))
            sums = np.add.reduceat(self._matrix[flat], (np.cumsum(sizes) - sizes)[filled], axis=0)
            out[filled] = sums / sizes[filled, None].astype(np.float32)
        return out


def _encoder(base: str) -> Callable[[list[str]], list[list[int]]]:
    """Return what turns texts into token ids; from tokenizer.json alone where there is one, which loads in no time."""
    folder = _folder_of(base)
    if folder is not None and (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
        plain.no_padding()
        plain.no_truncation()
        return lambda texts: [one.ids for one in plain.encode_batch(texts, add_special_tokens=False)]
    tokenizer = load_tokenizer(base)
    return lambda texts: [tokenizer.encode(text, add_special_tokens=False) for text in texts]


class StaticEmbedder:
    """Makes vectors of texts from vectors of words: weighted by rarity, without what all texts share, of length 1."""

    def __init__(self, words: WordVectors, sample: Sequence[str]) -> None:
        self._words = words
        self._place: dict[str, int] = {}
        self._vectors = np.zeros((0, words.width), np.float32)
        flat, _ = self._places(sample)
        counts = np.bincount(flat, minlength=len(self._place)) if len(flat) else np.zeros(len(self._place))
        self._shares = counts / max(counts.sum(), 1)
        self._shared = np.zeros((words.width, 1), np.float32)
        raw = self._means(sample)
        if len(raw):
            self._shared = np.linalg.eigh(raw.T @ raw)[1][:, -1:].astype(np.float32)

    def __call__(self, texts: Sequence[str]) -> F32:
        """Return a vector of length 1 for each text (n x d); zeros for a text of no word."""
        means = self._means(texts)
        means -= (means @ self._shared) @ self._shared.T
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(np.divide(means, lengths, out=np.zeros_like(means), where=lengths > 1e-6))

    def _means(self, texts: Sequence[str]) -> F32:
        out = np.zeros((len(texts), self._words.width), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            flat, sizes = self._places(texts[start : start + _TEXTS_AT_ONCE])
            shares = np.zeros(len(self._place))
            shares[: len(self._shares)] = self._shares
            weights = (SIF / (SIF + shares)).astype(np.float32)[flat]
            filled = np.flatnonzero(sizes)
            if len(filled):
                begins = (np.cumsum(sizes) - sizes)[filled]
                sums = np.add.reduceat(self._vectors[flat] * weights[:, None], begins, axis=0)
                out[start + filled] = sums / np.add.reduceat(weights, begins)[:, None]
        return out

    def _places(self, texts: Sequence[str]) -> tuple[I64, I64]:
        """Return the number of each word of texts, flat, and how many words each text has; learns new words."""
        found = [_WORD.findall(text.lower()) for text in texts]
        new = [word for word in dict.fromkeys(word for own in found for word in own) if word not in self._place]
        if new:
            self._learn(new)
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        place = self._place
        return np.fromiter((place[word] for own in found for word in own), np.int64, int(sizes.sum())), sizes

    def _learn(self, words: list[str]) -> None:
        known = len(self._place)
        self._place.update(zip(words, range(known, known + len(words)), strict=True))
        if len(self._place) > len(self._vectors):  # twice the room each time, so that a vector is seldom moved
            room = np.zeros((2 * len(self._place), self._words.width), np.float32)
            room[:known] = self._vectors[:known]
            self._vectors = room
        self._vectors[known : len(self._place)] = self._words.of(words)


class SentenceEmbedder:
    """Makes vectors with a sentence-transformers model, by its name on the hub or its folder."""

    def __init__(self, name: str) -> None:
        try:
            library = importlib.import_module("sentence_transformers")
        except ModuleNotFoundError as error:
            raise MissingExtraError("embed", "sentence-transformers") from error
        try:
            self._model = library.SentenceTransformer(name, device="cpu")
        except (OSError, ValueError) as error:
            raise SetupError(
                f"data.dedup.embedding: cannot load {name!r}: {str(error).splitlines()[0]}",
                expected="a sentence-transformers model, by name or folder",
            ) from error

    def __call__(self, texts: Sequence[str]) -> F32:
        """Return a vector of length 1 for each text (n x d)."""
        return np.asarray(self._model.encode(list(texts), normalize_embeddings=True), np.float32)
