"""Runs of the Bedrock tuner against our stand-in: rows, a recipe, a journal, in this process or in one to be killed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bedrock_stub.models import CLAUDE
from bedrock_stub.service import BUCKET
from tunesmith.core.errors import TunesmithError
from tunesmith.providers.bedrock_tuning import BedrockTuner
from tunesmith.providers.hosted import Outcome, Rows
from tunesmith.providers.journal import Journal
from tunesmith.recipe import Recipe
from tunesmith.recipe.provider import Provider
from tunesmith.text.examples import Example
from tunesmith.text.task import TaskSpec

ROLE = "arn:aws:iam::123456789012:role/tuner"


@dataclass
class Heard:
    """What people would have been told."""

    sentences: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def said(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def measured(self, row: dict[str, Any], total_steps: int | None = None) -> None:
        self.rows.append(row)


def example(number: int = 0, question: str = "where is order 7?", answer: str = "on its way") -> Example:
    turns = [{"role": "user", "content": f"{question} ({number})"}, {"role": "assistant", "content": answer}]
    return Example(turns, row_id=str(number), meta={"source": "rows.jsonl", "line": number + 1})


def rows(folder: Path, train: int = 40, valid: int = 5, changed: Example | None = None) -> Rows:
    examples = [example(number) for number in range(train + valid)]
    if changed is not None:
        examples[2] = changed
    return Rows(examples[:train], examples[train:], TaskSpec("chat", system="Be brief."), folder)


def recipe(base: str = CLAUDE, provider: Provider | None = None, **train: Any) -> Recipe:
    settings = {"name": "support_triage", "task": "chat", "base": f"bedrock:{base}", "data": {"train": "rows.jsonl"}}
    return Recipe(**settings, train=train, provider=provider)


def hosting(**settings: Any) -> Provider:
    usual = {"region": "us-east-1", "role_arn": ROLE, "bucket": BUCKET, "poll_s": 0.001, "retries": 0}
    return Provider(**{**usual, **settings})


def tuner(base: str = CLAUDE, train: dict[str, Any] | None = None, **settings: Any) -> BedrockTuner:
    return BedrockTuner(recipe(base, hosting(**settings), **(train or {})))


def run(folder: Path, base: str = CLAUDE, changed: Example | None = None, **settings: Any) -> tuple[Outcome, Heard]:
    """Tune, with the journal in a folder."""
    heard, one = Heard(), tuner(base, **settings)
    try:
        return one.tune(rows(folder, changed=changed), Journal(folder), heard), heard
    finally:
        one.close()


def main() -> None:
    """Tune in a process of its own, for tests that kill it."""
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    try:
        outcome, _ = run(folder, **settings)
    except TunesmithError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(outcome.model)


if __name__ == "__main__":
    main()
