"""Some test rows asked through the server, beside what the evaluation found, and what that means for the model.

Owns which rows are asked, the words of the result, and that a model served otherwise than measured does not pass. Does
not own when an answer counts as the same (`compare`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.evaluate.served.compare import Asked, Found, compare, near_tie
from tunesmith.evaluate.served.replies import CLIENTS, Replies, Reply, request_messages, served_settings
from tunesmith.models.load import load_model, load_tokenizer
from tunesmith.models.precision import choose_device, choose_precision, made_here
from tunesmith.text.chat import prompt_ids
from tunesmith.text.prompts import task_of

if TYPE_CHECKING:
    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.gate import Verdict
    from tunesmith.evaluate.served.replies import Asker
    from tunesmith.evaluate.systems import Systems
    from tunesmith.models.load import LoadedModel
    from tunesmith.text.examples import Example

CODE = "served-1"
"""Of how rows are asked: a new one when replies given before no longer tell what the server does."""

SHOWN = 20
"""Differences that the result lists."""


@dataclass(frozen=True)
class Parity:
    """What was asked through the server, and how the answers compare.

    Args:
        examples: the rows asked.
        asked: the evaluation's part of each.
        replies: the server's.
        found: how they compare.
        left_out: test rows that no client could send.
        made_in: how the evaluation computes.
    """

    examples: list[Example]
    asked: list[Asked]
    replies: list[Reply]
    found: list[Found]
    left_out: int
    made_in: str

    @cached_property
    def counts(self) -> Counter[str]:
        """How many rows there are of each kind."""
        return Counter(one.kind for one in self.found)

    @property
    def reasons(self) -> list[str]:
        """Why this model must not be released: it is not served as it was measured."""
        why = []
        others = sorted({one.made_in for one in self.replies if one.made_in} - {self.made_in})
        if others:
            why.append(f"fail: the server computes otherwise ({others[0]}) than the evaluation did ({self.made_in})")
        if wrong := self.counts["different"]:
            first = next(one for one in self.found if one.kind == "different")
            why.append(
                f"fail: {wrong} of {len(self.found)} answers are others when served than those measured, and rounding "
                f"does not explain it; the first: {first.why}"
            )
        return why

    def over(self, verdict: Verdict) -> Verdict:
        """Return the verdict: what is not served as it was measured fails."""
        return replace(verdict, answer="fail") if self.reasons else verdict

    @property
    def summary(self) -> str:
        """The result in one line."""
        if not self.found:
            return "nothing was asked: no test row can be sent to the server"
        counts = self.counts
        parts = [f"{counts['same']} of {len(self.found)} answers the same"]
        parts += [f"{counts[kind]} {words}" for kind, words in _WORDS.items() if counts[kind]]
        return " · ".join(parts)

    @property
    def notes(self) -> list[str]:
        """What was not asked, in sentences."""
        if not self.left_out:
            return []
        return [
            f"{self.left_out} test rows were measured that no client can send, since the server takes messages of text "
            "alone, and no tools."
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict; differences worst first, at most `SHOWN`."""
        p50, p95 = self._latencies()
        order = sorted(
            (at for at, one in enumerate(self.found) if one.kind != "same"), key=lambda at: _WORST[self.found[at].kind]
        )
        return {
            "rows": len(self.found), **{kind: self.counts[kind] for kind in ("same", *_WORST)},
            "left_out": self.left_out, "streamed": sum(one.streamed for one in self.replies),
            "latency_ms": {"p50": p50, "p95": p95}, "clients": CLIENTS, "made_in": self.made_in,
            "summary": self.summary, "differences": [self._difference(at) for at in order[:SHOWN]],
        }  # fmt: skip

    def _difference(self, at: int) -> dict[str, str]:
        return {
            "row_id": self.examples[at].row_id, "input": self.examples[at].input_text, "kind": self.found[at].kind,
            "why": self.found[at].why, "evaluated": self.asked[at].text, "served": self.replies[at].text,
        }  # fmt: skip

    def _latencies(self) -> tuple[float, float]:
        """Return the median and the 95th percentile in milliseconds; 0 of nothing."""
        if not self.replies:
            return 0.0, 0.0
        p50, p95 = np.percentile([one.latency_ms for one in self.replies], (50, 95)).round(1).tolist()
        return p50, p95


_WORST = {"different": 0, "rounding": 1}
_WORDS = {
    "different": "others",
    "rounding": "near ties that rounding decides",
}


def look(systems: Systems, answers: Answers, asker: Asker, rows: list[int]) -> Parity:
    """Ask some rows through the server and compare; nothing is asked again that was asked before.

    Args:
        systems: whose tuned model it is.
        answers: the evaluation's, to all test rows; of preferences, whose pairs are weighed, they are written now.
        asker: asks through the server.
        rows: the test rows to ask, those that a client can send.
    """
    recipe, model = systems.recipe, systems.model
    examples = [systems.test[row] for row in rows]
    precision = choose_precision(recipe.train.precision, choose_device("auto"))
    own = systems.written(rows) if recipe.task == "preference" else answers.at(rows)
    replies = systems.kept.of(
        Replies, "served", lambda: Replies(asker(model, [request_messages(one) or [] for one in examples])),
        rows=rows, code=CODE, version=version("tunesmith"), serve=served_settings(recipe).model_dump(mode="json"),
    ).all  # fmt: skip
    asked = _asked(systems, examples, own)
    held: list[LoadedModel] = []

    def tie(one: Asked, reply: Reply) -> float | None:
        if not held:
            held.append(load_model(model.path / "model"))
        return near_tie(held[0], one, reply, precision)

    found = [compare(one, reply, precision, tie) for one, reply in zip(asked, replies, strict=True)]
    left_out = sum(request_messages(one) is None for one in systems.test)
    return Parity(examples, asked, replies, found, left_out, made_here(precision))


def _asked(systems: Systems, examples: list[Example], own: Answers) -> list[Asked]:
    """Return the evaluation's part; the prompt is that of the recipe, in the words and tokens of training."""
    recipe, folder = systems.recipe, systems.model.path / "model"
    task, tokenizer = task_of(recipe, systems.dataset), load_tokenizer(str(folder))
    prompts = [prompt_ids(tokenizer, task.split(one)[0]) for one in examples]
    if task.labels:
        pairs = zip(own.texts, own.confidences, strict=True)
        return [Asked(ids, text, probability=share) for ids, (text, share) in zip(prompts, pairs, strict=True)]
    most = recipe.evaluate.max_new_tokens
    return [Asked(ids, text, most) for ids, text in zip(prompts, own.texts, strict=True)]
