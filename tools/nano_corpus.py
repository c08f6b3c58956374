"""The text nano is pretrained on: openly licensed stories and books, and our own conversations (`nano_text`).

Owns reading, the split (every 50th document of a source is held out) and the mix. Does not own tokens.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nano_text

HELD_OUT_EVERY = 50
HELD_OUT_SEED = 999_983
"""Seed of the held-out conversations; training uses others."""

SOURCES = {
    "tinystories_lc": (
        "corpus_tinystories_lc",
        "CDLA-Sharing-1.0, from TinyStories by R. Eldan and Y. Li (lower-cased)",
    ),
    "african_storybook": (
        "corpus_african_storybook",
        "CC-BY, African Storybook; each story's author is named in the data",
    ),
    "childrens_books": ("corpus_childrens_books", "public domain in the USA; 28 books"),
}


@dataclass(frozen=True)
class Source:
    """One corpus: documents to learn from and documents to measure on."""

    name: str
    licence: str
    train: list[str]
    held_out: list[str]


def read(data: Path) -> list[Source]:
    """Read every corpus; a document is a story, or a chapter of a book."""
    sources = []
    for name, (folder, licence) in SOURCES.items():
        files = sorted((data / folder).glob("*.jsonl"))
        if not files:
            raise SystemExit(f"{data / folder}: no .jsonl files; --data must hold corpus_* folders")
        documents = [json.loads(line)["text"] for file in files for line in file.open(encoding="utf-8")]
        train = [text for place, text in enumerate(documents) if place % HELD_OUT_EVERY]
        sources.append(Source(name, licence, train, documents[::HELD_OUT_EVERY]))
    return sources


def own_rows(seed: int, count: int) -> list[list[nano_text.Message]]:
    """Return conversations of our own."""
    return list(nano_text.conversations(seed, count))
