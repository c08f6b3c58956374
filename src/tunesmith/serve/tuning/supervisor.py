"""Sees to it that jobs are worked on: starts workers, takes in what they tell, ends those that nobody wants.

A thread of the server, one per workspace by a lock: a second server waits until the first is gone. What it knows is in
the store and in the folders of jobs, so a server that was killed is followed by one that finds its workers or starts
new ones, which go on from their checkpoints. Does not own what workers do (`worker`) nor tell (`taking_in`).
"""

from __future__ import annotations

import math
import shutil
import threading
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import monotonic_s, now_utc
from tunesmith.core.locks import locked_if_free
from tunesmith.core.progress import say
from tunesmith.serve.tuning.events import tell
from tunesmith.serve.tuning.jobs import ACTIVE, UNFINISHED
from tunesmith.serve.tuning.progress import DamagedProgress, read_on
from tunesmith.serve.tuning.taking_in import take_in
from tunesmith.serve.tuning.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.engine import Connection

    from tunesmith.core.artifacts import Workspace
    from tunesmith.serve.files import Files
    from tunesmith.serve.tuning.folder import JobFolder
    from tunesmith.serve.tuning.jobs import Job
    from tunesmith.serve.tuning.service import Tuning
    from tunesmith.serve.tuning.webhooks import Webhooks

LOOK_S = 0.25
"""How often it looks."""

CLEAR_S = 60.0
"""How often it clears up behind jobs that nobody worked on when they ended."""

MOST_DEATHS = 3
"""Workers of a job that may die without having got further, before the job fails."""


