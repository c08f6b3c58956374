"""The target domain that rows are compared with: its texts, from files, from the recipe, or from the validation files.

Owns what an entry of ``data.relevance.to`` means. Does not own the comparison (`score`, `judge`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import RecipeError
from tunesmith.data.asked import exchange, exchanges_of
from tunesmith.data.beside import records_of
from tunesmith.data.read.decode import ending_of, text_lines
from tunesmith.data.read.sources import HUB, KINDS, expand
from tunesmith.data.sample import spread

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.data.gather import Gathered
    from tunesmith.data.read.sources import Source
    from tunesmith.recipe import Recipe

VALID = "valid"
"""The entry of ``data.relevance.to`` that stands for the validation files."""

RECIPE = "the recipe"
_TEXT_ENDINGS = {".txt", ".text", ".md"}
_PATH = re.compile(r"\S+\.(?:" + "|".join(sorted(one[1:] for one in KINDS | _TEXT_ENDINGS)) + r")(?:\.\w+)?")


@dataclass
class Target:
    """Texts of the domain, where they are from, and whether they hold answers as well as questions.

    ``described``: the one text is no example but says what the domain is.
    """

    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    answers: bool = False
    described: bool = False


def relevance_files(recipe: Recipe, recipe_dir: Path) -> list[Source]:
    """Return the files that ``data.relevance.to`` names; their content is part of what a Dataset is made of.

    Raises:
        DataError: if one is not there.
    """
    settings = recipe.data.relevance
    entries = [entry for entry in settings.to if _is_file(entry, recipe_dir)] if settings else []
    return expand(entries, recipe_dir, "data.relevance.to")


def _is_file(entry: str, recipe_dir: Path) -> bool:
    if entry == VALID or "\n" in entry or len(entry) > 1000:
        return False
    if entry.startswith(HUB) or _PATH.fullmatch(entry):
        return True
    return bool(entry.strip()) and "\0" not in entry and (recipe_dir / entry).exists()


def target_of(recipe: Recipe, recipe_dir: Path, gathered: Gathered, living: NDArray[np.bool_]) -> Target:
    """Return the texts that ``data.relevance.to`` names, each once.

    An entry is ``valid`` (the validation files), a file, folder or glob (lines of a text file; of other files the
    column that bears the input, or the conversation), or else the text itself, a line an example. A single line that
    is all there is describes the domain: of one example nothing could be learnt.

    Raises:
        DataError: if a file cannot be read, or no column of it can be told for the text.
        RecipeError: if ``valid`` is named and there are no validation files.
    """
    assert recipe.data.relevance is not None
    read_off: list[tuple[str, str | None]] = []
    names = []
    for entry in recipe.data.relevance.to:
        if entry == VALID:
            read_off += _validation(recipe, gathered, living)
            names.append("data.valid")
        elif not _is_file(entry, recipe_dir):
            read_off += [(line.strip(), None) for line in entry.splitlines()]
            names.append(RECIPE)
    for source in relevance_files(recipe, recipe_dir):
        read_off += _texts_in(source, recipe)
        names.append(source.label)
    answers = _answers_count(recipe) and all(answer for _, answer in read_off)
    texts = [f"{asked}\n{answer}" if answers else asked for asked, answer in read_off]
    texts, names = list(dict.fromkeys(text for text in texts if text)), list(dict.fromkeys(names))
    return Target(texts, names, answers, described=len(texts) == 1 and names == [RECIPE])


def _answers_count(recipe: Recipe) -> bool:
    """Tell whether answers are texts of the domain; labels and JSON are not."""
    return recipe.task in ("chat", "preference")


def _validation(recipe: Recipe, gathered: Gathered, living: NDArray[np.bool_]) -> list[tuple[str, str | None]]:
    rows = np.flatnonzero(living & (gathered.frame["part"] == "valid").to_numpy())
    if not recipe.data.valid:
        raise RecipeError(
            "data.relevance.to: 'valid' stands for the validation files, and data.valid names none",
            expected="files in data.valid, or a target of its own",
        )
    return [*exchanges_of(gathered, spread(rows))]


def _texts_in(source: Source, recipe: Recipe) -> list[tuple[str, str | None]]:
    """Return the texts of a file and, where its records are conversations, their answers."""
    if not source.hub and ending_of(source) in _TEXT_ENDINGS:
        with text_lines(source, "") as lines:
            return [(line.strip(), None) for line in lines if line.strip()]
    mapped = recipe.data.columns.input if recipe.data.columns else ()
    found: list[tuple[str, str | None]] = []
    for _, record in records_of(source, "data.relevance.to", mapped):
        found.append((record.strip(), None) if isinstance(record, str) else exchange(record.messages))
    return found
