"""How much of what a device can do training makes it do: the operations that the mathematics needs, over its peak.

Owns the count and the table of peaks. Does not own what a step took (`loop`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from tunesmith.models.quantised import numel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.models.load import LoadedModel
    from tunesmith.text.chat import Rendered

PEAK_FLOPS = {
    ("B200",): 2250e12,
    ("H200", "NVL"): 835e12,
    ("H200",): 989e12,
    ("H100", "NVL"): 835e12,
    ("H100", "PCIe"): 756e12,
    ("H100",): 989e12,
    ("A100",): 312e12,
    ("L40S",): 362e12,
    ("A30",): 165e12,
    ("A10",): 125e12,
    ("L4",): 121e12,
    ("RTX", "4090"): 165e12,
    ("RTX", "3090"): 71e12,
    ("MI300X",): 1307e12,
}
"""Dense bfloat16 products a second, summed in float32, by words of the device's name; the first that fits counts.

Source: the makers' data sheets of each; where they print the rate with sparsity, half of it.
"""


def peak_flops(device: torch.device, precision: str) -> float | None:
    """Return the operations a second that a device can do; None where that is not known, as on a CPU."""
    if device.type != "cuda" or precision != "bfloat16":
        return None
    return peak_of(torch.cuda.get_device_name(device))


def peak_of(name: str) -> float | None:
    """Return the peak of a device by its name, such as ``NVIDIA A100-SXM4-80GB``; a part of one (MIG) has none."""
    words = set(re.split(r"[\s-]+", name))
    if "MIG" in words:
        return None
    return next((peak for wanted, peak in PEAK_FLOPS.items() if words.issuperset(wanted)), None)


def needed_flops(loaded: LoadedModel, method: str) -> Callable[[Sequence[Rendered]], float]:
    """Return what tells the operations that a step on some sequences needs, each read alone.

    Six a weight and token where weights learn, four where they are frozen, for those need no gradient of their own;
    six times width and square of the length a layer for causal attention; the head at targets alone.

    Source: Chowdhery et al. 2022, "PaLM", appendix B.
    """
    config = loaded.model.config.get_text_config()
    head = config.vocab_size * config.hidden_size
    body = sum(numel(p) for n, p in loaded.model.named_parameters() if "embed" not in n and "lm_head" not in n)
    each = 6.0 if method == "full" else 4.0

    def needed(sequences: Sequence[Rendered]) -> float:
        total = 0.0
        for one in sequences:
            length = len(one.ids)
            attention = config.num_hidden_layers * length * config.hidden_size * length
            total += each * (body * length + head * one.num_targets) + 6.0 * attention
        return total

    return needed
