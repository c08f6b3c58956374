"""The demo's files are what their generator writes, and dirty in the ways the demo promises."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "src" / "tunesmith" / "assets" / "demo"


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import write_tickets
    finally:
        sys.path.pop(0)
    return write_tickets.all_files()


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((DEMO / "tickets.csv").read_text(encoding="utf-8"))))


def jsonl(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DEMO / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["tickets.csv", "live.jsonl", "live_test.jsonl", "recipe.yaml"])
def test_generator_reproduces_the_shipped_bytes(name: str, generated: dict[str, str]) -> None:
    """Bug: someone edits a shipped file by hand, or the generator depends on hash order."""
    assert (DEMO / name).read_bytes() == generated[name].encode()


def test_nine_old_intents_and_the_new_one_only_in_live_traffic() -> None:
    """Bug: the new intent leaks into the first training set, so the demo's update shows nothing."""
    intents = Counter(row["intent"] for row in rows())
    assert len(intents) == 9 and "gift_card" not in intents and min(intents.values()) > 100
    assert Counter(row["intent"] for row in jsonl("live_test.jsonl"))["gift_card"] == 60


def test_live_and_test_texts_are_disjoint() -> None:
    """Bug: the demo measures its update on messages it was trained on."""

    def normal(text: str) -> str:
        return " ".join(text.lower().split())

    live, held_out = ({normal(row["text"]) for row in jsonl(name)} for name in ("live.jsonl", "live_test.jsonl"))
    trained = {normal(row["text"]) for row in rows()}
    assert not live & held_out and not trained & (live | held_out)


def test_every_frame_is_distinct_and_there_are_sixty_per_intent() -> None:
    """Bug: variety shrinks until a word list solves the demo."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import ticket_phrases
    finally:
        sys.path.pop(0)
    frames = {intent: block.splitlines() for intent, block in ticket_phrases.FRAMES.items()}
    assert all(len(set(own)) == len(own) >= 60 for own in frames.values())


def test_the_dirt_is_there() -> None:
    """Bug: the demo's report has nothing to show."""
    texts = [row["text"] for row in rows()]
    assert sum("Ã" in text or "â€" in text for text in texts) > 20
    assert sum("<p>" in text or "<br" in text or "&nbsp;" in text for text in texts) > 20
    assert sum("@" in text for text in texts) > 20
    assert sum(not text.strip() for text in texts) >= 3
