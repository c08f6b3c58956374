"""Distributions: how long rows and answers are, how full packed sequences would be, labels and sources by split.

Owns what is told of them. Does not own the numbers (`report_numbers`) nor the drawings (`report_plots`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.shown import shown
from tunesmith.data.report.numbers import counts_of, histogram, packing, systems
from tunesmith.data.report.plots import histogram_plot, split_bar
from tunesmith.data.rows import SPLITS
from tunesmith.data.verdicts import effective_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered

    Lengths = NDArray[np.integer[Any]]

SHOWN_VALUES, OPEN_VALUES, SHOWN_SOURCES = 120, 24, 24


def lengths(gathered: Gathered, decided: Decided, limit: int | None) -> str:
    """Return histograms of rows that are in, what share is learnt, packing, system prompts and sources."""
    living = gathered.frame[sorted(row for own in decided.parts.values() for row in own)]
    counted = living.filter(pl.col("tokens").is_not_null())
    if counted.height:
        tokens, targets = (counted[name].to_numpy().astype(np.int64) for name in ("tokens", "target_tokens"))
        plots = _plot("Tokens in a row", tokens, "tokens", limit) + _plot("Tokens of its answers, which are learnt",
                                                                          targets, "tokens", None)  # fmt: skip
        plots += _learnt(tokens, targets) + _packing(tokens, limit)
    else:
        plots = _plot("Characters in a row (the base's tokenizer is not to be had)", living["chars"].to_numpy(),
                      "characters", None)  # fmt: skip
    sources = counts_of(gathered.frame, decided.parts, "source")
    more = f"<h3>Files</h3>{_table('file', sources, SHOWN_SOURCES)}" if len(sources) > 1 else ""
    return f'<div class="plots">{plots}{_systems(gathered)}</div>{more}'


def _plot(title: str, values: Lengths, unit: str, limit: int | None) -> str:
    one = histogram(values.astype(np.int64))
    told = f"median {one.median:,.0f}, 95 % at most {one.p95:,.0f}, longest {one.longest:,.0f}"
    told += f"; the base reads {limit:,}" if limit else ""
    return _figure(f'{title} <span class="soft">{told}</span>', histogram_plot(one, unit, limit))


def _figure(title: str, body: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{body}</figure>"


def _filled(frac: float) -> str:
    return f'<div class="fill"><i style="width:{100 * frac:.1f}%"></i></div>'


def _learnt(tokens: Lengths, targets: Lengths) -> str:
    total, learnt = int(tokens.sum()), int(targets.sum())
    frac = learnt / max(total, 1)
    told = f"{learnt:,} of {total:,} tokens are learnt: <b>{100 * frac:.1f} %</b>. The rest is read for its context."
    return _figure("Share of target tokens", f"{_filled(frac)}<p>{told}</p>")


def _packing(tokens: Lengths, limit: int | None) -> str:
    packed = packing(tokens, limit) if limit else None
    if packed is None:
        return ""
    told = (
        f"One row in a sequence of {packed.capacity:,} tokens fills <b>{100 * packed.alone_frac:.1f} %</b> of it; rows "
        f"packed, each whole, fill <b>{100 * packed.full_frac:.1f} %</b> of {packed.sequences:,} sequences."
    )
    bars = (("one by one", packed.alone_frac), ("packed", packed.full_frac))
    shown_bars = "".join(f'<div class="cap">{name}</div>{_filled(frac)}' for name, frac in bars)
    return _figure("Packing estimate", f"{shown_bars}<p>{told}</p>")


def _systems(gathered: Gathered) -> str:
    found = systems(gathered)
    if not found.having:
        return ""
    of_those = "" if found.rows == gathered.frame.height else f" (of the first {found.rows:,} rows)"
    told = (
        f"{found.having:,} rows begin with a system prompt{of_those}, {found.distinct:,} of them different; the "
        f"commonest stands in <b>{100 * found.commonest / found.having:.1f} %</b>."
    )
    return _figure("System prompts", f"{_filled(found.commonest / found.having)}<p>{told}</p>")


def label_table(gathered: Gathered, decided: Decided) -> str:
    """Return labels with their rows in each split; empty for free answers."""
    if gathered.frame["label"].null_count() == gathered.frame.height:
        return ""
    labels = counts_of(gathered.frame, decided.parts, "label")
    train = [counts[0] for _, counts in labels]
    told = (
        f"{len(labels):,} labels, as diverse as <b>{effective_number(train):.1f}</b> equal ones (the exponential of "
        f"their entropy); the largest has <b>{max(train) / max(min(train), 1):.1f}</b> times the rows of the smallest."
    )
    return f"<p>{told}</p>{_table('label', labels, SHOWN_VALUES)}"


def _table(name: str, values: Sequence[tuple[str, list[int]]], most: int) -> str:
    """Return values with bars, the first ones open and the rest to unfold."""
    top = max(sum(counts) for _, counts in values)
    key = "".join(f'<span style="background:{colour}"></span>{split}' for split, colour in
                  zip(SPLITS, ("var(--accent)", "var(--second)", "var(--good)"), strict=True))  # fmt: skip
    first = _lines(name, values[:OPEN_VALUES], top)
    rest = values[OPEN_VALUES:most]
    more = f"<details><summary>{len(rest)} more</summary>{_lines(name, rest, top)}</details>" if rest else ""
    left = f"<p class='soft'>{most} of {len(values):,} shown.</p>" if len(values) > most else ""
    return f'<p class="key soft">{key}</p>{first}{more}{left}'


def _lines(name: str, values: Sequence[tuple[str, list[int]]], top: int) -> str:
    head = "".join(f'<th scope="col" class="n">{split}</th>' for split in SPLITS)
    lines = "".join(
        f'<tr><th scope="row">{shown(value, 60)}</th>{"".join(f"<td class=n>{count:,}</td>" for count in counts)}'
        f'<td class="b">{split_bar(counts, top)}</td></tr>'
        for value, counts in values
    )
    return (
        f'<table class="labels"><thead><tr><th scope="col">{name}</th>{head}<th scope="col" class="b">share of the '
        f"largest</th></tr></thead><tbody>{lines}</tbody></table>"
    )
