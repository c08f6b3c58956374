"""Artifacts: immutable, content-addressed folders, each complete or not there at all.

Owns the workspace's folders, ids, manifests, and the way a folder becomes visible: written under a
temporary name, fsynced, manifest last, renamed. Does not own what a stage writes inside, locks (`locks`), nor what a
disk refuses (`disk`).

An id is ``<recipe name>-<12 hex>``, hashed from what made the artifact (stage, configuration in force,
parents' ids, content of its inputs, the stage's code version, the seed). Machine and time are recorded, not
hashed, so equal work has an equal id anywhere and is not done again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import monotonic_s
from tunesmith.core.disk import fsync, refusals_told
from tunesmith.core.errors import ArtifactError, did_you_mean
from tunesmith.core.ids import digest, digest_file
from tunesmith.core.locks import is_locked, locked
from tunesmith.core.manifest import FORMAT, MANIFEST, manifest_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

STAGES = ("dataset", "model", "scorecard")
_ID = re.compile(r"^[a-z0-9][a-z0-9._-]*-[0-9a-f]{12}$")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides an artifact's content, and therefore its id.

    Args:
        name: the recipe's name; the readable half of the id.
        stage: one of `STAGES`.
        config: the configuration in force, JSON-able.
        given: the configuration as the user wrote it; recorded, not hashed.
        parents: ids of the artifacts this one is made from.
        inputs: label to content digest of every outside input.
        code: version of the stage's code, raised when its output changes.
        seed: the seed in force.
    """

    name: str
    stage: str
    config: Mapping[str, Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    seed: int = 0

    @property
    def id(self) -> str:
        """The artifact's id, ``<name>-<12 hex>``."""
        content = [
            self.stage,
            dict(self.config),
            self.parents,
            sorted(self.inputs.items()),
            self.code,
            self.seed,
        ]
        return f"{self.name}-{digest(content)}"


@dataclass(frozen=True)
class Artifact:
    """A complete artifact on disk. Its files are never changed."""

    path: Path

    @property
    def id(self) -> str:
        """The id, also the folder's name."""
        return self.path.name

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest: format, id, stage, name, parents, config, given, inputs, versions, counts, result, files.

        Raises:
            ArtifactError: if it is missing, unreadable, or of a newer format.
        """
        file = self.path / MANIFEST
        try:
            manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            newer = manifest["format"] > FORMAT
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{file}: not a readable manifest ({error})", hint="tunesmith clean, then make it again"
            ) from error
        if newer:
            raise ArtifactError(
                f"{file}: format {manifest['format']}", expected=f"at most {FORMAT}", hint="upgrade tunesmith"
            )
        return manifest

    @property
    def is_readable(self) -> bool:
        """Whether the manifest can be read."""
        try:
            return bool(self.manifest)
        except ArtifactError:
            return False

    @property
    def stage(self) -> str:
        """``dataset``, ``model`` or ``scorecard``."""
        return str(self.manifest["stage"])

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the artifacts it was made from."""
        return tuple(self.manifest["parents"])

    @property
    def result(self) -> dict[str, Any]:
        """What the stage's command printed with ``--json``."""
        return dict(self.manifest["result"])

    def verify(self) -> None:
        """Check every file against the digest in the manifest.

        Raises:
            ArtifactError: naming the files that are missing or changed.
        """
        wrong = [
            name
            for name, expected in self.manifest["files"].items()
            if not (self.path / name).is_file() or digest_file(self.path / name) != expected
        ]
        if wrong:
            raise ArtifactError(
                f"{self.id}: {len(wrong)} file(s) are missing or were changed: {', '.join(wrong[:5])}",
                hint=f"delete {self.path} and make it again",
            )


@dataclass
class Draft:
    """An artifact being made. Write files under `path`; they become visible together, or never.

    `scratch` is a folder of the same id that survives a kill (checkpoints live there) and is removed when the
    artifact is complete. `counts` and `result` go into the manifest.
    """

    plan: Plan
    path: Path
    scratch: Path
    counts: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id the artifact will have."""
        return self.plan.id


@dataclass(frozen=True)
class Workspace:
    """The folder that holds artifacts, work in progress and the store."""

    root: Path

    @classmethod
    def locate(cls, home: Path | None, near: Path) -> Workspace:
        """Return the workspace: ``home`` if given, else ``$TUNESMITH_HOME``, else ``.tunesmith`` in ``near``."""
        if home is None and (variable := os.environ.get("TUNESMITH_HOME")):
            home = Path(variable)
        return cls((home or near / ".tunesmith").resolve())

    def existing(self) -> Workspace:
        """Return this workspace.

        Raises:
            ArtifactError: if nothing was ever made in it.
        """
        if not self.root.exists():
            raise ArtifactError(
                f"there is no workspace at {self.root}",
                expected="the folder of a recipe that was run",
                hint="go to the recipe's folder, or name its workspace with --home",
            )
        return self

    @property
    def artifacts_dir(self) -> Path:
        """Where complete artifacts lie."""
        return self.root / "artifacts"

    @property
    def work_dir(self) -> Path:
        """Where drafts and scratch folders lie."""
        return self.root / "work"

    @property
    def answers_dir(self) -> Path:
        """Where answers of models to test rows are kept for the next evaluation."""
        return self.root / "answers"

    @property
    def index_dir(self) -> Path:
        """Where what was made of pieces of files is kept for the next preparation."""
        return self.root / "index"

    @property
    def sweeps_dir(self) -> Path:
        """Where the studies of sweeps and their pages lie."""
        return self.root / "sweeps"

    @property
    def prompts_dir(self) -> Path:
        """Where the searches for prompts and their pages lie."""
        return self.root / "prompts"

    @property
    def files_dir(self) -> Path:
        """Where files lie that were uploaded to the server."""
        return self.root / "files"

    @property
    def jobs_dir(self) -> Path:
        """Where the fine-tuning jobs of the server lie, a folder each."""
        return self.root / "jobs"

    @property
    def tracking_dir(self) -> Path:
        """Where the curves of runs lie that are tracked by files."""
        return self.root / "tracking"

    def find(self, artifact_id: str) -> Artifact | None:
        """Return the artifact if it is complete on disk, else None."""
        path = self.artifacts_dir / artifact_id
        return Artifact(path) if _ID.match(artifact_id) and (path / MANIFEST).is_file() else None

    def get(self, artifact_id: str) -> Artifact:
        """Return the artifact of an id or of an unambiguous beginning of one.

        Raises:
            ArtifactError: if there is none, or more than one; names the nearest.
        """
        if found := self.find(artifact_id):
            return found
        ids = [artifact.id for artifact in self.list()]
        starting = [known for known in ids if artifact_id and known.startswith(artifact_id)]
        if len(starting) == 1:
            return Artifact(self.artifacts_dir / starting[0])
        if starting:
            raise ArtifactError(
                f"{artifact_id!r} fits {len(starting)} artifacts in {self.root}: {', '.join(starting[:8])}",
                hint="write as much of the id as only one of them has",
            )
        near = f"{did_you_mean(artifact_id, ids)}; " if ids else ""
        raise ArtifactError(
            f"no artifact {artifact_id!r} in {self.root}",
            expected="an id, the beginning of one, or the path of an artifact's folder",
            hint=f"{near}run this beside the recipe, or name another workspace with --home",
        )

    def list(self, stage: str | None = None) -> list[Artifact]:
        """Return the complete artifacts, oldest first, of one stage or of all.

        One whose manifest cannot be read is left out, so that it hides no other; `get` and `show` say what it lacks.
        """
        if not self.artifacts_dir.is_dir():
            return []
        complete = (self.find(path.name) for path in self.artifacts_dir.iterdir())
        chosen = [one for one in complete if one and one.is_readable and stage in (None, one.stage)]
        return sorted(chosen, key=lambda one: (one.manifest["created"], one.id))

    def make(self, plan: Plan, build: Callable[[Draft], None]) -> Artifact:
        """Return the artifact of a plan, made by ``build`` if it is not there.

        A process that finds the same id being made by another says so and waits; it makes nothing if the other did.

        Raises:
            SetupError: if the disk refuses (full, read-only).
        """
        if (done := self.find(plan.id)) is None:
            with self._making(plan):
                if (done := self.find(plan.id)) is None:
                    self._build(plan, build)
        return done or self.get(plan.id)

    @contextlib.contextmanager
    def draft(self, plan: Plan) -> Iterator[Draft]:
        """As `make`, for a block: yields a `Draft` that becomes visible on leaving the block, on an error never."""
        with self._making(plan), self._drafting(plan) as draft:
            yield draft

    def _build(self, plan: Plan, build: Callable[[Draft], None]) -> None:
        with self._drafting(plan) as draft:
            build(draft)

    @contextlib.contextmanager
    def _making(self, plan: Plan) -> Iterator[None]:
        """Hold the lock of a plan's id; leaves no empty folder behind, and turns what the disk refuses into one error.

        Raises:
            SetupError: if the disk refuses.
        """
        try:
            with (
                refusals_told(f"the {plan.stage} {plan.id}", self.root),
                locked(self._lock_of_id(plan.id)),
            ):
                yield
        finally:
            for folder in (self.work_dir, self.artifacts_dir, self.root):
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only if nothing is in it

    @contextlib.contextmanager
    def _drafting(self, plan: Plan) -> Iterator[Draft]:
        building, scratch = self.work_dir / f"{plan.id}.building", self.work_dir / plan.id
        started_s = monotonic_s()
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        scratch.mkdir(exist_ok=True)
        draft = Draft(plan, building, scratch)
        try:
            yield draft
            self._publish(draft, monotonic_s() - started_s)
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            shutil.rmtree(building, ignore_errors=True)
            with contextlib.suppress(OSError):
                scratch.rmdir()  # only if nothing worth keeping is in it

    def _publish(self, draft: Draft, seconds: float) -> None:
        files = sorted(path for path in draft.path.rglob("*") if path.is_file())
        digests = {path.relative_to(draft.path).as_posix(): digest_file(path) for path in files}
        for path in files:
            fsync(path)
        manifest = draft.path / MANIFEST
        manifest.write_text(manifest_text(draft, digests, seconds), encoding="utf-8")
        fsync(manifest)
        fsync(draft.path)
        if self.find(draft.id) is None:
            self.artifacts_dir.mkdir(parents=True, exist_ok=True)
            draft.path.rename(self.artifacts_dir / draft.id)
            fsync(self.artifacts_dir)

    def discard(self, artifact: Artifact) -> None:
        """Delete an artifact that nobody needs. Killed meanwhile, it leaves no half of one among the others."""
        with locked(self._lock_of_id(artifact.id)):
            hidden = self.work_dir / f"{artifact.id}.building"
            shutil.rmtree(hidden, ignore_errors=True)
            artifact.path.rename(hidden)
            shutil.rmtree(hidden)

    def forget_work(self, artifact_id: str) -> None:
        """Delete what is kept of unfinished work on an artifact, such as checkpoints."""
        with locked(self._lock_of_id(artifact_id)):
            shutil.rmtree(self.work_dir / artifact_id, ignore_errors=True)

    def _lock_of_id(self, artifact_id: str) -> Path:
        return self.work_dir / f"{artifact_id}.lock"

    def leftovers(self) -> Sequence[Path]:
        """Return unfinished work that no living process holds: drafts, scratch folders, lock files."""
        if not self.work_dir.is_dir():
            return []
        return [path for path in sorted(self.work_dir.iterdir()) if not is_locked(_lock_of(path))]


def _lock_of(path: Path) -> Path:
    """Return the lock under which something in the work folder is made."""
    return path.with_name(f"{path.name.removesuffix('.building').removesuffix('.lock')}.lock")
