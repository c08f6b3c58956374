"""Train/serve parity: a model remembers the token ids of a few prompts it was trained on.

Whoever loads the model puts them together and renders them again, and must get the same ids; a task, tokenizer,
template or library that changed in between is found before it answers anyone. Does not own rendering (`chat`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tunesmith.core.errors import ArtifactError
from tunesmith.text.chat import prompt_ids
from tunesmith.text.task import FILE as TASK_FILE
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from tunesmith.text.examples import Example

FILE = "prompts.json"
SAMPLES = 3


def save_samples(folder: Path, task: TaskSpec, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> None:
    """Write the first few prompts as messages and as token ids."""
    samples = []
    for example in examples[:SAMPLES]:
        messages, _ = task.split(example)
        ids = prompt_ids(tokenizer, messages, example.tools)
        samples.append({"asked": example.messages[:-1], "messages": messages, "tools": example.tools, "ids": ids})
    text = json.dumps(samples, ensure_ascii=False, indent=1)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def check_samples(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Render a model's sample prompts again; a folder without samples passes.

    Raises:
        ArtifactError: if the model's task puts other words around them, or the token ids are not those of training.
    """
    file = folder / FILE
    if not file.exists():
        return
    task = TaskSpec.load(folder)
    for number, sample in enumerate(json.loads(file.read_text(encoding="utf-8")), 1):
        if "asked" in sample and task.prompt(sample["asked"]) != sample["messages"]:
            raise ArtifactError(
                f"{file}: {TASK_FILE} puts other words around prompt {number} than in training",
                hint="put the model's files back as they were, or train again",
            )
        ids = prompt_ids(tokenizer, sample["messages"], sample["tools"])
        if ids != sample["ids"]:
            raise ArtifactError(
                f"{file}: prompt {number} has other token ids than in training ({len(ids)} instead of "
                f"{len(sample['ids'])} tokens)",
                hint="the tokenizer, its template or transformers changed; train again or go back to those versions",
            )
