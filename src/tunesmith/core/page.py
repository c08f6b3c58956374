"""The frame of every HTML page Tunesmith writes: one file, nothing from elsewhere, light and dark.

Owns style, escaping and the policy that keeps a browser from loading or running anything else. Does not own what a
page shows (the stages).
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLE = """
:root{--ink:#1d2129;--soft:#5d6778;--line:#e3e6eb;--paper:#fff;--card:#f7f8fa;--accent:#2563eb;--second:#d97706;
--good:#15803d;--look:#9a5800;--bad:#b91c1c;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--soft:#9ba6b7;--line:#2c323c;--paper:#14171c;--card:#1b1f26;
--accent:#7aa2ff;--second:#f2b45c;--good:#5cc98a;--look:#f2b45c;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1060px;padding:32px 24px 64px;background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media(max-width:640px){body{padding:20px 14px 48px}}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 10px}
.id,.soft{color:var(--soft)}.id{overflow-wrap:anywhere}.headline{font-size:18px;margin:14px 0 20px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;font-size:13px}td.n,th.n{text-align:right}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:16px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card b{display:block;font-size:20px}.card span{color:var(--soft);font-size:13px}
.good{color:var(--good)}.bad{color:var(--bad)}code,pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px}
svg{max-width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}
.wide{overflow-x:auto}
summary{cursor:pointer}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
"""


def page(title: str, subtitle: str, headline: str, body: str, script: str = "") -> str:
    """Return a whole HTML document; ``body`` is HTML, ``script`` our own JavaScript, the rest is plain text.

    The browser is told to run nothing but that script and to fetch nothing at all.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{escape(title)}</h1><div class="id">{escape(subtitle)}</div>'
        f'<p class="headline">{escape(headline)}</p>{body}</main>'
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if script else "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; form-action 'none'"


def cards(facts: Iterable[tuple[str, Any]]) -> str:
    """Return a row of cards, each a name and a value."""
    inner = "".join(f'<div class="card"><span>{escape(k)}</span><b>{escape(str(v))}</b></div>' for k, v in facts)
    return f'<div class="cards">{inner}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], numeric_from: int = 1) -> str:
    """Return a table of plain values; columns from ``numeric_from`` on are right-aligned."""

    def cell(tag: str, index: int, value: Any) -> str:
        align = ' class="n"' if index >= numeric_from else ""
        tag = tag if str(value) else "td"  # a header without words is none
        scope = ' scope="col"' if tag == "th" else ""
        return f"<{tag}{scope}{align}>{escape(str(value))}</{tag}>"

    head = "".join(cell("th", index, name) for index, name in enumerate(header))
    lines = ("".join(cell("td", index, value) for index, value in enumerate(row)) for row in rows)
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
    )


def wide(inner: str, kind: str = "") -> str:
    """Return what may be wider than the page; it is scrolled, also by keys."""
    return f'<div class="{f"wide {kind}".strip()}" tabindex="0">{inner}</div>'


def some_of(total: int, shown: int) -> str:
    """Return what a title says of a list that is not whole: ``: 20 of 1,200``."""
    return f": {shown:,} of {total:,}" if total > shown else ""
