"""What becomes of every row: kept, or removed by a rule with its evidence; what was only flagged.

Owns the one place where a row is taken out after reading, so that nothing is lost twice or silently, and what the user
restored stays. Does not own the rules (`duplicates`, `relevance`, ...).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.data.restore import ROW_BY_ROW, is_restorable
from tunesmith.data.rows import Removed, Repair

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from tunesmith.data.restore import Restored

Evidence = dict[str, Any]


class Fates:
    """The fate of each row of a frame (columns ``row_id``, ``source``, ``line``, ``part``), by its index."""

    def __init__(self, frame: pl.DataFrame, restored: Restored) -> None:
        self.frame, self._restored = frame, restored
        self.alive: NDArray[np.bool_] = np.ones(frame.height, np.bool_)
        self.removed: dict[int, tuple[str, Evidence]] = {}
        self.flagged: list[Repair] = []
        self._saved: set[int] = set()

    @cached_property
    def _columns(self) -> dict[str, list[Any]]:
        return {name: self.frame[name].to_list() for name in ("row_id", "source", "line")}

    def remove(self, row: int, rule: str, evidence: Evidence) -> bool:
        """Take a row out, unless it is out already or the user restored it; tell whether it went.

        What was saved from one rule is not taken by the next, which sees the same fault in another way.
        """
        if not self.alive[row] or (row in self._saved and is_restorable(rule) and rule not in ROW_BY_ROW):
            return False
        if self._restored.keeps(self._columns["row_id"][row], rule):
            self._saved.add(row)
            return False
        self.alive[row] = False
        self.removed[row] = (rule, evidence)
        return True

    def flag(self, row: int, rule: str, evidence: Evidence, field: str = "row") -> None:
        """Note something about a row, or one of its fields, that stays as it is."""
        self.flagged.append(Repair(self._columns["row_id"][row], field, rule, "", None, evidence))

    def mend(self, row: int, rule: str, before: str, after: str, evidence: Evidence) -> bool:
        """Note that a row's answer is replaced, unless the user restored it; tell whether it may be."""
        row_id = self._columns["row_id"][row]
        if self._restored.keeps(row_id, rule) or self._restored.undoes(row_id, rule):
            return False
        self.flagged.append(Repair(row_id, "answer", rule, before, after, evidence))
        return True

    def twin(self, row: int) -> Evidence:
        """Return the evidence that names another row: its id, and where it stands."""
        columns = self._columns
        return {"twin": columns["row_id"][row], "at": f"{columns['source'][row]}:{columns['line'][row]}"}

    def as_removed(self, row: int, text: str) -> Removed:
        """Return a removed row as a line of ``removed.parquet``."""
        rule, evidence = self.removed[row]
        columns = self._columns
        return Removed(columns["row_id"][row], columns["source"][row], columns["line"][row], rule, evidence, text)

    def by_content(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return rows in the order of what they say (`rows.content_key`), equal ones in the order read.

        Whoever chooses the first of several in this order chooses the same however the files are sorted.
        """
        return rows[np.lexsort((rows, self.frame["content"].to_numpy()[rows]))]

    def living(self, part: str | None = None) -> NDArray[np.int64]:
        """Return the indices of rows still in, of one of the recipe's lists or of all."""
        inside = self.alive if part is None else self.alive & (self.frame["part"] == part).to_numpy()
        return np.flatnonzero(inside)
