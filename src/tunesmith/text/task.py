"""TaskSpec: what a model was tuned to do, and the words put around every input.

The same object makes prompts in training, evaluation and serving, and travels with the model as ``task.json``,
so the three cannot drift apart. Does not own the chat template (`chat`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import ArtifactError
from tunesmith.text.examples import Example, Message, text_of

if TYPE_CHECKING:
    from pathlib import Path

FILE = "task.json"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task with its prompt.

    Args:
        task: ``classify``, ``extract``, ``chat`` or ``preference``.
        labels: the closed set of answers of a classification, sorted; empty otherwise.
        system: put before conversations that have no system message; None puts nothing.
        template: wraps each user message, must contain ``{input}`` once; None wraps nothing.
    """

    task: str
    labels: tuple[str, ...] = ()
    system: str | None = None
    template: str | None = None

    def prompt(self, messages: list[Message]) -> list[Message]:
        """Return the conversation with the task's prompt applied; the input is not changed."""
        wrapped = [self._wrap(message) for message in messages]
        if self.system is not None and not any(message["role"] == "system" for message in messages):
            wrapped.insert(0, {"role": "system", "content": self.system})
        return wrapped

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
            return cls(**{**fields, "labels": tuple(fields["labels"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{path}: damaged ({error})", hint="train the model again") from error
