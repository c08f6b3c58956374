"""Which rows the report shows as examples, and their texts.

Owns the choice (capped, the closest calls first, the same for the same Dataset) and reading each text once. Does not
own how they are shown (`page`, `text`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.data.rows import SPLITS
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered

PER_RULE, CLUSTERS, PER_CLUSTER, CONFLICTS, ANSWERS, SAMPLES = 5, 5, 3, 6, 4, 6
"""How many are shown: rows of a rule, clusters, copies of a cluster, conflicts, answers of one, rows as learnt."""

COPIES = ("duplicate", "near_duplicate", "semantic_duplicate")
"""Rules that remove a row because another stands for it."""

MANY_RULES, PER_RULE_OF_MANY = 20, 3
"""With more rules than this fewer rows of each are shown: the page stays below 1.5 MB whatever the data."""

Record = dict[str, Any]
"""A line of ``removed.parquet`` or ``repairs.parquet``, its evidence parsed."""


@dataclass(frozen=True)
class Shown:
    """A row as people know it: where it is, what it asks and answers, and the split it is in (or ``removed``)."""

    row_id: str
    at: str
    where: str
    messages: list[Record]
    label: str | None = None
    tokens: int | None = None
    target_tokens: int | None = None

    @property
    def asked(self) -> str:
        """The last question."""
        users = [message for message in self.messages[:-1] if message["role"] == "user"]
        return text_of(users[-1]) if users else "\n".join(map(text_of, self.messages[:-1]))

    @property
    def answer(self) -> str:
        """The answer to learn, tool calls included."""
        return answer_of(self.messages[-1]) if self.messages else ""

    @property
    def text(self) -> str:
        """Question and answer."""
        return f"{self.asked}\n→ {self.answer}"


def answer_of(message: Record) -> str:
    """Return a message's text and its tool calls."""
    calls = message.get("tool_calls")
    return text_of(message) + (json.dumps(calls, ensure_ascii=False) if calls else "")


@dataclass
class Ruled:
    """What a rule did: to how many, and the first few."""

    rule: str
    count: int
    rows: list[Record]


@dataclass
class Cluster:
    """A row that stays, and those that were removed because of it."""

    kept: str
    size: int
    rows: list[Record]


@dataclass
class Picked:
    """Everything that is shown as an example, by row id."""

    removed: list[Ruled]
    repaired: list[Ruled]
    flagged: list[Ruled]
    clusters: list[Cluster]
    kept_for_many: int
    conflicts: list[list[str]]
    near_conflicts: list[tuple[str, str]]
    samples: list[int]
    worst: dict[str, list[str]] = field(default_factory=dict)

    def ids(self) -> set[str]:
        """Return the ids of all rows whose text is needed."""
        found = {one["row_id"] for ruled in [*self.repaired, *self.flagged] for one in ruled.rows}
        records = [one for ruled in [*self.removed, *self.flagged] for one in ruled.rows]
        found |= {one["evidence"]["twin"] for one in records if "twin" in one["evidence"]}
        found |= {cluster.kept for cluster in self.clusters}
        found |= {row for rows in self.conflicts for row in rows} | {
            row for rows in self.worst.values() for row in rows
        }
        return found | {row for pair in self.near_conflicts for row in pair}


