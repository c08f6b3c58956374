"""Aliases: ``name@production``, ``name@candidate``, ``name@previous``, each pointing at a Model.

Owns promotion, rollback and what a reference stands for; every move and its history row are one transaction, so a
reader sees the old state or the new one. Does not own whether the model exists on disk (`flow`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.errors import ArtifactError, GateError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.store import Store

PRODUCTION = "production"
PREVIOUS = "previous"
_WORD = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")


@dataclass(frozen=True, slots=True)
class Alias:
    """One name's alias and the model it points at."""

    name: str
    alias: str
    model_id: str
    updated: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """One line of a name's history: which alias was moved, from where to where, why and when."""

    name: str
    alias: str
    model_id: str
    previous_id: str | None
    scorecard_id: str | None
    action: str
    reason: str
    at: datetime


def promote(
    store: Store,
    name: str,
    model_id: str,
    *,
    alias: str = PRODUCTION,
    scorecard: Artifact | None = None,
    force: bool = False,
) -> None:
    """Point ``name@alias`` at a model; what was in production becomes ``name@previous``.

    Promoting what is already there changes nothing and writes no history. Only production is gated: any other alias
    may point at any model.

    Args:
        store: where the aliases are.
        name: the recipe's name.
        model_id: id of the Model. One that was in production before and was replaced or rolled back does not come back
            by itself: a gate may not see what its successor learnt, and whoever rolled it back had a reason.
        alias: which alias to move.
        scorecard: the Model's scorecard; its verdict decides.
        force: move production whatever the verdict; the history says so.

    Raises:
        GateError: if production would get a model whose verdict is missing, fail or undecided, or one that was in
            production before, without ``force``.
        ArtifactError: if the name or the alias is not a valid one, or the scorecard is another model's.
    """
    _check_words(name, alias)
    reason = _pass_gate(model_id, alias, scorecard, force=force)
    with store.writing_alone(name) as connection:
        before = _pointing_at(connection, name, alias)
        if before == model_id:
            return
        if alias == PRODUCTION and not force:
            _refuse_former(connection, name, model_id)
        if alias == PRODUCTION and before is not None:
            _point(connection, name, PREVIOUS, before)
        _point(connection, name, alias, model_id)
        card_id = scorecard.id if scorecard else None
        _remember(connection, Move(name, alias, model_id, before, card_id, "promote", reason, now_utc()))


def rollback(store: Store, name: str) -> str:
    """Swap production and previous, and return the id of the model now in production. Doing it twice undoes it.

    Raises:
        ArtifactError: if nothing is in production, or nothing was before it.
    """
    with store.writing_alone(name) as connection:
        now, before = _pointing_at(connection, name, PRODUCTION), _pointing_at(connection, name, PREVIOUS)
        if now is None:
            raise ArtifactError(f"nothing named {name!r} is in production", hint="tunesmith models lists the releases")
        if before is None:
            raise ArtifactError(
                f"{name!r} has only ever had one model in production, {now}: there is nothing to go back to",
                hint=f"tunesmith promote {name} ID puts another model into production",
            )
        _point(connection, name, PRODUCTION, before)
        _point(connection, name, PREVIOUS, now)
        reason = f"back from {now}"
        _remember(connection, Move(name, PRODUCTION, before, now, None, "rollback", reason, now_utc()))
    return before


def resolve(store: Store, ref: str) -> str | None:
    """Return the model id that ``name`` (its production) or ``name@alias`` points at; None if there is none.

    A model's id is no alias: the caller, who knows the artifacts, looks it up.
    """
    name, _, alias = ref.partition("@")
    with store.reading() as connection:
        return _pointing_at(connection, name, alias or PRODUCTION)


def aliases(store: Store) -> list[Alias]:
    """Return every alias, by name, then alias."""
    table = tables.aliases
    with store.reading() as connection:
        rows = connection.execute(sa.select(table).order_by(table.c.name, table.c.alias))
        return [Alias(**row) for row in rows.mappings()]


def history(store: Store, name: str | None = None) -> list[Move]:
    """Return the moves of one name or of all, oldest first."""
    table = tables.release_history
    columns = [column for column in table.c if column.name != "id"]
    query = sa.select(*columns).order_by(table.c.id)
    if name is not None:
        query = query.where(table.c.name == name)
    with store.reading() as connection:
        return [Move(**row) for row in connection.execute(query).mappings()]


def _check_words(name: str, alias: str) -> None:
    for word in (name, alias):
        if not _WORD.match(word):
            raise ArtifactError(
                f"{word!r} cannot name a release",
                expected="lower-case letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit",
            )
    if alias == PREVIOUS:
        raise ArtifactError(
            f"{name}@previous is what was in production before; it moves by itself",
            hint=f"tunesmith rollback {name} puts it back",
        )


def _pass_gate(model_id: str, alias: str, scorecard: Artifact | None, *, force: bool) -> str:
    """Return the reason to write down, or refuse."""
    if scorecard is not None and model_id not in scorecard.parents:
        raise ArtifactError(
            f"the scorecard {scorecard.id} is not about {model_id}",
            expected=f"a scorecard of that model, not of {', '.join(scorecard.parents)}",
        )
    verdict = str(scorecard.result["verdict"]) if scorecard else "missing"
    if verdict == "pass":
        return "the gate passed"
    if alias != PRODUCTION:
        return f"not gated (verdict {verdict})"
    if force:
        return f"forced (verdict {verdict})"
    reasons = "; ".join(scorecard.result.get("reasons", [])) if scorecard else "the model was never evaluated"
    raise GateError(
        f"{model_id} is not promoted: the gate's verdict is {verdict}" + (f" ({reasons})" if reasons else ""),
        expected="a scorecard whose verdict is pass",
        hint="tunesmith evaluate RECIPE makes a scorecard; --force promotes all the same",
    )


def _refuse_former(connection: Connection, name: str, model_id: str) -> None:
    table = tables.release_history
    query = sa.select(table).where(table.c.name == name, table.c.alias == PRODUCTION, table.c.previous_id == model_id)
    left = connection.execute(query.order_by(table.c.id.desc())).mappings().first()
    if left is None:
        return
    how = "was rolled back" if left["action"] == "rollback" else "was replaced"
    raise GateError(
        f"{model_id} is not promoted: it was in production and {how} by {left['model_id']}"
        f" on {left['at']:%Y-%m-%d %H:%M} UTC",
        expected="a model that has not been in production before",
        hint=f"tunesmith rollback {name} goes back one; --force promotes it all the same",
    )


def _pointing_at(connection: Connection, name: str, alias: str) -> str | None:
    table = tables.aliases
    query = sa.select(table.c.model_id).where(table.c.name == name, table.c.alias == alias)
    return connection.execute(query).scalar()


def _point(connection: Connection, name: str, alias: str, model_id: str) -> None:
    table = tables.aliases
    row = {"model_id": model_id, "updated": now_utc()}
    this = (table.c.name == name, table.c.alias == alias)
    if not connection.execute(sa.update(table).where(*this).values(**row)).rowcount:
        connection.execute(sa.insert(table).values(name=name, alias=alias, **row))


def _remember(connection: Connection, move: Move) -> None:
    values = {column.name: getattr(move, column.name) for column in tables.release_history.c if column.name != "id"}
    connection.execute(sa.insert(tables.release_history).values(**values))
