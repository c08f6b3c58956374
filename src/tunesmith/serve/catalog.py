"""Which models can be asked for, and under which names.

Owns reading ``name``, ``name@alias``, ``ft:…`` and Model ids as requests give them. What they point at is read from the
store every `FOLLOW_S` (see `follow`), never while a request waits, so a slow or dead store costs no answer. A name
whose alias was moved goes on being answered by the old model until the new one is in memory. Does not own moving
aliases (`release`), naming what jobs made (`tuning.tuned`) nor loading (`engine`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.errors import ArtifactError
from tunesmith.core.progress import say
from tunesmith.providers.hosted import hosted_model
from tunesmith.providers.hosted_chat import chat_settings
from tunesmith.recipe.service import Service
from tunesmith.serve.errors import ApiError, model_not_found
from tunesmith.serve.tuning.tuned import all_tuned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.core.store import Store
    from tunesmith.serve.engine import Engine
    from tunesmith.serve.tuning.tuned import Tuned

PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Served:
    """A model as somebody asked for it: the words used, the Model they stand for, and the precision it was made in.

    One that answers elsewhere has a ``service``, and a folder only if it is a Model of ours that lies there: with the
    task's prompt.
    """

    ref: str
    name: str
    alias: str | None
    model_id: str
    folder: Path
    created_s: int
    precision: str
    service: Service | None = None


Alias = tuple[str, str]
"""A name and one of its aliases."""


@dataclass
class Catalog:
    """The models of a workspace under the names of its store."""

    store: Store
    workspace: Workspace
    engine: Engine
    upstreams: Mapping[str, Service] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)  # what may be tuned, by the names clients know
    _started: datetime = field(default_factory=now_utc)
    _wanted: dict[Alias, str] = field(default_factory=dict)  # what the store said last
    _serving: dict[Alias, str] = field(default_factory=dict)  # what answers
    _tuned: dict[str, Tuned] = field(default_factory=dict)  # what jobs made

    def refresh(self) -> None:
        """Read the aliases anew. A moved one is followed at once, or when its new model is in memory.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the store cannot be read; then nothing changes.
        """
        table = tables.aliases
        with self.store.reading() as connection:
            rows = connection.execute(sa.select(table.c.name, table.c.alias, table.c.model_id)).all()
        self._tuned = all_tuned(self.store)
        self._wanted = {(row.name, row.alias): row.model_id for row in rows}
        loaded = self.engine.loaded()
        self._serving = {alias: self._follow(alias, wanted, loaded) for alias, wanted in self._wanted.items()}

    def _follow(self, alias: Alias, wanted: str, loaded: set[str]) -> str:
        """Return the model that answers for an alias from now on."""
        before = self._serving.get(alias)
        if before == wanted or wanted in loaded or before not in loaded:
            if before not in (None, wanted):
                say(f"{'@'.join(alias)} is now answered by {wanted}")
            return wanted
        served = self._find(*alias, wanted)
        if served is not None and wanted not in self.engine.broken():
            self.engine.warm(served)
        return str(before)

    def lagging(self) -> dict[str, str]:
        """Return the aliases that are not followed yet, with the model they should point at."""
        serving = self._serving
        return {"@".join(alias): wanted for alias, wanted in self._wanted.items() if serving.get(alias) != wanted}

    def find(self, ref: str) -> Served:
        """Return the model a request asks for.

        Raises:
            ApiError: 404 if there is none; 503 if the model that is meant is not on this machine, or damaged.
        """
        if ref in self.upstreams:
            return self._upstream(ref)
        name, alias = _split(ref)
        model_id = self._serving.get((name, alias))
        if model_id is not None:
            return _here(self._find(name, alias, model_id), f"{model_id} of {ref!r}")
        if (tuned := self._tuned.get(ref)) is not None:
            return _here(self._made_by_job(tuned), repr(ref))
        if ref in self.bases:
            return _here(self._base(ref), repr(ref))
        artifact = self.workspace.find(ref)
        if artifact is None or artifact.stage != "model":
            raise model_not_found(ref, [one.ref for one in self.released()])
        return _here(_unless_damaged(artifact), repr(ref))

    def knows(self, ref: str) -> bool:
        """Tell whether a name is served now."""
        return any(ref in one for one in (self.upstreams, self._tuned, self.bases)) or _split(ref) in self._serving

    def released(self) -> list[Served]:
        """Return what aliases stand for, production under its bare name first, then ``name@alias``."""
        found = [self._find(*alias, model_id) for alias, model_id in self._serving.items()]
        return sorted((one for one in found if one is not None), key=lambda one: (one.alias != PRODUCTION, one.ref))

    def named(self) -> list[Served]:
        """Return what has a name of its own: the released, then what jobs made."""
        made = [self._made_by_job(one) for one in self._tuned.values()]
        return self.released() + [one for one in made if one is not None]

    def all(self) -> list[Served]:
        """Return everything that can be asked for: what has a name, services elsewhere, bases, other Models by id.

        Models that are damaged are left out, and keep no other from being listed.
        """
        tuned = {one.model_id for one in self._tuned.values()}
        others = [_unless_damaged(one) for one in self.workspace.list("model") if one.id not in tuned]
        bases = [self._base(name) for name, reference in self.bases.items() if name != reference]
        sound = [one for one in (*bases, *others) if one is not None]
        return [*self.named(), *map(self._upstream, self.upstreams), *sound]

    def _upstream(self, name: str) -> Served:
        service = self.upstreams[name]
        created_s = int(self._started.timestamp())
        return Served(name, name, None, f"{service.api}:{service.model}", Path(), created_s, "", service)

    def _base(self, name: str) -> Served | None:
        """Return an untuned model, which clients compare with, under the name by which they tune it."""
        reference = self.bases[name]
        if (artifact := self.workspace.find(reference)) is not None:
            served = _unless_damaged(artifact)
            return served and replace(served, ref=name, name=name)
        return Served(name, name, None, f"base:{name}", Path(reference), int(self._started.timestamp()), "auto")

    def _made_by_job(self, tuned: Tuned) -> Served | None:
        served = self._find(tuned.job_id, "", tuned.model_id)
        return served and replace(served, ref=tuned.name, alias=None, created_s=int(tuned.at.timestamp()))

    def _find(self, name: str, alias: str, model_id: str) -> Served | None:
        artifact = self.workspace.find(model_id)
        served = None if artifact is None else _unless_damaged(artifact)
        return served and replace(served, ref=_ref(name, alias), name=name, alias=alias)


def _here(served: Served | None, what: str) -> Served:
    """Return a model that is here.

    Raises:
        ApiError: 503 if it is not.
    """
    if served is None:
        raise ApiError(503, f"The model {what} is not on this machine, or damaged.", code="model_missing")
    return served


def _split(ref: str) -> Alias:
    name, at, alias = ref.partition("@")
    return name, alias if at else PRODUCTION


def _ref(name: str, alias: str) -> str:
    return name if alias == PRODUCTION else f"{name}@{alias}"


def served_of(model: Artifact) -> Served:
    """Return a Model under its own id.

    Raises:
        ArtifactError: if its manifest or ``hosted.json`` is damaged.
    """
    created = datetime.fromisoformat(model.manifest["created"])
    precision = model.manifest["config"].get("train", {}).get("precision", "auto")
    name, folder = str(model.manifest["name"]), model.path / "model"
    return Served(model.id, name, None, model.id, folder, int(created.timestamp()), precision, _service_of(model))


def _unless_damaged(model: Artifact) -> Served | None:
    """Return a Model under its own id; None if it is damaged, which is no fault of the others."""
    try:
        return served_of(model)
    except ArtifactError:
        return None


def _service_of(model: Artifact) -> Service | None:
    """Return where a Model answers, None if it does here.

    Raises:
        ArtifactError: if what is kept of it is damaged, or nothing that can be asked.
    """
    hosted = hosted_model(model)
    try:
        return Service(**chat_settings(hosted)) if hosted else None
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{model.id}: what is kept of its service cannot be asked ({error})") from error
