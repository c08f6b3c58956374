"""Hugging Face datasets, by name or saved folder: ``hf:org/name``, ``hf:org/name:config``, ``hf:org/name@split``.

Owns loading them as plain records. Needs the extra ``datasets``. Does not own what the records mean (`formats`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator


def _load(name: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "datasets") from error
    bare, _, split = name.partition("@")
    try:
        if (Path(bare) / "dataset_info.json").is_file() or (Path(bare) / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(bare)
        else:
            path, _, config = bare.partition(":")
            loaded = datasets.load_dataset(path, config or None)
    except Exception as error:
        raise DataError(
            f"hf:{name}: cannot be loaded: {error}",
            expected="hf:<name>, hf:<name>:<config>, hf:<name>@<split>, or a folder made by save_to_disk",
            hint="check the name, the network, and whether the dataset needs a login",
        ) from error
    return _split_of(loaded, split or "train", name)


def _split_of(loaded: Any, split: str, name: str) -> Any:
    if not isinstance(loaded, dict):
        return loaded
    if split not in loaded:
        known = ", ".join(sorted(loaded))
        raise DataError(f"hf:{name}: there is no split {split!r}", expected=f"one of {known}", hint=f"hf:{name}@SPLIT")
    return loaded[split]


def fingerprint(name: str) -> str:
    """Return the content's fingerprint as the datasets library computes it."""
    return str(_load(name)._fingerprint)


def records(name: str) -> Iterator[dict[str, Any]]:
    """Yield the records of one split.

    Raises:
        MissingExtraError: if the datasets library is not installed.
        DataError: if the dataset or its split cannot be loaded.
    """
    yield from _load(name)
