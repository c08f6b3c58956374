"""Events of a service: each once, whatever the order, and no more read than are new."""

from __future__ import annotations

from types import SimpleNamespace

from tunesmith.providers.openai_curve import Curve


def event(number: int) -> SimpleNamespace:
    return SimpleNamespace(id=f"e{number}", created_at=number, data={"step": number, "train_loss": 1.0}, message="")


def test_what_was_taken_before_is_not_read_again_and_nothing_is_missed():
    """Bug: every look reads all events of a long job, or stops at the first one that is known and misses a late one."""
    curve, read = Curve(), []

    def listed(numbers):
        for number in numbers:
            read.append(number)
            yield event(number)

    curve.take(curve.unseen(listed(range(1000, 0, -1)), 100))
    assert len(curve.rows) == 1000
    read.clear()
    late = [1001, *range(1000, 950, -1), 1002, *range(950, 0, -1)]  # one that came late stands among the known
    rows, _ = curve.take(curve.unseen(listed(late), 100))
    assert [row["step"] for row in rows] == [1001, 1002] and len(read) == 152
