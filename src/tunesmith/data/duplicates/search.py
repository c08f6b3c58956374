"""The search for rows that are alike, over all living rows: twins, contradictions, templates, and what stays together.

Owns which rows are compared, in which order, and which pairs count as the same, by prompts or by answers. Does not own
the search among signatures (`near`), the judgement of texts (`agree`, `changes`), nor what becomes of rows (`alike`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.spans import mixed
from tunesmith.data.asked import answered, asked
from tunesmith.data.duplicates.agree import answers_alike, differs_little, judged, same_request
from tunesmith.data.duplicates.changes import Changes, two_facts
from tunesmith.data.duplicates.exact import HELD_OUT_FIRST
from tunesmith.data.duplicates.facts import Facts
from tunesmith.data.duplicates.near import SHORT_WORDS, near_clusters, near_duplicates
from tunesmith.data.duplicates.shingles import Signatures, take_ranges
from tunesmith.data.rows import from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tunesmith.core.spans import I64, U64
    from tunesmith.data.duplicates.near import Twins
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered

LARGEST_FRAC, LARGEST_ROWS = 0.1, 10
"""A cluster of more of the rows than this could not be held out; it is one template, and facts tell its rows apart, or,
where they do not, the words that fill it."""

PAIRS_AT_ONCE = 20_000

FEWEST_WORDS = 3
"""Answers of fewer words ("Yes.") say nothing about whether two questions are one."""

MOST_OF_ONE_ANSWER = 64
"""An answer of a few words that more rows have is a phrase of the trade, not a sign of copies."""

PAIRS_OF_WORDS_ALIKE = 0.6
"""Jaccard of pairs of words from which two answers are looked at closer: one word in ten may differ."""

Twin = tuple[int, int, float]
"""A row, the kept row it is alike, and the Jaccard of their prompts."""


@dataclass
class Alike:
    """What was found: pairs of alike prompts whose answers differ, and rows that must stay on one side of the split."""

    conflicts: list[tuple[int, int]] = field(default_factory=list)
    clusters: list[list[int]] = field(default_factory=list)
    templated: int = 0
    """Rows of templates that are too large to be held out whole."""

    def notes(self, rows: int) -> list[str]:
        """Return what people should know of a split of so many rows."""
        if not self.templated:
            return []
        return [
            f"{self.templated:,} of {rows:,} rows fill the same few templates, which could not be held out whole: what "
            "is held out of them has other values, not other questions, and says nothing about new questions"
        ]


class Search:
    """The living rows by content, the signatures of their prompts or answers, and the texts that are asked for."""

    def __init__(self, fates: Fates, gathered: Gathered, threshold: float, kind: str = "prompt") -> None:
        self.gathered, self.threshold, self.kind = gathered, threshold, kind
        self.rows = fates.by_content(fates.living())
        self.parts = gathered.frame["part"].to_list()
        self.answers = gathered.frame["answer_key"].to_numpy()
        self.facts = Facts(self.said, self._known("facts"))

    def twins(self, found: Alike) -> list[Twin]:
        """Return rows of train alike a kept one; note in ``found`` those that answer differently.

        Of a template that is too large to be held out whole, only those are alike a held-out row that differ from it in
        no word that means something.
        """
        twins = self._twins(found, self.same)
        held = sum(self.parts[self.rows[kept]] != "train" for kept in twins.kept.tolist())
        if self._is_large(held) and self._templated.any():
            twins = self._twins(found, self._same_but_for_templates)
        return list(
            zip(self.rows[twins.row].tolist(), self.rows[twins.kept].tolist(), twins.jaccard.tolist(), strict=True)
        )

    def _twins(self, found: Alike, same: Callable[[I64, I64, Alike], NDArray[np.bool_]]) -> Twins:
        rank = np.array([HELD_OUT_FIRST[self.parts[row]] for row in self.rows.tolist()], np.int64)
        signatures = self._signatures()
        # copies of a prompt share one fate without being compared: only if they have one answer too
        answered = mixed(signatures.exact ^ mixed(self.answers[self.rows]))
        return near_duplicates(
            Signatures(signatures.words, answered, signatures.bands),
            self._shingles,
            threshold=self.threshold,
            priority=rank,
            fixed=rank < HELD_OUT_FIRST["train"],
            keys_of=self.facts.keys_of,
            allows=lambda kept, rows: same(kept, rows, found),
        )

    def _is_large(self, rows: Any) -> Any:
        """Tell whether so many of the rows are too many to be held out whole."""
        return rows > max(LARGEST_ROWS, LARGEST_FRAC * len(self.rows))

    @cached_property
    def _templated(self) -> NDArray[np.bool_]:
        """Which rows are of a template that is too large to be held out whole."""
        return np.asarray(self._is_large(np.bincount(self._clusters, minlength=1)[self._clusters]))

    def _same_but_for_templates(self, kept: I64, some: I64, found: Alike) -> NDArray[np.bool_]:
        """Tell which pairs are the `same`; a held-out row of a template, and one of train, only in the same words."""
        same = self.same(kept, some, found)
        held = np.array([self.parts[row] != "train" for row in self.rows[kept].tolist()], np.bool_)
        held &= same & self._templated[some]
        same[held] = self._same_words(kept[held], some[held])
        return same

    def contradictions(self, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the pairs of rows without those that fill a large template with other words."""
        if not self._is_large(len({row for _, row in pairs})) or not self._templated.any():
            return list(pairs)
        place = dict(zip(self.rows.tolist(), range(len(self.rows)), strict=True))
        kept, some = np.array([[place[one], place[other]] for one, other in pairs], np.int64).T
        other_words = self._templated[some]
        other_words[other_words] = ~self._same_words(kept[other_words], some[other_words])
        return [pair for pair, gone in zip(pairs, other_words.tolist(), strict=True) if not gone]

    def twins_by_answer(self) -> list[Twin]:
        """Return rows of train whose answer is alike that of a kept one, and whose prompt is the same request."""
        rank = np.array([HELD_OUT_FIRST[self.parts[row]] for row in self.rows.tolist()], np.int64)
        signatures = self._signatures()
        each = mixed(np.arange(len(self.rows), dtype=np.uint64))  # equal answers are compared like all others
        twins = near_duplicates(
            Signatures(signatures.words, each, signatures.bands),
            self._shingles,
            threshold=PAIRS_OF_WORDS_ALIKE,
            priority=rank,
            fixed=rank < HELD_OUT_FIRST["train"],
            keys_of=self.facts.keys_of,
            allows=self._one_exchange,
        )
        found = zip(self.rows[twins.row].tolist(), self.rows[twins.kept].tolist(), twins.jaccard.tolist(), strict=True)
        return [*found, *self._short_answers(signatures)]

    def _short_answers(self, signatures: Signatures) -> list[Twin]:
        """Return rows with an equal answer of a few words and the same request; those of one word or two never are."""
        few = (signatures.words >= FEWEST_WORDS) & (signatures.words < SHORT_WORDS)
        by_answer: dict[int, list[int]] = {}
        for at in np.flatnonzero(few).tolist():
            by_answer.setdefault(int(signatures.exact[at]), []).append(at)
        found: list[Twin] = []
        for same in by_answer.values():
            if 1 < len(same) <= MOST_OF_ONE_ANSWER:
                kept: list[int] = []
                for at in sorted(same, key=lambda at: (HELD_OUT_FIRST[self.parts[self.rows[at]]], at)):
                    alike = self._same_requests(np.array(kept, np.int64), np.full(len(kept), at))
                    if not alike.any():
                        kept.append(at)
                    elif self.parts[self.rows[at]] == "train":
                        found.append((int(self.rows[at]), int(self.rows[kept[int(alike.argmax())]]), 1.0))
        return found

    def _one_exchange(self, kept: I64, some: I64) -> NDArray[np.bool_]:
        """Tell which pairs are one request with one answer, of which at most words without a meaning differ."""
        same = self._same_requests(kept, some)
        if same.any():
            texts, at = self._texts(answered, kept[same], some[same])
            one, other = at[: same.sum()], at[same.sum() :]
            minor = [differs_little(texts[left], texts[right]) for left, right in zip(one, other, strict=True)]
            same[same] = np.array(minor, np.bool_) | answers_alike(texts, one, other, self.threshold)
            asks, at = self._texts(asked, kept[same], some[same])
            answers, _ = self._texts(answered, kept[same], some[same])
            pairs = zip(at[: same.sum()].tolist(), at[same.sum() :].tolist(), strict=True)
            apart = (two_facts((asks[x], asks[y]), (answers[x], answers[y])) for x, y in pairs)
            same[same] = np.fromiter((not one for one in apart), np.bool_, same.sum())
        return same

    def _same_requests(self, kept: I64, some: I64) -> NDArray[np.bool_]:
        """Tell which pairs of prompts are one request, with other words around it, and differ in no fact."""
        facts = self.gathered.frame["prompt_facts"].to_numpy()[self.rows]
        same = np.asarray(facts[kept] == facts[some])
        texts, at = self._texts(asked, kept[same], some[same])
        pairs = zip(at[: same.sum()].tolist(), at[same.sum() :].tolist(), strict=True)
        same[same] = np.fromiter((same_request(texts[one], texts[other]) for one, other in pairs), np.bool_, same.sum())
        return same

    def leaks(self) -> list[Twin]:
        """Return rows of train whose prompt is that of a held-out row but for case and punctuation, of any length."""
        exact = self.gathered.frame["prompt_exact"].to_numpy()[self.rows]
        in_train = np.array([self.parts[row] == "train" for row in self.rows.tolist()], np.bool_)
        values, first = np.unique(exact[~in_train], return_index=True)
        own = np.flatnonzero(in_train & np.isin(exact, values))
        held = np.flatnonzero(~in_train)[first[np.searchsorted(values, exact[own])]] if len(own) else own
        same = self.facts.keys_of(own) == self.facts.keys_of(held)
        return [
            (int(self.rows[row]), int(self.rows[kept]), 1.0)
            for row, kept in zip(own[same].tolist(), held[same].tolist(), strict=True)
        ]

    def templates(self) -> list[list[int]]:
        """Return sets of rows whose prompts are alike, whatever their facts and answers."""
        return self._sets(self._clusters)

    def bundle(self, found: Alike) -> None:
        """Note which rows stay on one side of the split: those alike; of a large template, those of the same facts; if
        it is large even so, those that differ in no word that means something.
        """
        first = self._clusters
        for allows in (self.facts.allows, self._same_words):
            large = self._is_large(np.bincount(first, minlength=1)[first])
            if not large.any():
                break
            guard: Any = {"keys_of": self.facts.keys_of, "allows": allows}
            told_apart = near_clusters(self._signatures(), self._shingles, threshold=self.threshold, **guard)
            first = np.where(large, told_apart, first)
        found.clusters, found.templated = self._sets(first), int(self._templated.sum())

    def _same_words(self, kept: I64, some: I64) -> NDArray[np.bool_]:
        """Tell which pairs of prompts differ in no fact and in no word that means something."""
        same = self.facts.allows(kept, some)
        pairs = zip(self.said(kept[same]), self.said(some[same]), strict=True)
        changes = (Changes.between(one, other).of_meaning() for one, other in pairs)
        same[same] = np.fromiter((not any(one) for one in changes), np.bool_, same.sum())
        return same

    @cached_property
    def _clusters(self) -> I64:
        return near_clusters(self._signatures(), self._shingles, threshold=self.threshold)

    def _sets(self, first: I64) -> list[list[int]]:
        """Return the rows of each cluster of several, given for each row its cluster."""
        order = np.argsort(first, kind="stable")
        cuts = np.flatnonzero(np.diff(first[order])) + 1
        return [self.rows[part].tolist() for part in np.split(order, cuts) if len(part) > 1]

    def _known(self, what: str) -> NDArray[Any]:
        """Return what the index has of each row's prompt or answer: ``words``, ``exact`` or ``facts``."""
        return self.gathered.frame[f"{self.kind}_{what}"].to_numpy()[self.rows]

    def _signatures(self) -> Signatures:
        return Signatures(self._known("words"), self._known("exact"), self.gathered.bands(self.kind)[self.rows])

    def _shingles(self, some: I64) -> tuple[U64, I64]:
        rows, where = np.unique(self.rows[some], return_inverse=True)
        return take_ranges(*self.gathered.shingles(self.kind, rows), where)

    def _texts(self, of: Callable[[Any], str], *some: I64) -> tuple[list[str], I64]:
        """Return what rows ask or answer (``of``), each row once, and the place of each of ``some`` among them."""
        rows, where = np.unique(self.rows[np.concatenate(some)], return_inverse=True)
        return [of(from_json(one)) for one in self.gathered.texts(rows)["messages"].to_list()], where

    def said(self, some: I64) -> list[str]:
        """Return what some rows ask; if answers are compared, what they answer."""
        texts, where = self._texts(asked if self.kind == "prompt" else answered, some)
        return [texts[at] for at in where.tolist()]

    def same(self, kept: I64, some: I64, found: Alike) -> NDArray[np.bool_]:
        """Tell which pairs agree in their facts and answer alike; a held-out row's answer does not matter.

        Pairs of train that differ in their answers alone are noted in ``found``.
        """
        held = np.array([self.parts[row] != "train" for row in self.rows[kept].tolist()], np.bool_)
        known = held | (self.answers[self.rows[kept]] == self.answers[self.rows[some]])
        same, alike = judged(self.gathered, self.threshold, self.rows[kept], self.rows[some], known)
        differ = same & ~alike
        found.conflicts += zip(self.rows[kept[differ]].tolist(), self.rows[some[differ]].tolist(), strict=True)
        return alike
