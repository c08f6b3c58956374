"""``prompts.html``: the prompts that were compared, and what the winner brings on rows that chose nothing.

Owns what the page shows; the numbers come from ``prompts.json``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import cards, page, table, wide
from tunesmith.prompts.candidates import OWN

if TYPE_CHECKING:
    from pathlib import Path

_STYLE = (
    "<style>.words{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:12px 14px;margin:8px 0}"
    ".scores{font-variant-numeric:tabular-nums;font-size:13px}"
    ".scores>div{display:grid;grid-template:'who plot value'/200px 1fr 190px;column-gap:14px;align-items:center;"
    "margin:3px 0}.scores .who{grid-area:who;text-align:right;overflow-wrap:anywhere}"
    ".scores .value{grid-area:value;color:var(--soft)}"
    ".scores .plot{grid-area:plot;position:relative;height:16px;background:var(--card);border-radius:3px}"
    ".scores .plot i{position:absolute;top:7px;height:2px;background:var(--soft)}"
    ".scores .plot b{position:absolute;top:4px;width:8px;height:8px;margin-left:-4px;border-radius:4px;"
    "background:var(--soft)}.scores .first i,.scores .first b{background:var(--accent)}"
    ".scores .own i,.scores .own b{background:var(--second)}"
    "@media(max-width:640px){.scores>div{grid-template:'who value''plot plot'/1fr max-content}"
    ".scores .who{text-align:left}}</style>"
)


def write_page(path: Path, result: dict[str, Any]) -> None:
    """Write the page of a search."""
    winner, asked = result["winner"], [one for one in result["candidates"] if one.get("score")]
    rows = result["rows"]
    facts = [
        ("prompts asked", len(asked)),
        ("refused", len(result["candidates"]) - len(asked)),
        ("rows that choose", rows["choosing"]),
        ("rows that report", rows["reporting"]),
        ("verdict", result["verdict"]),
    ]
    body = _STYLE + cards(facts) + _comparison(result) + _texts(result, winner)
    body += f"<h2>{escape(result['metric'])} where prompts are chosen</h2>" + _scores(result, asked) + _all(result)
    body += _notes(result)
    path.write_text(page("Prompts", result["prompts"], result["sentence"], body), encoding="utf-8")


def _comparison(result: dict[str, Any]) -> str:
    compared, metric = result["comparison"], result["metric"]
    rows = [[OWN, _told(compared["own"])]]
    if (delta := compared["delta"]) is not None:
        rows = [[result["winner"]["name"], _told(compared["winner"])], *rows, ["difference", _told(delta, sign="+")]]
        rows.append(["a difference that would show", f"{delta['detectable']:.3f}"])
    note = (
        "These rows took no part in the choice, for the best of many is flattered by the rows it was chosen on. One "
        "comparison, intervals of 95 %. Validation still stops training: the test split, which was not read, has the "
        "last word."
    )
    return (
        f"<h2>On {result['rows']['reporting']:,} rows that chose nothing</h2>"
        f'{table(["", metric], rows)}<p class="soft">{escape(note)}</p>'
    )


def _told(found: dict[str, Any], sign: str = "") -> str:
    return f"{found['value']:{sign}.3f} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"


def _texts(result: dict[str, Any], winner: dict[str, Any]) -> str:
    own = next(one for one in result["candidates"] if one["name"] == OWN)
    shown = [winner] if winner["name"] == OWN else [winner, own]
    return "".join(f"<h2>{escape(one['name'])}</h2>{words_of(one)}" for one in shown)


def words_of(one: dict[str, Any]) -> str:
    """Return a prompt's words, whole."""
    shots = f'<p class="soft">{one["shots"]} examples of train before every conversation</p>' if one["shots"] else ""
    parts = [("system", one["system"]), ("template", one["template"])]
    said = "".join(
        f'<span class="soft">{name}</span><pre class="words">{escape(text)}</pre>' for name, text in parts if text
    )
    return (said or '<p class="soft">no words: the conversation as it is</p>') + shots


def _scores(result: dict[str, Any], asked: list[dict[str, Any]]) -> str:
    """Return a line for each prompt with its score and interval, the best first."""
    low, high = min(one["score"]["low"] for one in asked), max(one["score"]["high"] for one in asked)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return float(100 * (value - low) / span)

    lines = []
    for one in asked:
        found = one["score"]
        left, right = x(found["low"]), x(found["high"])
        kind = "own" if one["name"] == OWN else "first" if one["name"] == result["winner"]["name"] else ""
        lines.append(
            f'<div class="{kind}"><span class="who">{escape(one["name"])}</span><span class="plot">'
            f'<i style="left:{left:.2f}%;width:{right - left:.2f}%"></i><b style="left:{x(found["value"]):.2f}%"></b>'
            f'</span><span class="value">{_told(found)} · {one["rows"]}</span></div>'
        )
    note = "Score with its interval, and on how many rows. One of fewer rows was dropped there: others did better."
    return f'<div class="scores">{"".join(lines)}</div><p class="soft">{note}</p>'


def _all(result: dict[str, Any]) -> str:
    rows = [
        [
            one["name"], one["why"] or f"{one['state']}, {one['rows']} rows", one["shots"],
            "" if one["why"] else f"{one['prompt_tokens']:,.0f}",
            " ⏎ ".join(text for text in (one["system"], one["template"]) if text),
        ]
        for one in result["candidates"]
    ]  # fmt: skip
    header = ["prompt", "what became of it", "shots", "tokens read", "words"]
    return f"<h2>All prompts</h2>{wide(table(header, rows, numeric_from=99))}"


def _notes(result: dict[str, Any]) -> str:
    notes = list(result["notes"])
    if (writer := result["writer"]) is not None:
        calls, tokens = writer["calls"], writer["tokens"]
        cost = "" if writer["usd"] is None else f", {writer['usd']:.2f} USD"
        notes.append(
            f"{writer['model']} wrote prompts: {calls['asked']} answers ({tokens['input']:,} tokens in, "
            f"{tokens['output']:,} out{cost}), {calls['kept']} kept from before."
        )
    return "<h2>Notes</h2><ul>" + "".join(f"<li>{escape(one)}</li>" for one in notes) + "</ul>" if notes else ""
