"""What the scorecard's page says of the judge itself: who won, what the order did, and whether people agree.

Owns wording; the numbers are the result's.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import table, wide

if TYPE_CHECKING:
    from collections.abc import Mapping

Found = dict[str, Any]
_LEGEND = (
    "Win rate: how often the tuned model is preferred, ties half. First place wins by: what the order alone does to "
    "it, which is taken out. Judge's noise: its share of the variance between rows; where it is large, more samples "
    "help, else more rows. Kappa: agreement beyond chance, 0 to 1."
)


def judge_section(judge: Mapping[str, Any]) -> str:
    """Return the part of the page about a judge, from its part of the result."""
    about = (
        f"{judge['model']} at {judge['endpoint']}, {judge['samples']} answers to each question, pairs in both orders."
    )
    tables = f"{_pairs(judge)}{_marks(judge)}{_people(judge)}"
    return f"<h2>The judge</h2><p class='soft'>{escape(about)}</p>{tables}<p class='soft'>{_LEGEND}</p>"


def _pairs(judge: Mapping[str, Any]) -> str:
    lines = [
        [
            who, _shown(one["win_rate"]), f"{one['wins']} / {one['ties']} / {one['losses']}",
            _shown(one["position_bias"]), _share(one["judge_noise"]), _unread(one),
        ]
        for who, one in judge["pairwise"].items()
    ]  # fmt: skip
    header = ["tuned beside", "win rate", "won / tied / lost", "first place wins by", "judge's noise", "unreadable"]
    return wide(table(header, lines)) if lines else ""


def _marks(judge: Mapping[str, Any]) -> str:
    lines = [[who, _share(one["judge_noise"]), _unread(one)] for who, one in judge["rubric"].items()]
    return wide(table(["marks of", "judge's noise", "unreadable"], lines)) if lines else ""


def _people(judge: Mapping[str, Any]) -> str:
    lines = [[name, _shown(one["agreement"]), _shown(one["kappa"])] for name, one in judge["human"].items()]
    return wide(table(["beside people", "agreement", "Cohen's kappa"], lines)) if lines else ""


def _shown(estimate: Found | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _unread(one: Found) -> str:
    return f"{one['unreadable']:,} of {one['replies']:,}"
