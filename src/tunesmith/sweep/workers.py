"""Where the trainings of a sweep go on: in this process, or in several, each on a device of its own.

Owns the processes: which GPU or how many CPU cores each has, that all end when the sweep ends or is killed, and that
one which dies ends the sweep with a reason. Does not own what a training does (`trainings`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Protocol

from tunesmith.core.errors import MissingExtraError, SetupError, TunesmithError
from tunesmith.core.progress import hush

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from tunesmith.sweep.trainings import Bench, Training

GRACE_S = 10.0
"""How long a process may take to end when it is told to."""

_VISIBLE = "CUDA_VISIBLE_DEVICES"


class MakeAll(Protocol):
    """Makes one training after the other, as many at once as there are devices."""

    def __call__(
        self, following: Callable[[Sequence[Training]], Training | None], ended: Callable[[Training], None]
    ) -> None:
        """Make what ``following`` returns, told which trainings are going on, until it returns None.

        ``ended`` is called after each, in the sweep's own process.

        Raises:
            TunesmithError: of a training; what goes on beside it is ended and can be gone on with.
            SetupError: if a process dies.
        """


@contextlib.contextmanager
def crew(bench: Bench, devices: int) -> Iterator[MakeAll]:
    """Yield what makes the trainings of a sweep: in this process if there is one device, else in one for each."""
    if devices == 1:
        yield partial(_one_by_one, bench)
        return
    with _started(bench, devices) as workers:
        yield partial(_share_out, workers)


def _one_by_one(
    bench: Bench, following: Callable[[Sequence[Training]], Training | None], ended: Callable[[Training], None]
) -> None:
    while (training := following(())) is not None:
        bench.make(training)
        ended(training)


def _share_out(
    workers: Sequence[_Worker],
    following: Callable[[Sequence[Training]], Training | None],
    ended: Callable[[Training], None],
) -> None:
    while True:
        busy = [one for one in workers if one.training is not None]
        for worker in workers:
            if worker.training is None and (training := following([one.training for one in busy if one.training])):
                worker.begin(training)
                busy.append(worker)
        if not busy:
            return
        ready = wait([one.channel for one in busy])
        for worker in busy:
            if worker.channel in ready:
                ended(worker.end())


@dataclass
class _Worker:
    """A process that makes one training at a time."""

    process: BaseProcess
    channel: Connection
    training: Training | None = None

    def begin(self, training: Training) -> None:
        self.training = training
        with contextlib.suppress(BrokenPipeError):  # it has died: `end` says so
            self.channel.send(training)

    def end(self) -> Training:
        """Return the training that has ended.

        Raises:
            TunesmithError: what it ended by.
            SetupError: if the process has died.
            RuntimeError: for our own bug, with its traceback.
        """
        training, self.training = self.training, None
        assert training is not None
        try:
            fault = self.channel.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(GRACE_S)
            code = self.process.exitcode or 0
            how = f"was ended by a signal ({signal.Signals(-code).name})" if code < 0 else f"ended with {code}"
            raise SetupError(
                f"{training.told()}: its process {how}",
                hint="the same command goes on from there; if memory ran out, fewer --devices",
            ) from None
        if isinstance(fault, TunesmithError):
            raise fault
        if fault is not None:
            raise RuntimeError(f"{training.told()}, in a process of its own:\n{fault}")
        return training


@contextlib.contextmanager
def _started(bench: Bench, devices: int) -> Iterator[list[_Worker]]:
    """Yield so many processes; none is left afterwards."""
    gpus = _gpus()
    there = replace(bench if gpus else _sharing_cores(bench, devices), study=bench.study.unopened())
    context = multiprocessing.get_context("spawn")  # a fork would share what CUDA and SQLite have open
    workers: list[_Worker] = []
    try:
        for number in range(devices):
            own, theirs = context.Pipe()
            device = gpus[number] if gpus else None
            process = context.Process(target=_work, args=(there, theirs, device), daemon=True)
            process.start()
            theirs.close()
            workers.append(_Worker(process, own))
        yield workers
    finally:
        for one in workers:
            one.process.terminate()
        for one in workers:
            one.process.join(GRACE_S)
            if one.process.exitcode is None:
                one.process.kill()
                one.process.join()


def _work(bench: Bench, channel: Connection, gpu: str | None) -> None:
    """Make what is asked for until the sweep ends, in a process of its own; ``gpu`` is the only one that it sees."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the sweep's own process ends the others
    threading.Thread(target=_end_with_the_sweep, daemon=True).start()
    hush()
    warnings.simplefilter("ignore", FutureWarning)  # libraries to their callers, as in `cli.main`
    if gpu is not None:
        os.environ[_VISIBLE] = gpu
    while True:
        training = channel.recv()
        try:
            bench.make(training)
        except MissingExtraError as error:  # made of other words than its message, which a pipe does not carry
            channel.send(SetupError(error.message, expected=error.expected, hint=error.hint))
        except TunesmithError as error:
            channel.send(error)
        except Exception:
            channel.send(traceback.format_exc())
        else:
            channel.send(None)


def _gpus() -> list[str]:
    """Return the names of the GPUs that this process sees, as the environment has them."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    seen = os.environ.get(_VISIBLE)
    return (seen.split(",") if seen else [str(one) for one in range(count)])[:count]


def _sharing_cores(bench: Bench, devices: int) -> Bench:
    """Return the bench for several processes on a CPU: each takes its share of the cores unless told otherwise."""
    recipe = bench.space.recipe
    threads = recipe.train.threads or max(1, (os.cpu_count() or 1) // devices)
    train = recipe.train.model_copy(update={"threads": threads})
    return replace(bench, space=replace(bench.space, recipe=recipe.model_copy(update={"train": train})))


def _end_with_the_sweep() -> None:
    """End this process when the sweep's own has ended in any way, kill -9 too."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