class Supervisor:
    """Sees to the jobs of a workspace.

    Args:
        tuning: the jobs, and how many may train at once.
        workspace: where their Models are made.
        files: where their results go.
        webhooks: who tells of their ends, if anybody is told.
    """

    def __init__(self, tuning: Tuning, workspace: Workspace, files: Files, webhooks: Webhooks | None = None) -> None:
        self._tuning, self._workspace, self._files, self._webhooks = tuning, workspace, files, webhooks
        self._workers: dict[str, Worker] = {}
        self._stop = threading.Event()
        self._failing = ""
        self._began: dict[str, float] = {}
        self._thread = threading.Thread(target=self._work, name="tunesmith-jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        if self._webhooks is not None:
            self._webhooks.start()

    def close(self) -> None:
        """End the workers and stop; the next server goes on with their jobs."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._webhooks is not None:
            self._webhooks.close()

    def _work(self) -> None:
        while not self._stop.is_set():
            self._guarded(self._wait_for_turn)
            self._stop.wait(1.0)

    def _wait_for_turn(self) -> None:
        with locked_if_free(self._workspace.root / "jobs.lock") as ours:
            if ours:
                self._see_to_it()

    def _see_to_it(self) -> None:
        self._find_workers()
        self._guarded(self._tuning.discard_nameless)
        cleared_s = -CLEAR_S
        while not self._stop.wait(LOOK_S):
            self._guarded(self.look)
            if monotonic_s() - cleared_s >= CLEAR_S:
                self._guarded(self._clear_up)
                cleared_s = monotonic_s()
        for worker in self._workers.values():
            worker.kill()
        self._workers.clear()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do some work; what goes wrong is said once, and no end of the thread that all jobs need."""
        try:
            work()
            self._failing = ""
        except Exception as error:
            told = f"{type(error).__name__}: {error}".splitlines()[0]
            if told != self._failing:
                say(f"cannot see to the fine-tuning jobs ({told}); trying again")
            self._failing = told

    def status(self) -> dict[str, Any]:
        """Return for ``/healthz`` how many workers there are, and what goes wrong, if anything does."""
        failing = self._failing or ("" if self._thread.is_alive() else "its thread has ended")
        return {"workers": len(self._workers), "failing": failing or None}

    def _find_workers(self) -> None:
        """Find the workers that an earlier server started."""
        for path in sorted(self._workspace.jobs_dir.glob("ftjob-*")):
            if (worker := Worker.find(self._tuning.folder_of(path.name))) is not None:
                self._workers[path.name] = worker

    def look(self) -> None:
        """Take in what is new, end workers that nobody wants, start those that are."""
        faults = [self._looked_at(job, self._take_in) for job in self._active()]
        active = self._active()
        wanted = {job.id for job in active}
        unwanted = [one for one in self._workers if one not in wanted]
        for job_id in unwanted:
            self._workers.pop(job_id).kill()
        faults.append(self._cleared_up(unwanted))
        for job in active:
            worker = self._workers.get(job.id)
            if worker is not None and not worker.lives():
                faults.append(self._looked_at(job, self._ended))
            else:
                faults.append(self._looked_at(job, self._end_if_too_long))
        faults.append(self._start_some())
        if fault := next((one for one in faults if one is not None), None):
            raise fault  # told once all jobs have been looked at

    def _looked_at(self, job: Job, look: Callable[[Job], None]) -> Exception | None:
        """Look at one job; a fault of its own is returned, and keeps no other job waiting."""
        try:
            look(job)
        except DamagedProgress as error:
            say(f"{job.id}: {error}")
            self._fail(job, "What its worker told is damaged on the server's disk.")
        except Exception as error:
            return error
        return None

    def _end_if_too_long(self, job: Job) -> None:
        """Fail a job that has been trained for longer than the operator allows, pauses included."""
        hours = self._tuning.settings.max_hours
        if hours is None:
            return
        if job.id not in self._began and job.status == "running":
            lines, _ = read_on(self._folder(job).progress, 0)
            self._began[job.id] = next((line["at"] for line in lines if line["kind"] == "training"), math.inf)
        if now_utc().timestamp() - self._began.get(job.id, math.inf) > hours * 3600:
            self._fail(job, f"It has been trained for more than {hours:g} hours.")

    def _active(self) -> list[Job]:
        """Return the jobs to work on whose folders are here; another server of the same store has the others."""
        return [job for job in self._tuning.jobs.with_status(*ACTIVE) if self._folder(job).recipe.exists()]

    def _folder(self, job: Job) -> JobFolder:
        return self._tuning.folder_of(job.id)

    def _take_in(self, job: Job) -> None:
        if gone := take_in(self._tuning.jobs, job, self._folder(job), self._files):
            self._tuning.discard(one.model_id for one in gone)

    def _ended(self, job: Job) -> None:
        """Take in the last words of a worker that is gone; count it as dead if there is still work to do, and no other
        process does it: one that a server started which was killed before it knew of it.
        """
        worker = self._workers.pop(job.id)
        if (other := Worker.find(self._folder(job))) is not None:
            self._workers[job.id] = other
            return
        self._take_in(self._tuning.jobs.get(job.id))
        job = self._tuning.jobs.get(job.id)
        if job.status not in ACTIVE or (job.validated and not worker.trains):
            return
        if job.deaths + 1 < MOST_DEATHS:
            self._tuning.jobs.move(job.id, job.status, (job.status,), deaths=job.deaths + 1)
            return
        message = f"The process that works on the job ended {MOST_DEATHS} times without getting further."
        self._fail(job, message)

    def _fail(self, job: Job, message: str) -> None:
        def also(connection: Connection) -> None:
            tell(connection, job.id, f"The job failed: {message}", level="error")

        error = {"code": "server_error", "message": message, "param": None}
        self._tuning.jobs.move(
            job.id, "failed", ACTIVE, also, finished=now_utc(), estimated_finish=None, error=error
        )  # fmt: skip
        say(f"the fine-tuning job {job.id} failed: {self._folder(job).log} says why")

    def _clear_up(self) -> None:
        """Delete what nobody needs of jobs that ended while nobody worked on them, or just before a kill."""
        ended = self._tuning.jobs.ids() - {job.id for job in self._tuning.jobs.with_status(*UNFINISHED)}
        if fault := self._cleared_up(one for one in sorted(ended) if self._tuning.folder_of(one).has_rows()):
            raise fault  # told once all have had their turn

    def _cleared_up(self, job_ids: Iterable[str]) -> Exception | None:
        """Clear up behind each of some jobs; return what went wrong first, which keeps no other's rubbish here."""
        faults = []
        for job_id in job_ids:
            try:
                self._clear_up_one(job_id)
            except Exception as error:
                faults.append(error)
        return faults[0] if faults else None

    def _clear_up_one(self, job_id: str) -> None:
        """Delete what nobody needs of a job that is finished: the checkpoints to go on from, then its rows.

        The rows go last, because a job that has some is found again after a kill in between.
        """
        job, folder = self._tuning.jobs.get(job_id), self._tuning.folder_of(job_id)
        if job.status in UNFINISHED:
            return
        for path in self._workspace.leftovers():
            if path.name.startswith(job_id):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder.drop_rows()

    def _start_some(self) -> Exception | None:
        """Start workers: of so many jobs as may train at once, and one that checks the rows of another.

        A job that the machine cannot start keeps no other waiting; what it refused first is returned.
        """
        free = self._tuning.settings.at_once - sum(worker.trains for worker in self._workers.values())
        checking = any(not worker.trains for worker in self._workers.values())
        refused = None
        for job in self._active():
            if job.id in self._workers:
                continue
            trains = free > 0
            if not trains and (job.validated or checking):
                continue
            try:
                found = Worker.find(self._folder(job))
                self._workers[job.id] = found or Worker.start(self._folder(job), self._workspace.root, trains=trains)
            except OSError as error:
                refused = refused or error
                continue
            free, checking = free - trains, checking or not trains
        return refused
