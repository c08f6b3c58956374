"""Candidates: the prompts that are compared, the recipe's own first.

Owns where they come from, their names, and that none is compared twice. Does not own what the writer proposes
(`writer`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError, Refusals
from tunesmith.core.ids import canonical_json
from tunesmith.evaluate.baselines import instruction
from tunesmith.evaluate.grading import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example
    from tunesmith.text.prompts import Wording
    from tunesmith.text.task import TaskSpec

OWN = "yours"
"""The recipe's own prompt, which all others are held against."""


@dataclass(frozen=True)
class Candidate:
    """A prompt.

    Args:
        name: what people call it.
        system: its system message; None: none.
        template: what wraps a user's message; None: nothing.
        shots: how many examples of train it shows.
        given: its place in ``prompt.candidates``; None: it is none of them.
    """

    name: str
    system: str | None
    template: str | None
    shots: int
    given: int | None = None

    @property
    def wording(self) -> Wording:
        """System message and template."""
        return self.system, self.template

    @property
    def words(self) -> tuple[str | None, str | None, int]:
        """All that decides what a model is asked."""
        return self.system, self.template, self.shots

    def with_shots(self, count: int) -> Candidate:
        """Return the same words with another number of examples."""
        return replace(self, name=f"{self.name}, {count} shot{'' if count == 1 else 's'}", shots=count)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able facts."""
        return {"name": self.name, "system": self.system, "template": self.template, "shots": self.shots}


def own(recipe: Recipe) -> Candidate:
    """Return the recipe's own prompt."""
    return Candidate(OWN, *recipe.prompt.wordings[0], recipe.prompt.shots)


def given(recipe: Recipe) -> list[Candidate]:
    """Return those of ``prompt.candidates``.

    Raises:
        RecipeError: for one with the words of another, or of the recipe's own prompt; all of them at once.
    """
    names, refusals, found = {recipe.prompt.wordings[0]: "prompt itself"}, Refusals(), []
    for number, one in enumerate(recipe.prompt.candidates):
        key, wording = f"prompt.candidates.{number}", recipe.prompt.filled(one)
        with refusals:
            if wording in names:
                raise RecipeError(f"{key}: has the words of {names[wording]}", hint="leave it out")
        names.setdefault(wording, key)
        found.append(Candidate(f"candidates.{number}", *wording, recipe.prompt.shots, number))
    refusals.tell()
    return found


def templates(recipe: Recipe, task: TaskSpec, train: Sequence[Example]) -> list[Candidate]:
    """Return the instructions that come with a task: before the conversation, in the question, around it."""
    template = recipe.prompt.template
    found: list[Wording]
    if recipe.task == "chat":
        length = round(median([len(words(one.target_text)) for one in train] or [0]))
        found = [("Answer the question.", template), (f"Answer in about {max(1, length)} words.", template)]
    else:
        told = instruction(task, train)
        inside = template or "{input}"
        found = [(told, template), (None, f"{told}\n\n{inside}"), (told, _framed(recipe.task, inside))]
    if (schema := recipe.data.clean.answer_schema) is not None and recipe.task == "extract":
        found.append(
            (f"Answer with one JSON value of this schema and nothing else: {canonical_json(schema)}", template)
        )
    sound = (one for one in found if one[1] is None or one[1].count("{input}") == 1)
    return [Candidate(f"template {number}", *one, recipe.prompt.shots) for number, one in enumerate(sound, 1)]


def _framed(task: str, inside: str) -> str:
    return f"Message: {inside}\nLabel:" if task == "classify" else f"Text: {inside}\nJSON:"


def unlike(candidates: Iterable[Candidate], known: Iterable[Candidate]) -> list[Candidate]:
    """Return those whose words none of the known ones has, each once, in order."""
    seen = {one.words for one in known}
    return list({one.words: one for one in reversed([*candidates]) if one.words not in seen}.values())[::-1]
