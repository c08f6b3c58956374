"""Language models elsewhere beside the tuned one: what each is asked, and what its words count as.

Owns their prompts, how leniently their answers are read, and what asking costs. Does not own the services (`providers`)
nor the comparison (`compare`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.baselines import prompted
from tunesmith.providers.asker import Asker
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import ChatRequest, check_service, connect, sampling_of
from tunesmith.providers.cost import at_most
from tunesmith.providers.tools import told
from tunesmith.text.examples import has_more_than_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.core.artifacts import Workspace
    from tunesmith.providers.asker import Spent
    from tunesmith.recipe import Recipe
    from tunesmith.recipe.rival import RivalModel
    from tunesmith.text.examples import Example, Message
    from tunesmith.text.task import TaskSpec

_AROUND_A_LABEL = " \t\r\n\"'`*.“”„‚‘’«»"


@dataclass
class Rivals:
    """The rivals of one evaluation; ``notes`` and ``report`` tell what was asked and what it cost."""

    recipe: Recipe
    workspace: Workspace
    notes: list[str] = field(default_factory=list)
    report: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answers(self, name: str, task: TaskSpec, train: Sequence[Example], rows: Sequence[Example]) -> Answers:
        """Return what a rival answers, in order. What it was asked before is kept and not asked again.

        It gives no probabilities: ``confidences`` and ``nats`` are not numbers.

        Raises:
            RecipeError: if its key is not set, or a row asks for more than words.
            RemoteError: if it refuses or cannot be reached; what was answered until then is kept.
        """
        return self.ask(name, self.recipe.evaluate.rivals[name], task, train, rows)

    def ask(
        self, name: str, rival: RivalModel, task: TaskSpec, train: Sequence[Example], rows: Sequence[Example]
    ) -> Answers:
        """Return what a model elsewhere answers that the recipe need not name; see `answers`."""
        asked = requests(rival, task, train, rows, self.recipe.seed)
        with Asker(connect(rival, self.workspace), ReplyCache(self.workspace.root)) as asker:
            replies = asker.ask(asked, f"answers of {name}")
            self._tell(name, rival, asker)
        texts = [read(one.text, task) for one in replies]
        unread = sum(text not in task.labels for text in texts) if task.labels else 0
        if unread:
            self.notes.append(f"{unread:,} of {len(texts):,} answers of {name} are no label and count as wrong.")
        return Answers(
            texts, [math.nan] * len(texts), [math.nan] * len(texts), [1] * len(texts),
            too_long=sum(one.ended == "too_long" for one in replies), cut=sum(one.ended == "length" for one in replies),
            written=[] if task.labels else [one.output_tokens for one in replies],
        )  # fmt: skip

    def _tell(self, name: str, rival: RivalModel, asker: Asker) -> None:
        spent = asker.spent
        usd = spent.usd((rival.price.input, rival.price.output) if rival.price else None)
        self.report[name] = {
            "model": rival.model, "endpoint": asker.provider.endpoint,
            "calls": {"asked": spent.asked, "kept": spent.kept},
            "tokens": {"input": spent.input_tokens, "output": spent.output_tokens}, "usd": usd,
        }  # fmt: skip
        self.notes.append(_spent(name, spent, usd))


def _spent(name: str, spent: Spent, usd: float | None) -> str:
    cost = "" if usd is None else f", {usd:.2f} USD"
    return (
        f"{name} was asked {spent.asked:,} questions ({spent.input_tokens:,} tokens in, {spent.output_tokens:,} out"
        f"{cost}); {spent.kept:,} answers were kept from before."
    )


def requests(
    rival: RivalModel, task: TaskSpec, train: Sequence[Example], rows: Sequence[Example], seed: int
) -> list[ChatRequest]:
    """Return what a rival is asked for some rows.

    Raises:
        RecipeError: if a row has more than text, for a service that is asked in words alone.
    """
    ask, sampling = _prompt(rival, task, train, seed), sampling_of(rival)
    return [
        ChatRequest(rival.model, _told(ask(one), one, rival), sampling, tools=one.tools or ()) for one in rows
    ]  # fmt: skip


def _prompt(
    rival: RivalModel, task: TaskSpec, train: Sequence[Example], seed: int
) -> Callable[[Example], list[Message]]:
    if rival.as_tuned:
        return lambda one: task.split(one)[0]
    return prompted(task, train, seed, min(rival.shots, len(train)))


def _told(messages: Sequence[Message], row: Example, rival: RivalModel) -> list[dict[str, Any]]:
    if rival.api != "openai" and any(has_more_than_text(one) for one in messages):
        raise RecipeError(
            f"{rival.setting}: row {row.row_id} has more than text, and the {rival.api} API is asked in words alone",
            expected="rows of text, or a model by OpenAI's protocol", hint=f"leave out {rival.setting}",
        )  # fmt: skip
    return told(messages)


def read(text: str, task: TaskSpec) -> str:
    """Return what a rival's words count as.

    Of a classification the label, whatever its case and the quotes or full stop around it; of JSON what stands in a
    fence, if all of it does. Anything else is as it was said.
    """
    if task.labels:
        bare = text.strip(_AROUND_A_LABEL).casefold()
        return next((label for label in task.labels if label.casefold() == bare), text.strip())
    if task.task == "extract":
        return _unfenced(text.strip())
    return text.strip()


def _unfenced(text: str) -> str:
    lines = text.split("\n")
    if len(lines) > 2 and lines[0] in ("```", "```json") and lines[-1].strip() == "```":
        return "\n".join(lines[1:-1]).strip()
    return text


def check_rivals(recipe: Recipe, workspace: Workspace | None) -> None:
    """Refuse, before anything is spent, rivals that the task cannot have or that cannot be asked.

    ``workspace`` is where a rival on this machine may lie; None: it is not looked for.

    Raises:
        RecipeError: for pairs of answers, or a key that is not set.
        SetupError: for a rival on this machine that is not there.
        MissingExtraError: without the ``providers`` extra.
    """
    if recipe.evaluate.rivals and recipe.task == "preference":
        raise RecipeError(
            "evaluate.rivals: preference compares how probable two answers are, which no chat service says",
            hint="remove evaluate.rivals",
        )
    for rival in recipe.evaluate.rivals.values():
        check_service(rival, workspace)


def planned(
    recipe: Recipe, task: TaskSpec, train: Sequence[Example], rows: Sequence[Example]
) -> dict[str, dict[str, Any]]:
    """Return by name how many questions each rival gets for some rows, and what they take (`cost.at_most`)."""
    found = {}
    for name, rival in recipe.evaluate.rivals.items():
        asked = requests(rival, task, train, rows, recipe.seed)
        chars = sum(request.chars for request in asked)
        found[name] = {"calls": len(asked), **at_most(rival, chars, len(asked))}
    return found