def pick(gathered: Gathered, decided: Decided, removed: pl.DataFrame, repairs: pl.DataFrame) -> Picked:
    """Choose the examples of a Dataset."""
    changed, flags = repairs.filter(pl.col("after").is_not_null()), repairs.filter(pl.col("after").is_null())
    clusters, kept_for_many = _clusters(removed)
    groups = _conflicts(gathered.frame, decided, flags)
    train = decided.parts["train"]
    near = [(one["evidence"]["twin"], one["row_id"]) for one in _first(flags, "near_conflict", PER_RULE)]
    return Picked(
        removed=_by_rule(removed),
        repaired=_by_rule(changed),
        flagged=[ruled for ruled in _by_rule(flags) if ruled.rule not in ("conflict", "near_conflict")],
        clusters=clusters,
        kept_for_many=kept_for_many,
        conflicts=groups,
        near_conflicts=near,
        samples=[train[at * len(train) // SAMPLES] for at in range(min(SAMPLES, len(train)))],
    )


def _by_rule(frame: pl.DataFrame) -> list[Ruled]:
    """Return the rules of a frame, most rows first, each with its closest calls: the lowest scores, then in order."""
    counts = frame.group_by("rule").len().sort(["len", "rule"], descending=[True, False])
    names = ("jaccard", "cosine", "score", "p_label")
    scored = frame.with_columns(pl.coalesce(*map(_number, names)).alias("score"))
    firsts = scored.sort("score", nulls_last=True, maintain_order=True).group_by("rule", maintain_order=True)
    by_rule: dict[str, list[Record]] = {}
    most = PER_RULE if counts.height <= MANY_RULES else PER_RULE_OF_MANY
    for record in firsts.head(most).drop("score").to_dicts():
        by_rule.setdefault(record["rule"], []).append(_parsed(record))
    return [Ruled(rule, count, by_rule[rule]) for rule, count in counts.iter_rows()]


def _first(frame: pl.DataFrame, rule: str, most: int) -> list[Record]:
    return [_parsed(record) for record in frame.filter(pl.col("rule") == rule).head(most).to_dicts()]


def _parsed(record: Record) -> Record:
    return {**record, "evidence": json.loads(record["evidence"])}


def _number(name: str) -> pl.Expr:
    return pl.col("evidence").str.json_path_match(f"$.{name}").cast(pl.Float64, strict=False)


def _clusters(removed: pl.DataFrame) -> tuple[list[Cluster], int]:
    """Return the largest clusters of copies, and how many rows were kept for others."""
    twin = pl.col("evidence").str.json_path_match("$.twin").alias("twin")
    copies = removed.filter(pl.col("rule").is_in(COPIES)).with_columns(twin)
    sizes = copies.group_by("twin", maintain_order=True).len().sort("len", descending=True, maintain_order=True)
    return [
        Cluster(
            kept, size, [_parsed(one) for one in copies.filter(pl.col("twin") == kept).head(PER_CLUSTER).to_dicts()]
        )
        for kept, size in sizes.head(CLUSTERS).iter_rows()
    ], sizes.height


def _conflicts(frame: pl.DataFrame, decided: Decided, flags: pl.DataFrame) -> list[list[str]]:
    """Return the ids of rows with the same question, one for each answer, the questions with most answers first."""
    flagged = flags.filter(pl.col("rule") == "conflict")["row_id"].to_list()
    out = [row for row, (rule, _) in decided.fates.removed.items() if rule == "conflict"]
    keys = pl.concat([frame.filter(pl.col("row_id").is_in(flagged))["prompt_key"], frame["prompt_key"][out]]).unique()
    rows = frame.filter(pl.col("prompt_key").is_in(keys.implode())).unique(
        ["prompt_key", "answer_key"], keep="first", maintain_order=True
    )
    grouped = rows.group_by("prompt_key", maintain_order=True).agg(pl.col("row_id"))
    return sorted(grouped["row_id"].to_list(), key=lambda ids: -len(ids))[:CONFLICTS]


class Texts:
    """The rows that are shown, each read once."""

    def __init__(self, gathered: Gathered, decided: Decided, ids: Iterable[str], samples: Sequence[int]) -> None:
        frame = gathered.frame.with_row_index("row")
        rows = np.array(
            sorted({*frame.filter(pl.col("row_id").is_in(sorted(ids)))["row"].to_list(), *samples}), np.int64
        )
        where = {row: name for name in SPLITS for row in np.intersect1d(decided.parts[name], rows).tolist()}
        texts = gathered.texts(rows)["messages"].to_list() if len(rows) else []
        self._by_row: dict[int, Shown] = {}
        for row, messages, one in zip(rows.tolist(), texts, frame[rows].to_dicts(), strict=True):
            self._by_row[row] = Shown(
                one["row_id"], f"{one['source']}:{one['line']}", where.get(row, "removed"), json.loads(messages),
                one["label"], one["tokens"], one["target_tokens"],
            )  # fmt: skip
        self._by_id = {shown.row_id: shown for shown in self._by_row.values()}

    def get(self, row_id: str) -> Shown | None:
        """Return a row by its id; None if it never was an example."""
        return self._by_id.get(row_id)

    def at(self, row: int) -> Shown:
        """Return a row by its index."""
        return self._by_row[row]


def text_of_removed(text: str) -> str:
    """Return a removed row's text for people: question and answer, or the record's fields, or as it was kept."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # lists a thousand deep
        return text
    if isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value):
        return Shown("", "", "", value).text
    if isinstance(value, dict):
        lines = (f"{key}: {one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}"
                 for key, one in value.items())  # fmt: skip
        return "\n".join(lines)
    return text
