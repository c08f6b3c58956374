"""Tensors that may lie in parts on the ranks, as files: each rank writes its parts, and any number of ranks reads them.

A part is some rows: the first dimension is cut in as many pieces as there were ranks. Does not own when (`checkpoint`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def save_parts(tensors: Mapping[str, torch.Tensor], folder: Path, name: str, rank: int) -> None:
    """Write what a rank has of some tensors; of whole ones the first rank's."""
    own = {
        key: (one.to_local() if isinstance(one, DTensor) else one).detach().contiguous()
        for key, one in tensors.items()
        if rank == 0 or isinstance(one, DTensor)
    }
    save_file(own, folder / f"{name}-{rank}.safetensors")


def load_parts(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """Return the whole tensors, by name, from what all ranks wrote."""
    found: dict[str, list[torch.Tensor]] = defaultdict(list)
    rank = 0
    while (file := folder / f"{name}-{rank}.safetensors").exists():
        for key, part in load_file(file).items():
            found[key].append(part)
        rank += 1
    return {key: parts[0] if len(parts) == 1 else torch.cat(parts) for key, parts in found.items()}


def rows_here(tensor: torch.Tensor, rows: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
    """Return what a rank has of a tensor, and which rows of it are some rows of the whole."""
    if not isinstance(tensor, DTensor):
        return tensor, list(rows)
    (count, *_), (first, *_) = compute_local_shape_and_global_offset(
        tensor.shape, tensor.device_mesh, tensor.placements
    )
    return tensor.to_local(), [row - first for row in rows if first <= row < first + count]


def as_lies(whole: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return a tensor on another's device, in parts if that one lies in parts."""
    whole = whole.to(other.device)
    if isinstance(other, DTensor) and whole.shape == other.shape:
        return distribute_tensor(whole, other.device_mesh, other.placements, src_data_rank=None)
    return whole
