"""What people see of a result on a terminal."""

import pytest
from rich.console import Console

from tunesmith.cli import summaries
from tunesmith.core import progress


def card(metrics):
    numbers = {name: {"value": 0.5, "low": 0.123, "high": 0.456, "n": 500} for name in metrics}
    return {
        "metrics": numbers, "baselines": {"majority": numbers}, "verdict": "pass", "reasons": [],
        "path": "/x", "summary": "Tuning paid.",
    }  # fmt: skip


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_broken_where_many_metrics_meet_a_narrow_console(width, terminal, monkeypatch, capsys):
    """Six metrics of an extraction on 80 columns read "[0.123, 0.4" and below it "56]"."""
    names = ["exact_match", "slot_f1", "slot_precision", "slot_recall", "valid_json", "perplexity"]
    console = Console(stderr=True, force_terminal=terminal, width=width, color_system=None)
    monkeypatch.setattr(progress, "_console", console)
    summaries.show_scorecard(card(names))
    text = capsys.readouterr().err
    assert max(map(len, text.splitlines())) <= width
    assert text.count("[0.123, 0.456]") == 12 and all(text.count(name) == 1 for name in names)
    assert text.count("majority") == {60: 3, 80: 2, 120: 1}[width]
