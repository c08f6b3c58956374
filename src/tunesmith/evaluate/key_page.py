"""What ``scorecard.html`` shows of JSON answers: each key, how often it was there, given and right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tunesmith.core.page import some_of, table, wide
from tunesmith.evaluate.grading import parse_json, slots

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS_SHOWN = 100


def keys_section(expected: Sequence[str], texts: Sequence[str]) -> str:
    """Return the part of the page about the keys of JSON answers, the worst first."""
    there, claimed, hits = Counter[str](), Counter[str](), Counter[str]()
    for right, text in zip(expected, texts, strict=True):
        answer = parse_json(text)
        wanted, given = slots(parse_json(right).value), slots(answer.value) if answer.valid else Counter[str]()
        for counts, own in ((there, wanted), (claimed, given), (hits, wanted & given)):
            for slot, times in own.items():
                counts[_key_of(slot)] += times
    rows = []
    for key in {*there, *claimed}:
        score = 2 * hits[key] / (there[key] + claimed[key])
        rows.append((score, -there[key], key))
    lines = [
        [key or "(whole answer)", f"{there[key]:,}", f"{claimed[key]:,}", f"{hits[key]:,}", f"{score:.3f}"]
        for score, _, key in sorted(rows)[:KEYS_SHOWN]
    ]
    shown = wide(table(["key", "there", "given", "right", "F1"], lines))
    return f"<h2>Keys, worst first{some_of(len(rows), KEYS_SHOWN)}</h2>{shown}"


def _key_of(slot: str) -> str:
    path: str = parse_json(slot).value[0]
    return path
