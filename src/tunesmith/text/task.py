"""TaskSpec: what a model was tuned to do, and the words put around every input.

The same object makes prompts in training, evaluation and serving, and travels with the model as ``task.json``,
so the three cannot drift apart. Does not own the chat template (`chat`) nor which examples are shown (`shots`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tunesmith.core.errors import ArtifactError
from tunesmith.text.examples import Example, Message, text_of

if TYPE_CHECKING:
    from pathlib import Path

FILE = "task.json"


@dataclass(frozen=True, slots=True)
class Shot:
    """A question and its answer, shown before a conversation as an example."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task with its prompt.

    Args:
        task: ``classify``, ``extract``, ``chat`` or ``preference``.
        labels: the closed set of answers of a classification, sorted; empty otherwise.
        system: put before conversations that have no system message; None puts nothing.
        template: wraps each user message, must contain ``{input}`` once; None wraps nothing.
        shots: shown before every conversation, after system messages.
        spare: takes the place of a shot whose question a conversation begins with, so that none is answered by its own
            copy: in training, evaluation and serving alike.
    """

    task: str
    labels: tuple[str, ...] = ()
    system: str | None = None
    template: str | None = None
    shots: tuple[Shot, ...] = ()
    spare: Shot | None = None

    def prompt(self, messages: list[Message]) -> list[Message]:
        """Return the conversation with the task's prompt applied; the input is not changed.

        Shots are context: their turns have the weight 0, and so has a greeting that begins the conversation after them.
        """
        wrapped = [self._wrap(message) for message in messages]
        if self.system is not None and not any(message["role"] == "system" for message in messages):
            wrapped.insert(0, {"role": "system", "content": self.system})
        if not self.shots:
            return wrapped
        first = next((at for at, one in enumerate(wrapped) if one["role"] != "system"), len(wrapped))
        if wrapped[first:] and wrapped[first]["role"] == "assistant":
            wrapped[first] = {**wrapped[first], "weight": 0}
        return [*wrapped[:first], *self._turns(messages), *wrapped[first:]]

    def without_shots(self) -> TaskSpec:
        """Return the task that shows no examples."""
        return replace(self, shots=(), spare=None)

    def _turns(self, messages: list[Message]) -> list[Message]:
        """Return the shots as turns, with the spare in place of one that is asked."""
        asked = next((text_of(message).strip() for message in messages if message["role"] == "user"), "")
        turns: list[Message] = []
        for shot in self.shots:
            one = self.spare if self.spare is not None and shot.question.strip() == asked else shot
            turns.append(self._wrap({"role": "user", "content": one.question, "weight": 0}))
            turns.append({"role": "assistant", "content": one.answer, "weight": 0})
        return turns

    def _wrap(self, message: Message) -> Message:
        if self.template is None or message["role"] != "user":
            return message
        return {**message, "content": self.template.replace("{input}", text_of(message))}

    def split(self, example: Example) -> tuple[list[Message], str]:
        """Return the prompted conversation up to the answer, and the answer's text."""
        return self.prompt(example.messages[:-1]), example.target_text

    def pair(self, example: Example) -> list[list[Message]]:
        """Return the prompted conversation with the chosen and with the rejected answer; nothing else is a target."""
        before, _ = self.split(example)
        context = [{**one, "weight": 0} if one["role"] == "assistant" else one for one in before]
        rejected = (example.rejected or [])[-1:]
        return [[*context, {**answer, "weight": 1}] for answer in (example.messages[-1], *rejected)]

    def save(self, folder: Path) -> None:
        """Write ``task.json`` into a model's folder."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TaskSpec:
        """Read ``task.json`` from a model's folder; a folder without one is a plain chat model.

        Raises:
            ArtifactError: if the file is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return cls("chat")
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            fields["shots"] = tuple(Shot(**one) for one in fields.get("shots", ()))
            fields["spare"] = Shot(**fields["spare"]) if fields.get("spare") else None
            return cls(**{**fields, "labels": tuple(fields["labels"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{path}: damaged ({error})", hint="train the model again") from error
