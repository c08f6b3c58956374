"""Which rows are learnt from and which are held out, so that nothing held out has been seen.

Owns the assignment: rows with the same prompt, alike prompts or the same group stay on one side, labels keep their
shares, and every label keeps an example to learn from. A pure function of the seed and of what the rows say: their
order changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tunesmith.core.errors import DataError
from tunesmith.core.ids import digest_bytes
from tunesmith.data.components import lowest_of_each
from tunesmith.data.rows import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from tunesmith.core.spans import I64
    from tunesmith.recipe import Split

_FEWEST_TO_HOLD_OUT = 10


def split(
    frame: pl.DataFrame,
    living: NDArray[np.int64],
    settings: Split,
    seed: int,
    alike: Sequence[Sequence[int]] = (),
    taken: Callable[[], str] = lambda: "",
) -> dict[str, list[int]]:
    """Return the indices of the rows of ``train``, ``valid`` and ``test``, ascending.

    Rows of files that the recipe names for valid or test stay there; a share is held out of train only for a part
    that has no file of its own.

    Args:
        frame: columns ``part``, ``label``, ``group``, ``prompt_key``.
        living: indices of the rows to assign, ascending.
        settings: the shares.
        seed: decides which rows are held out.
        alike: sets of rows that must stay together besides.
        taken: tells what took the other rows, for the error that too few are left.

    Raises:
        DataError: if nothing can be held out: too few rows, or one group holds them all.
    """
    own = frame["part"].to_list()
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for row in living.tolist():
        parts[own[row]].append(row)
    shares = {name: frac for name, frac in (("test", settings.test), ("valid", settings.valid)) if not parts[name]}
    shares = {name: frac for name, frac in shares.items() if frac > 0}
    chosen = _held_out(frame, parts["train"], shares, seed, alike)
    for name in shares:
        parts[name] = [row for row in parts["train"] if chosen.get(row) == name]
    parts["train"] = [row for row in parts["train"] if row not in chosen]
    _refuse_empty(parts, shares, frame, len(living), max(map(len, alike), default=0), taken)
    return parts


def _held_out(
    frame: pl.DataFrame, rows: list[int], shares: dict[str, float], seed: int, alike: Iterable[Sequence[int]]
) -> dict[int, str]:
    """Return row to the part it is held out for."""
    labels = [label or "" for label in frame["label"].to_list()]
    totals = Counter(labels[row] for row in rows)
    wanted = {name: {label: _share(count, frac) for label, count in totals.items()} for name, frac in shares.items()}
    missing = sum(sum(of_label.values()) for of_label in wanted.values())
    out: Counter[str] = Counter()
    chosen: dict[int, str] = {}
    for bundle in _bundles(frame, rows, seed, alike):
        if missing <= 0:
            break
        counts = Counter([labels[row] for row in bundle])
        if any(out[label] + count >= totals[label] for label, count in counts.items()):
            continue  # nothing of the label would be left to learn from
        name = next((name for name in shares if _fits(counts, wanted[name])), None)
        if name is None:
            continue
        for label, count in counts.items():
            missing -= min(count, max(wanted[name][label], 0))
            wanted[name][label] -= count
        out.update(counts)
        chosen.update(dict.fromkeys(bundle, name))
    return chosen


def _share(count: int, frac: float) -> int:
    """Return how many of a label's rows to hold out: the share, and at least one of three or more."""
    return max(round(count * frac), 1 if count >= 3 else 0)


def _fits(counts: Counter[str], wanted: dict[str, int]) -> bool:
    """Tell whether a bundle may be held out: no more than half of it beyond what its labels still want."""
    beyond = sum(max(0, count - wanted[label]) for label, count in counts.items())
    return any(wanted[label] > 0 for label in counts) and 2 * beyond <= sum(counts.values()) - 1


def _bundles(frame: pl.DataFrame, rows: list[int], seed: int, alike: Iterable[Sequence[int]]) -> list[list[int]]:
    """Return rows that must stay together, in an order hashed from the seed and what the rows of each ask."""
    first = lowest_of_each(len(rows), *_ties(frame, np.array(rows, np.int64), alike)).tolist()
    joined: dict[int, list[int]] = defaultdict(list)
    lowest: dict[int, int] = {}
    for row, bundle, key in zip(rows, first, frame["prompt_key"][rows].to_list(), strict=True):
        joined[bundle].append(row)
        lowest[bundle] = min(key, lowest.get(bundle, key))
    ranked = sorted(joined, key=lambda bundle: digest_bytes(f"{seed}\0{lowest[bundle]}".encode()))
    return [joined[bundle] for bundle in ranked]


def _ties(frame: pl.DataFrame, rows: I64, alike: Iterable[Sequence[int]]) -> tuple[I64, I64]:
    """Return places in ``rows`` that must stay together: of equal prompts, equal groups, and alike ones."""
    place = np.full(frame.height, -1)
    place[rows] = np.arange(len(rows))
    own = frame[rows].select("prompt_key", pl.col("group").rank("dense")).with_row_index("place")
    ties = [np.zeros((0, 2), np.int64)]
    for column in ("prompt_key", "group"):
        same = own.select("place", column).drop_nulls().sort(column, "place").to_numpy()
        again = np.flatnonzero(same[1:, 1] == same[:-1, 1])
        ties.append(np.stack([same[again, 0], same[again + 1, 0]], axis=1))
    for cluster in alike:
        inside = place[np.asarray(cluster, np.int64)]
        inside = inside[inside >= 0]
        ties.append(np.stack([inside[:-1], inside[1:]], axis=1))
    one, other = np.concatenate(ties).astype(np.int64).T
    return one, other


def _refuse_empty(
    parts: dict[str, list[int]],
    shares: dict[str, float],
    frame: pl.DataFrame,
    living: int,
    most_alike: int,
    taken: Callable[[], str],
) -> None:
    empty = next((name for name in ("train", *shares) if not parts[name]), None)
    if empty is None:
        return
    used = frame["group"][[row for own in parts.values() for row in own]]
    groups = Counter(group for group in used.to_list() if group)
    if groups and groups.most_common(1)[0][1] > living / 2:
        group, count = groups.most_common(1)[0]
        raise DataError(
            f"nothing can be held out for {empty}: the group {group!r} holds {count:,} of {living:,} rows",
            expected="groups much smaller than the data",
            hint="check data.columns.group, or give data.valid and data.test files of their own",
        )
    if most_alike > living / 2:
        raise DataError(
            f"nothing can be held out for {empty}: {most_alike:,} of {living:,} rows ask alike, with the same "
            "facts, in the same words but for function words and spelling",
            expected="questions that differ, so that what is held out was not learnt",
            hint="give data.valid and data.test files of their own, or add rows that ask something else",
        )
    raise DataError(
        f"{living:,} usable rows are too few to hold any out for {empty}{taken()}",
        expected=f"at least {_FEWEST_TO_HOLD_OUT} usable rows to hold them out of",
        hint="add examples, or give data.valid and data.test files of their own",
    )
