"""Frozen matrices of a decoder in four bits (NF4), for adapters to learn beside; embeddings and head stay as they are.

Owns the change into four bits and back. The arithmetic is that of bitsandbytes: each product makes the matrix it needs
from its four bits, in the type of the product. Does not own adapters (`train.adapters`).

Source: Dettmers et al. 2023, "QLoRA: Efficient finetuning of quantized LLMs", section 3 (NF4, double quantisation).
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from tunesmith.core.errors import MissingExtraError
from tunesmith.models.layers import decoder_layers
from tunesmith.models.precision import product_type

if TYPE_CHECKING:
    from collections.abc import Callable

BITS = 4.127
"""Of a quantised number: 4, one of 8 for the scale of 64 numbers, one of 32 for the scale of 256 scales. Source: as
above, section 3."""

_EXTRA, _PACKAGE = "qlora", "bitsandbytes"


class QuantisedLinear(nn.Linear):
    """A frozen linear map (``in_features`` to ``out_features``) whose matrix lies in four bits."""

    def __init__(self, matrix_OI: torch.Tensor, bias_O: torch.Tensor | None, device: torch.device) -> None:
        from bitsandbytes.nn import Params4bit

        nn.Module.__init__(self)
        self.out_features, self.in_features = matrix_OI.shape
        four_bits: Any = Params4bit(matrix_OI, requires_grad=False, quant_type="nf4", compress_statistics=True)
        self.weight = four_bits.to(device)
        self.register_parameter("bias", None if bias_O is None else nn.Parameter(bias_O, requires_grad=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product in the type that autocast says, as any linear map does."""
        from bitsandbytes import matmul_4bit

        dtype, weight = product_type(x), cast("Any", self.weight)
        bias = None if self.bias is None else self.bias.to(dtype)
        product: torch.Tensor = matmul_4bit(x.to(dtype), weight, weight.quant_state, bias=bias)
        return product


def require() -> None:
    """Refuse where what does the arithmetic is not installed.

    Raises:
        MissingExtraError: with the install line.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise MissingExtraError(_EXTRA, _PACKAGE)


def quantise(model: nn.Module, device: torch.device) -> None:
    """Change the matrices of a decoder's layers into four bits, one at a time, and put the model on a device.

    What stays as it is gets memory of its own, so that the file it lies in can go.
    """
    for layer in decoder_layers(model):
        for name, module in list(layer.named_modules()):
            if _is_plain(module):
                layer.set_submodule(name, QuantisedLinear(_matrix(module), module.bias, device))
    for weight in model.parameters():
        if not is_quantised(weight):
            weight.data = weight.data.to(device, copy=True)
    for buffer in model.buffers():
        buffer.data = buffer.data.to(device)


def restore_quantised(model: nn.Module, load_again: Callable[[], nn.Module]) -> None:
    """Put the matrices as they were in place of those of four bits, for whole weights to be written.

    Loads only if there are some; the model then lies where what was loaded does.
    """
    names = [name for name, module in model.named_modules() if isinstance(module, QuantisedLinear)]
    if not names:
        return
    exact = load_again()
    for name in names:
        plain = name.removeprefix("base_model.model.").removesuffix(".base_layer")  # PEFT's names
        module = exact.get_submodule(plain).requires_grad_(False)
        model.set_submodule(name, module)
        beside: Any = model.get_submodule(name.rpartition(".")[0])
        if hasattr(beside, "fan_in_fan_out"):  # an adapter of PEFT
            beside.fan_in_fan_out = not isinstance(module, nn.Linear)
    model.to(next(exact.parameters()).device)


def is_quantised(weight: nn.Parameter) -> bool:
    """Tell whether a weight lies in four bits."""
    return getattr(weight, "quant_state", None) is not None


def num_weights(model: nn.Module) -> int:
    """Return of how many numbers a model is made, however they lie."""
    return sum(map(numel, model.parameters()))


def numel(weight: Any) -> int:
    """Return of how many numbers a weight is made, however they lie."""
    return int(weight.quant_state.shape.numel() if is_quantised(weight) else weight.numel())


def weight_bytes(module: nn.Module) -> int:
    """Return the bytes of a module's weights, scales of quantised ones included."""
    return sum(one.numel() * one.element_size() + _scale_bytes(one) for one in module.parameters())


def whole_bytes(module: nn.Module) -> int:
    """Return the bytes that a module took before its matrices were quantised."""
    return sum(numel(one) * (4 if is_quantised(one) else one.element_size()) for one in module.parameters())


def saved_bytes(model: nn.Module) -> int:
    """Return how many bytes fewer a model would take if it was quantised; adapters in it would not be."""
    named = [pair for layer in decoder_layers(model) for pair in layer.named_modules()]
    matrices = [one.weight for name, one in named if _is_plain(one) and "lora_" not in name]
    return int(sum(one.numel() * (one.element_size() - BITS / 8) for one in matrices))


def largest_bytes(module: nn.Module) -> int:
    """Return the bytes of the largest quantised matrix as a backward pass makes it: whole, in float32."""
    return max((4 * numel(one) for one in module.parameters() if is_quantised(one)), default=0)


def _is_plain(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return type(module) in (nn.Linear, Conv1D)


def _matrix(module: Any) -> torch.Tensor:
    """Return the matrix (out, in) of a plain linear map, which GPT-2 has transposed."""
    matrix: torch.Tensor = module.weight.data
    return matrix if isinstance(module, nn.Linear) else matrix.T.contiguous()


def _scale_bytes(weight: Any) -> int:
    if not is_quantised(weight):
        return 0
    state = weight.quant_state
    tensors = (state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code)
    return sum(one.numel() * one.element_size() for one in tensors)
