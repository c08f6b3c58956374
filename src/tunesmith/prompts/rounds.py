"""The rounds of a search: wordings, then what a writer makes of mistakes, then numbers of examples for the best few.

Owns who takes part in which round and what is refused on the way. Does not own who goes on within one (`race`).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.progress import say
from tunesmith.prompts import candidates as known
from tunesmith.prompts.evolution import evolved
from tunesmith.prompts.race import Standing, race
from tunesmith.prompts.writer import Proposer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.prompts.bench import Bench
    from tunesmith.prompts.candidates import Candidate

WITH_SHOTS = 3
"""So many of the best wordings are tried with other numbers of examples."""


@dataclass
class Rounds:
    """One search on its way.

    Args:
        bench: asks the model.
        asked: what people call that model.
        shots: the numbers of examples to try.
        notes: what is to be said besides numbers; added to.
        refused: prompts that cannot be asked, with the reason; added to.
    """

    bench: Bench
    asked: str
    shots: Sequence[int]
    notes: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    writer: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.own = known.own(self.bench.recipe)
        self._said = {self.bench.says(self.own): self.own.name}
        if why := self._too_long(self.own):
            self.notes.append(f"Your own prompt {why}: rows that do not fit count as wrong.")

    def standings(self) -> list[Standing[Candidate]]:
        """Return how far each prompt came on the choosing rows, the winner first."""
        recipe, bench = self.bench.recipe, self.bench
        first = known.given(recipe)
        if recipe.prompts.templates:
            first += known.templates(recipe, bench.task_of((None, None), 0), bench.train)
        writer = recipe.prompts.writer
        with Proposer.of(writer, bench) if writer else nullcontext() as proposer:
            first += proposer.first(self.own) if proposer else []
            found = self._raced([], first, "wordings")
            if proposer and recipe.prompts.gepa:
                found = self._raced(found, evolved(proposer, found[0].one), "evolved by GEPA")
            elif proposer:
                for number in range(2, recipe.prompts.rounds + 1):
                    found = self._raced(found, proposer.next(number, found[0].one), f"round {number} of the writer")
            self._note_writer(proposer)
        best = [one.one for one in found[:WITH_SHOTS]]
        more = [one.with_shots(count) for one in best for count in self.shots if count != one.shots]
        return self._raced(found, more, "numbers of shots")

    def _raced(self, before: list[Standing[Candidate]], more: list[Candidate], what: str) -> list[Standing[Candidate]]:
        """Return the standings with some more prompts: those race with the ones that came to the end before."""
        fresh = self._fitting(known.unlike(more, [self.own, *(one.one for one in before)]))
        if before and not fresh:
            return before
        say(f"  {what}: {len(fresh)}", style="bold")
        rows = len(self.bench.halves.choosing)
        rivals = [one.one for one in before if one.rows == rows and one.one != self.own]
        farthest = {one.one: one for one in before}
        for one in race([self.own, *rivals, *fresh], rows, self._score, self.own):
            if one.one not in farthest or farthest[one.one].rows < one.rows:
                farthest[one.one] = one
        return sorted(farthest.values(), key=lambda one: (one.rows, one.score), reverse=True)

    def _score(self, one: Candidate, count: int) -> tuple[float, ...]:
        before, score = self.bench.asked(one), self.bench.score(one, count)
        if before < count:
            metric = self.bench.metric
            value = score[0] if metric.higher_is_better else -score[0]
            say(f"  {one.name}: {metric.name} {value:.3f} on {count} rows", style="dim")
        return score

    def _fitting(self, some: Sequence[Candidate]) -> list[Candidate]:
        """Return the prompts that can be asked and ask something else than all before; what is refused is told."""
        fitting: list[Candidate] = []
        for one in some:
            words = self.bench.says(one)
            why = self._too_long(one)
            if not why and words in self._said:
                why = f"asks the rows the same as {self._said[words]}: they have system messages of their own"
            if why:
                self.refused.append({**one.as_dict(), "state": "refused", "why": why})
                say(f"  {one.name}: {why}", style="yellow")
                continue
            self._said[words] = one.name
            fitting.append(one)
        return fitting

    def _too_long(self, one: Candidate) -> str:
        """Return by how much a prompt does not fit, empty if it does."""
        needed, context = self.bench.needs(one), self.bench.loaded.context_tokens
        if needed <= context:
            return ""
        return f"needs {needed:,} tokens with the longest row, and {self.asked} reads {context:,}"

    def _note_writer(self, proposer: Proposer | None) -> None:
        if proposer is None:
            return
        self.writer = proposer.report()
        if proposer.unread:
            self.notes.append(f"{proposer.unread} answers of the writer held no prompt in the form asked for.")
