"""The fine-tuning service of a server: takes jobs in, and hands out what is known of them.

Owns what happens between a request that was read and a job that is kept for sure. Does not own HTTP (`routes`), rows
(`jobs`), nor the work on jobs (`supervisor`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.serve.errors import ApiError, bad_request, disk_told
from tunesmith.serve.files import PURPOSES
from tunesmith.serve.tuning import folder
from tunesmith.serve.tuning.bases import base_of
from tunesmith.serve.tuning.folder import JobFolder
from tunesmith.serve.tuning.jobs import UNFINISHED, Job, new_id
from tunesmith.serve.tuning.recipe import recipe_of
from tunesmith.serve.tuning.request import SEEDS
from tunesmith.serve.tuning.tuned import PREFIX, all_tuned, forget

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tunesmith.core.artifacts import Workspace
    from tunesmith.recipe.jobs import Jobs as Settings
    from tunesmith.serve.catalog import Catalog
    from tunesmith.serve.files import Files
    from tunesmith.serve.tuning.jobs import Jobs
    from tunesmith.serve.tuning.request import JobRequest


class Tuning:
    """Takes fine-tuning jobs.

    Args:
        jobs: those that are known.
        workspace: where their folders and Models lie.
        files: what clients uploaded.
        catalog: the models that may be tuned further.
        settings: the recipe's ``serve.jobs``.
    """

    def __init__(self, jobs: Jobs, workspace: Workspace, files: Files, catalog: Catalog, settings: Settings) -> None:
        self.jobs = jobs
        self.settings = settings
        self._workspace, self._files, self._catalog = workspace, files, catalog

    def create(self, asked: JobRequest, key_id: str | None) -> Job:
        """Take a job.

        Raises:
            ApiError: 400 for a file of another purpose, a base or settings that cannot be, 403 if none are taken, 404
                without the files, 429 if the key has too many, 507 if the disk takes no more.
        """
        if self.settings.at_once == 0:
            message = "This server takes no fine-tuning jobs (serve.jobs.at_once: 0)."
            raise ApiError(403, message, code="training_not_available")
        train = self._file(asked.training_file, "training_file")
        valid = self._file(asked.validation_file, "validation_file") if asked.validation_file else None
        base = base_of(asked.model, self.settings.bases, self._catalog, self._workspace)
        seed = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed
        job_id = new_id("ftjob-")
        recipe = recipe_of(asked, job_id, base, seed)
        job = Job(
            job_id, now_utc(), key_id, "validating_files", False, asked.model, asked.kind, asked.wanted,
            asked.training_file, asked.validation_file, asked.suffix, seed, asked.metadata,
        )  # fmt: skip
        try:
            with disk_told():
                self.folder_of(job_id).fill(recipe, train, valid)
        except ApiError:
            self._file(asked.training_file, "training_file")  # was it deleted since it was looked for?
            raise
        try:
            return self.jobs.add(job, self.settings.per_key)
        except BaseException:
            self.folder_of(job_id).delete()
            raise

    def _file(self, file_id: str, param: str) -> Path:
        found = self._files.get(file_id, param)
        if found.purpose not in PURPOSES:
            message = f"The file {file_id} has the purpose {found.purpose!r}, and rows are files of {PURPOSES[0]!r}."
            raise bad_request(f"Invalid {param!r}: {message}", param, "invalid_value")
        return self._files.path(found.id)

    def folder_of(self, job_id: str) -> JobFolder:
        """Return a job's folder, whether it is there or not."""
        return JobFolder(self._workspace.jobs_dir / job_id)

    def delete_model(self, name: str) -> None:
        """Take a job's model away, by its name; its Artifact goes too unless an alias or another Model needs it.

        Raises:
            ApiError: 404 if there is none, 403 if it is not one that a job made.
        """
        made = all_tuned(self.jobs.store)
        if name not in made:
            self._catalog.find(name)
            message = f"Only models that jobs made ({PREFIX}…) are deleted here, and {name!r} is none."
            raise ApiError(403, message, code="model_not_deletable", param="model")
        with self.jobs.store.writing() as connection:
            forget(connection, name)
        self.discard([made[name].model_id])

    def discard(self, model_ids: Iterable[str]) -> None:
        """Delete Models that have lost their names, but for those that an alias, another name or Model needs."""
        with self.jobs.store.reading() as connection:
            needed = set(connection.execute(sa.select(tables.aliases.c.model_id)).scalars())
        needed |= {one.model_id for one in all_tuned(self.jobs.store).values()}
        needed |= {self.folder_of(job.id).base() for job in self.jobs.with_status(*UNFINISHED)}
        needed = needed.union(*(model.parents for model in self._workspace.list("model")))
        for model_id in set(model_ids) - needed:
            if (artifact := self._workspace.find(model_id)) is not None:
                self._workspace.discard(artifact)

    def discard_nameless(self) -> None:
        """Delete Models of finished jobs whose names went with a kill in between."""
        active = {job.id for job in self.jobs.with_status(*UNFINISHED)}
        known = self.jobs.ids() - active
        models = (model for model in self._workspace.list("model") if model.manifest["name"] in known)
        self.discard(model.id for model in models if "kept_at_step" in model.manifest["config"])

    def tidy(self) -> None:
        """Delete what a crash left."""
        folder.tidy(self._workspace.jobs_dir, self.jobs.ids())
