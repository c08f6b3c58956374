"""Which rows are learnt from and which are held out, so that nothing held out has been seen.

Owns the assignment: rows with the same prompt or the same group stay on one side, labels keep their shares, and
every label keeps an example to learn from. A pure function of the rows and the seed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.core.ids import digest_bytes
from tunesmith.data.rows import SPLITS, Row, prompt_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.recipe import Split

_FEWEST_TO_HOLD_OUT = 10


def split(rows: Sequence[Row], settings: Split, seed: int) -> dict[str, list[Row]]:
    """Return the rows of ``train``, ``valid`` and ``test``, each in the order given.

    Rows of files that the recipe names for valid or test stay there; a share is held out of train only for a part
    that has no file of its own.

    Raises:
        DataError: if nothing can be held out: too few rows, or one group holds them all.
    """
    parts: dict[str, list[Row]] = {name: [row for row in rows if row.part == name] for name in SPLITS}
    shares = {name: frac for name, frac in (("test", settings.test), ("valid", settings.valid)) if not parts[name]}
    shares = {name: frac for name, frac in shares.items() if frac > 0}
    chosen = _held_out(parts["train"], shares, seed)
    for name in shares:
        parts[name] = [row for row in parts["train"] if chosen.get(row.row_id) == name]
    parts["train"] = [row for row in parts["train"] if row.row_id not in chosen]
    _refuse_empty(parts, shares, rows)
    return parts


def _held_out(rows: list[Row], shares: dict[str, float], seed: int) -> dict[str, str]:
    """Return row id to the part it is held out for."""
    totals = Counter(_stratum(row) for row in rows)
    wanted = {name: {label: _share(count, frac) for label, count in totals.items()} for name, frac in shares.items()}
    out: Counter[str] = Counter()
    chosen: dict[str, str] = {}
    for bundle in _bundles(rows, seed):
        counts = Counter(_stratum(row) for row in bundle)
        if any(out[label] + count >= totals[label] for label, count in counts.items()):
            continue  # nothing of the label would be left to learn from
        name = next((name for name in shares if _fits(counts, wanted[name])), None)
        if name is None:
            continue
        for label, count in counts.items():
            wanted[name][label] -= count
        out.update(counts)
        chosen.update({row.row_id: name for row in bundle})
    return chosen


def _share(count: int, frac: float) -> int:
    """Return how many of a label's rows to hold out: the share, and at least one of three or more."""
    return max(round(count * frac), 1 if count >= 3 else 0)


def _fits(counts: Counter[str], wanted: dict[str, int]) -> bool:
    """Tell whether a bundle may be held out: no more than half of it beyond what its labels still want."""
    beyond = sum(max(0, count - wanted[label]) for label, count in counts.items())
    return any(wanted[label] > 0 for label in counts) and 2 * beyond <= sum(counts.values()) - 1


def _stratum(row: Row) -> str:
    return row.label or ""


def _bundles(rows: list[Row], seed: int) -> list[list[Row]]:
    """Return rows that must stay together, in an order hashed from the seed and the first row of each."""
    bundles = _together(rows)
    return sorted(bundles, key=lambda bundle: digest_bytes(f"{seed}\0{bundle[0].row_id}".encode()))


def _together(rows: list[Row]) -> list[list[Row]]:
    """Join rows that share a prompt or a group, directly or through others (union-find)."""
    parent = list(range(len(rows)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        keys = [("prompt", prompt_key(row))] + ([("group", row.group)] if row.group else [])
        for key in keys:
            parent[root(index)] = root(first.setdefault(key, index))
    joined: dict[int, list[Row]] = defaultdict(list)
    for index, row in enumerate(rows):
        joined[root(index)].append(row)
    return list(joined.values())


def _refuse_empty(parts: dict[str, list[Row]], shares: dict[str, float], rows: Sequence[Row]) -> None:
    empty = next((name for name in ("train", *shares) if not parts[name]), None)
    if empty is None:
        return
    groups = Counter(row.group for row in rows if row.group)
    if groups and groups.most_common(1)[0][1] > len(rows) / 2:
        group, count = groups.most_common(1)[0]
        raise DataError(
            f"nothing can be held out for {empty}: the group {group!r} holds {count:,} of {len(rows):,} rows",
            expected="groups much smaller than the data",
            hint="check data.columns.group, or give data.valid and data.test files of their own",
        )
    raise DataError(
        f"{len(rows):,} usable rows are too few to hold any out for {empty}",
        expected=f"at least {_FEWEST_TO_HOLD_OUT} usable rows",
        hint="add examples, or give data.valid and data.test files of their own",
    )
