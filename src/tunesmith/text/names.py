"""Names of people and street addresses in text, by a spaCy pipeline that the user has.

Owns loading the pipeline, once a process, and which of its entities are names or places. Does not own the forms of
streets (`addresses`) nor placeholders (`redact`). Which pipeline: an installed package, or a folder that
``nlp.to_disk`` wrote.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError, SetupError
from tunesmith.core.ids import digest_folder
from tunesmith.text.addresses import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tunesmith.text.redact import Found

    Entity = tuple[int, int, str]

NAMES = frozenset({"PERSON", "PER", "NAME"})
ADDRESSES = frozenset({"ADDRESS", "STREET_ADDRESS"})
PLACES = frozenset({"GPE", "LOC", "LOCATION", "FAC", "PERSON", "PER", "ORG"})
"""What may name the town or building of an address: small models take towns for people and firms."""

NOT_NEEDED = frozenset(
    {"tagger", "parser", "attribute_ruler", "lemmatizer", "trainable_lemmatizer", "morphologizer", "senter"}
)
"""Parts of a pipeline that entities do not hang on, unless it has rules of its own."""

FINDING = frozenset({"ner", "entity_ruler", "beam_ner", "span_ruler"})
LONGEST_CHARS = 100_000
BATCH_TEXTS = 64

_SAID = re.compile(
    r"\b(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof|mr|mrs|ms|dr)\b\.? |[Mm]iss |(?:[Nn]ame|NAME)(?: is|:| was) )"
    r"(?P<name>[^\W\d_a-zß-ÿ][\w'’-]{1,30}(?:[ .]{1,2}[^\W\d_a-zß-ÿ][\w'’-]{0,30}){0,3})"
)
"""Names that their words announce: after a title, or "name is"."""

_TITLE = re.compile(r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|Dear|Hi|Hello|Hey|Thanks|Regards)\b\.? ?)+")
_NO_NAME = re.compile(r"[0-9@\[\]{}<>_/\\|=#*]")
_ENDS = " \t\n\r,.;:!?\"'()’“”-–—"


class NameFinder:
    """Finds names and addresses with the pipeline ``where`` names, which is loaded on first use."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._read: dict[str, list[Entity]] = {}

    def __call__(self, text: str) -> list[Found]:
        """Return what is found, in order and without overlap: kinds ``NAME`` and ``ADDRESS``."""
        entities = self.entities(text)
        streets = [(start, end, "ADDRESS") for start, end in _streets(text, entities)]
        people = [(start, end) for start, end, label in entities if label in NAMES]
        said = [found.span("name") for found in _SAID.finditer(text)]
        names = [(*span, "NAME") for one in [*people, *said] if (span := _bare_name(text, *one))]
        return _without_overlap(streets, sorted(names, key=lambda one: (one[0], -one[1])))

    def entities(self, text: str) -> list[Entity]:
        """Return the spans that the pipeline labels, with its own labels."""
        if text not in self._read:
            self._read[text] = _entities(_pipeline(self._where), text)
        return self._read[text]

    def read_ahead(self, texts: Iterable[str]) -> None:
        """Let the pipeline read texts together, which is faster, and forget those read ahead before."""
        self._read.clear()
        known = [text for text in dict.fromkeys(texts) if len(text) <= LONGEST_CHARS]
        nlp = _pipeline(self._where)
        for text, document in zip(known, nlp.pipe(known, batch_size=BATCH_TEXTS), strict=True):
            self._read[text] = _of(document)


def _streets(text: str, entities: list[Entity]) -> list[tuple[int, int]]:
    """Return the addresses that the forms of streets tell, and those that the pipeline labels itself."""
    places = sorted((start, end) for start, end, label in entities if label in PLACES and "[" not in text[start:end])
    told = [(start, end) for start, end, label in entities if label in ADDRESSES]
    found = [one for one in addresses(text, places) if not any(one[0] < end and start < one[1] for start, end in told)]
    return sorted(told + found)


def _without_overlap(first: list[Found], more: list[Found]) -> list[Found]:
    """Return both in order; of two that overlap, the earlier in ``first``, then in ``more``."""
    kept = list(first)
    for one in more:
        if not any(one[0] < end and start < one[1] for start, end, _ in kept):
            kept.append(one)
    return sorted(kept)


def _bare_name(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a span without title, line ends and possessive; None if it cannot be a name."""
    value = text[start:end].split("\n")[0]
    if title := _TITLE.match(value):
        start, value = start + title.end(), value[title.end() :]
    start += len(value) - len(value.lstrip(_ENDS))
    value = value.strip(_ENDS)
    value = value.removesuffix("'s").removesuffix("’s")
    odd = len(value) < 2 or _NO_NAME.search(value) or value == value.lower() or text[start - 1 : start] == "["
    return None if odd else (start, start + len(value))


def _entities(nlp: Any, text: str) -> list[Entity]:
    """Return the entities of a text, however long: a pipeline reads at most `LONGEST_CHARS` at a time."""
    found = []
    for at in range(0, max(len(text), 1), LONGEST_CHARS):
        found += [(start + at, end + at, label) for start, end, label in _of(nlp(text[at : at + LONGEST_CHARS]))]
    return found


def _of(document: Any) -> list[Entity]:
    return [(one.start_char, one.end_char, one.label_) for one in document.ents]


@lru_cache(maxsize=2)
def _pipeline(where: str) -> Any:
    """Return a pipeline, loaded.

    Raises:
        MissingExtraError: without spaCy.
        SetupError: if it cannot be loaded, or finds no entities.
    """
    try:
        import spacy
    except ModuleNotFoundError as error:
        raise MissingExtraError("ner", "spacy") from error
    folder = pipeline_folder(where)
    try:
        nlp = spacy.load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise SetupError(
            f"data.privacy.ner: {where} cannot be loaded ({str(error).splitlines()[0][:200]})",
            expected="a pipeline made for the installed spaCy",
            hint="python -m spacy validate",
        ) from error
    if not FINDING & set(nlp.pipe_names):
        raise SetupError(
            f"data.privacy.ner: {where} has no part that finds names ({', '.join(nlp.pipe_names) or 'no part'})",
            expected="a pipeline with ner or entity_ruler",
        )
    if not {"entity_ruler", "span_ruler"} & set(nlp.pipe_names):
        nlp.select_pipes(disable=[name for name in nlp.pipe_names if name in NOT_NEEDED])
    return nlp


def pipeline_folder(where: str) -> Path:
    """Return the folder of a pipeline that is named by package or path, without loading it.

    Raises:
        SetupError: if there is none.
    """
    folder = Path(where).expanduser()
    if not (folder / "config.cfg").is_file():
        package = importlib.util.find_spec(where) if where.isidentifier() else None
        inside = [Path(place) for place in (package.submodule_search_locations or ())] if package else []
        folder = next((file.parent for place in inside for file in sorted(place.glob("*/config.cfg"))), Path())
    if folder == Path():
        raise SetupError(
            f"data.privacy.ner: no spaCy pipeline {where!r} is installed, and no folder of that name holds one",
            expected="an installed package such as en_core_web_sm, or a folder with config.cfg",
            hint=f"python -m spacy download {where}" if where.isidentifier() else "write the folder with nlp.to_disk",
        )
    return folder


def pipeline_identity(where: str) -> str:
    """Return a digest of a pipeline's files: another version finds other names.

    Raises:
        SetupError: if there is no such pipeline.
    """
    return digest_folder(pipeline_folder(where))
