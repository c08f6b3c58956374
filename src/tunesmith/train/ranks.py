"""Several processes that train one model together: who does which passes, and how their gradients become one.

Every rank holds the whole model and knows the whole run, for order, steps and passes are pure functions. So a rank
makes the passes that fall to it, and gradients are summed: the loss of a step is a sum over its passes, each weighed by
its share of the step, and it does not matter who made which. The first rank alone writes. Started by ``--devices``, by
torchrun or by srun; reads what these say in the environment. Does not own how processes are started (`launch`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tunesmith.train.batches import Batch

T = TypeVar("T")

LONGEST_WAIT = timedelta(hours=24)
"""How long a rank waits for the others: the first one may prepare data or evaluate meanwhile."""

BUCKET_NUMBERS = 2**25
"""Numbers that are summed in one go."""

STARTED_BY_US = "TUNESMITH_STARTED"
"""Set in processes that `launch` started, which end when it does."""

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
_SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
"""Which rank this is, how many there are, and which on its machine. The second of srun's is set in its steps only."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone unless told otherwise."""

    rank: int = 0
    count: int = 1
    on_this_machine: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.rank == 0

    def row_tokens(self, most: int, step_tokens: int) -> int:
        """Return the most tokens of a pass, such that a step of so many has a pass for each rank."""
        return most if self.count == 1 else max(1, min(most, -(-step_tokens // self.count)))

    def shares(self, batches: Sequence[Batch]) -> list[list[int]]:
        """Return for each rank which of a step's passes fall to it: the longest go first, to who has least."""
        loads = [0] * self.count
        shares: list[list[int]] = [[] for _ in loads]
        for number in sorted(range(len(batches)), key=lambda one: -batches[one].row.ids_BT.numel()):
            least = loads.index(min(loads))
            loads[least] += batches[number].row.ids_BT.numel()
            shares[least].append(number)
        return [sorted(share) for share in shares]

    def sum(self, *numbers: float) -> list[float]:
        """Return the sum of each number over all ranks, in the order of ranks."""
        return [sum(column) for column in zip(*self.gathered(numbers), strict=True)]

    def gathered(self, own: T) -> list[T]:
        """Return what every rank hands in, in their order."""
        if self.count == 1:
            return [own]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, own)
        return found

    def told(self, value: T | None = None) -> T | None:
        """Return what the first rank says; the others hand in nothing and wait."""
        if self.count == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    @contextlib.contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Let the first rank do what is within this context before the others, who find what it left on disk."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Wait until all ranks are here."""
        self.gathered(None)

    def sum_gradients(self, weights: Iterable[torch.nn.Parameter]) -> None:
        """Give every rank the sum of all ranks' gradients, the same bits to each; where none has one, none gets one."""
        if self.count == 1:
            return
        weights = list(weights)
        has = torch.tensor([float(one.grad is not None) for one in weights], device=weights[0].device)
        dist.all_reduce(has)
        wanted = [one for one, count in zip(weights, has.tolist(), strict=True) if count]
        for bucket in _buckets(wanted):
            flat = torch.cat([(torch.zeros_like(one) if one.grad is None else one.grad).flatten() for one in bucket])
            dist.all_reduce(flat)
            for one, summed in zip(bucket, torch.split_with_sizes(flat, [one.numel() for one in bucket]), strict=True):
                one.grad = summed.view_as(one)


def _buckets(weights: Sequence[torch.nn.Parameter]) -> list[list[torch.nn.Parameter]]:
    buckets: list[list[torch.nn.Parameter]] = []
    size = BUCKET_NUMBERS
    for one in weights:
        if size + one.numel() > BUCKET_NUMBERS or one.dtype != buckets[-1][0].dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(one)
        size += one.numel()
    return buckets


_PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""

ALONE = Ranks()
_here = ALONE


def here() -> Ranks:
    """Return this process among those that train together."""
    return _here


def told_by_environment() -> bool:
    """Return whether torchrun or srun started this process as one of several."""
    return _names() is not None


def _names() -> tuple[str, ...] | None:
    told = (some for some in (_TORCHRUN, _SRUN) if all(one in os.environ for one in some))
    return next((some for some in told if int(os.environ[some[1]]) > 1), None)


def join() -> Ranks:
    """Find the others, if the environment says that there are any; return this process among them.

    Raises:
        ValueError: by torch, if it does not say where the first rank is.
    """
    global _here
    names = _names()
    if names is None or dist.is_initialized():
        return _here
    rank, count, local = (int(os.environ[one]) for one in names)
    if os.environ.get(STARTED_BY_US):
        _end_with_parent()
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count)}
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=LONGEST_WAIT)
    machines = Ranks(rank, count).gathered(socket.gethostname())
    _here = Ranks(rank, count, machines.count(socket.gethostname()))
    return _here


@contextlib.contextmanager
def ended_by_others() -> Iterator[None]:
    """Within this context it ends the program, without a word, if other ranks are gone: they say why."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    """Have the system end this process when the one that started it is gone, where it can (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end(status: int = 0) -> None:
    """End the program if it is one of several ranks.

    At once: of gloo's threads one may be at work while the interpreter takes things down, and then the process aborts.
    """
    if _here.count > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
