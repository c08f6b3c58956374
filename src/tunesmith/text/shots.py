"""Few-shot examples: which training examples are shown before a conversation.

Owns the choice, a pure function of the rows and the seed. Does not own how they are shown (`task`).
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError
from tunesmith.text.task import Shot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunesmith.text.examples import Example

SEEKING_ROWS = 2000
"""Most rows, drawn by the seed, among which examples are looked for."""


def choose(rows: Sequence[Example], count: int, seed: int, *, by_label: bool) -> list[Example]:
    """Return short examples, ``by_label`` as many of each answer as of any other; fewer if there are not so many rows.

    Of a smaller count they are the first ones.
    """
    pool = random.Random(seed).sample(list(rows), min(SEEKING_ROWS, len(rows)))
    middle = sorted(len(one.asked_text) for one in pool)[len(pool) // 2] if pool else 0
    pool.sort(key=lambda one: len(one.asked_text) > middle)  # stable: the shorter half first, each in seeded order
    seen: Counter[str] = Counter()
    rounds: list[int] = []
    for example in pool:
        rounds.append(seen[example.target_text] if by_label else 0)
        seen[example.target_text] += 1
    order = sorted(range(len(pool)), key=rounds.__getitem__)
    return [pool[at] for at in order[:count]]


def shots_of(train: Iterable[Example], count: int, seed: int, *, by_label: bool, key: str) -> tuple[Shot, ...]:
    """Return as many shots as the setting ``key`` of the recipe says, and one to spare.

    They are rows of one question and one answer in plain text, each question once.

    Raises:
        RecipeError: if train has not enough of them.
    """
    plain: dict[str, Example] = {}
    for one in train:
        if _is_plain(one):
            plain.setdefault(one.input_text.strip(), one)
    if len(plain) <= count:
        raise RecipeError(
            f"{key}: {count} examples and one to spare are {count + 1} rows of one question and one answer, and "
            f"train has {len(plain)} different ones",
            hint=f"{key}: {len(plain) - 1}" if len(plain) > 1 else f"leave {key} out",
        )
    chosen = choose(list(plain.values()), count + 1, seed, by_label=by_label)
    return tuple(Shot(one.input_text, one.target_text) for one in chosen)


def _is_plain(example: Example) -> bool:
    """Return whether an example is one question and one answer, both in words."""
    question_first = [message["role"] for message in example.messages] == ["user", "assistant"]
    return (
        question_first
        and not example.tools
        and not example.messages[1].get("tool_calls")
        and bool(example.input_text.strip() and example.target_text.strip())
    )
