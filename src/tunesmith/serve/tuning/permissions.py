"""Who else may use a checkpoint: OpenAI's permissions of projects, kept and listed.

This server has keys and no projects: every key may use every model already, so a permission opens nothing here. It is
kept because scripts that move a checkpoint from project to project ask for it. Does not own keys (`serve.keys`).
Source: https://platform.openai.com/docs/api-reference/fine-tuning/create-permission.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.serve.errors import no_such
from tunesmith.serve.tuning.jobs import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.store import Store


@dataclass(frozen=True, slots=True)
class Permission:
    """That a project may use a checkpoint."""

    id: str
    at: datetime
    project_id: str

    def body(self) -> dict[str, Any]:
        """Return OpenAI's object of it."""
        return {
            "object": "checkpoint.permission", "id": self.id, "created_at": int(self.at.timestamp()),
            "project_id": self.project_id,
        }  # fmt: skip


def allow(store: Store, checkpoint: str, project_ids: Sequence[str]) -> list[Permission]:
    """Return the permissions of projects on a checkpoint, made where they were not there."""
    table = tables.checkpoint_permissions
    with store.writing_alone("checkpoint permissions") as connection:
        there = {row.project_id for row in connection.execute(_of(checkpoint))}
        for project_id in dict.fromkeys(project_ids):
            if project_id not in there:
                row = {"id": new_id("cp_"), "at": now_utc(), "checkpoint": checkpoint, "project_id": project_id}
                connection.execute(sa.insert(table).values(**row))
        made = {row.project_id: Permission(*row) for row in connection.execute(_of(checkpoint))}
    return [made[project_id] for project_id in dict.fromkeys(project_ids)]


def page_of_permissions(
    store: Store, checkpoint: str, project_id: str | None, after: str | None, limit: int, *, newest_first: bool
) -> tuple[list[Permission], bool]:
    """Return permissions on a checkpoint, behind one of them, and whether there are more.

    Raises:
        ApiError: 404 if the one to go on from is not here.
    """
    with store.reading() as connection:
        found = [Permission(*row) for row in connection.execute(_of(checkpoint))]
    if newest_first:
        found.reverse()
    if project_id is not None:
        found = [one for one in found if one.project_id == project_id]
    if after is not None:
        place = next((number for number, one in enumerate(found) if one.id == after), None)
        if place is None:
            raise no_such("CheckpointPermission", after, "after")
        found = found[place + 1 :]
    return found[:limit], len(found) > limit


def withdraw(store: Store, checkpoint: str, permission_id: str) -> None:
    """Take a permission away.

    Raises:
        ApiError: 404 if it is not here.
    """
    table = tables.checkpoint_permissions
    with store.writing() as connection:
        gone = sa.delete(table).where(table.c.id == permission_id, table.c.checkpoint == checkpoint)
        if connection.execute(gone).rowcount == 0:
            raise no_such("CheckpointPermission", permission_id, "permission_id")


def _of(checkpoint: str) -> sa.Select[Any]:
    table = tables.checkpoint_permissions.c
    columns = sa.select(table.id, table.at, table.project_id)
    return columns.where(table.checkpoint == checkpoint).order_by(table.at, table.id)
