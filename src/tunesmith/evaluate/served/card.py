"""What the scorecard's page says of the model as it is served. Owns wording; the numbers are the result's."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import table, wide

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {"different": "", "rounding": "a near tie: "}
TEXT_SHOWN = 200
_STYLE = (
    "<style>.served td{overflow-wrap:anywhere;white-space:pre-wrap}.served table{min-width:640px}"
    ".served td:first-child{width:35%}</style>"
)


def served_section(served: Mapping[str, Any]) -> str:
    """Return the part of the page about served answers, from its part of the result."""
    about = (
        f"{served['rows']:,} test rows were sent to the server as a client sends them, {served['clients']} at a time, "
        f"{served['streamed']:,} of them streamed, and came back beside the answers measured above: the tokens that "
        f"the model was asked with, the text, and for labels the probability. Computed in: {served['made_in']}."
    )
    lines = [
        [_cut(one["input"]), _cut(one["evaluated"]), _cut(one["served"]), _KINDS[one["kind"]] + one["why"]]
        for one in served["differences"]
    ]
    header = ["input", "measured", "served", "why it differs"]
    shown = wide(table(header, lines, numeric_from=len(header)), "served") if lines else ""
    return (
        f"{_STYLE}<h2>As it is served</h2><p>{escape(served['summary'])}</p><p class='soft'>{escape(about)}</p>{shown}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]} … ({len(text):,} characters)"
