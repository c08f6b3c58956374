"""Which models can be asked for, and under which names.

Owns reading ``name``, ``name@alias`` and Model ids as requests give them. Aliases are read anew for every request,
so a promotion takes effect at once. Does not own moving aliases (`release`) nor loading (`engine`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tunesmith.core import store as tables
from tunesmith.serve.errors import ApiError, model_not_found

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.core.store import Store

PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Served:
    """A model as somebody asked for it: the words used, and the Model they stand for."""

    ref: str
    name: str
    alias: str | None
    model_id: str
    folder: Path
    created_s: int


@dataclass(frozen=True)
class Catalog:
    """The models of a workspace under the names of its store."""

    store: Store
    workspace: Workspace

    def find(self, ref: str) -> Served:
        """Return the model a request asks for.

        Raises:
            ApiError: 404 if there is none; 503 if an alias points at a model that is no longer on disk.
        """
        name, _, alias = ref.partition("@")
        alias = alias or PRODUCTION
        model_id = self._pointing_at(name, alias)
        if model_id is not None:
            if (artifact := self.workspace.find(model_id)) is None:
                raise ApiError(503, f"The model {model_id} of {ref!r} is not on this machine.", code="model_missing")
            return _served(ref, name, alias, artifact)
        artifact = self.workspace.find(ref)
        if artifact is None or artifact.stage != "model":
            raise model_not_found(ref, [one.ref for one in self.released()])
        return _served(ref, str(artifact.manifest["name"]), None, artifact)

    def released(self) -> list[Served]:
        """Return what aliases point at, production under its bare name first, then ``name@alias``."""
        table = tables.aliases
        with self.store.reading() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.name, table.c.alias)).all()
        found = []
        for row in rows:
            if (artifact := self.workspace.find(row.model_id)) is not None:
                ref = row.name if row.alias == PRODUCTION else f"{row.name}@{row.alias}"
                found.append(_served(ref, row.name, row.alias, artifact))
        return sorted(found, key=lambda one: (one.alias != PRODUCTION, one.ref))

    def all(self) -> list[Served]:
        """Return everything that can be asked for: the released, then every Model by its id."""
        models = self.workspace.list("model")
        return self.released() + [_served(one.id, str(one.manifest["name"]), None, one) for one in models]

    def _pointing_at(self, name: str, alias: str) -> str | None:
        table = tables.aliases
        query = sa.select(table.c.model_id).where(table.c.name == name, table.c.alias == alias)
        with self.store.reading() as connection:
            return connection.execute(query).scalar()


def _served(ref: str, name: str, alias: str | None, artifact: Artifact) -> Served:
    created = datetime.fromisoformat(artifact.manifest["created"])
    return Served(ref, name, alias, artifact.id, artifact.path / "model", int(created.timestamp()))
