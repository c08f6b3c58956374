"""Dropout that really acts on modern decoders.

Llama, Qwen, Gemma and their kin have an attention-dropout setting and no residual or embedding dropout at all, and
setting it in the config after loading changes nothing. Here all three are set on the modules themselves:

- attention: the probability each attention module reads in its forward pass;
- residual: on what each attention and MLP block adds to the stream;
- embedding: on the input embeddings.

Families that have dropout modules of their own (GPT-2) get their probabilities set instead. Nothing acts in
evaluation mode. Does not own LoRA's dropout (PEFT's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel

_BLOCKS = ("self_attn", "attn", "attention", "mlp", "feed_forward")
_ATTENTION_PROBABILITY = "attention_dropout"


def set_dropout(model: PreTrainedModel, probability: float) -> Callable[[], None]:
    """Make a decoder drop activations with a probability while it trains; return a call that undoes it.

    Args:
        model: any causal language model of `transformers`, with or without PEFT adapters.
        probability: 0 to below 1; 0 sets everything to 0.
    """
    undo: list[Callable[[], None]] = []
    layers = decoder_layers(model)
    own = [m for layer in layers for m in layer.modules() if isinstance(m, nn.Dropout) and not _is_lora(layer, m)]
    for module in [*own, *_embedding_dropouts(model)]:
        undo.append(_set_attribute(module, "p", probability))
    for module in model.modules():
        if isinstance(getattr(module, _ATTENTION_PROBABILITY, None), float | int):
            undo.append(_set_attribute(module, _ATTENTION_PROBABILITY, probability))
    if not own and probability > 0:
        handles = [block.register_forward_hook(_drop_output(probability)) for block in _blocks(layers)]
        handles.append(model.get_input_embeddings().register_forward_hook(_drop_output(probability)))
        undo += [handle.remove for handle in handles]

    def restore() -> None:
        for call in undo:
            call()

    return restore


def decoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """Return the decoder's layers: the longest module list of the model."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max((list(one) for one in lists), key=len, default=[])


def _blocks(layers: list[nn.Module]) -> list[nn.Module]:
    return [child for layer in layers for name, child in layer.named_children() if name in _BLOCKS]


def _embedding_dropouts(model: PreTrainedModel) -> list[nn.Dropout]:
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    return [child for child in decoder.children() if isinstance(child, nn.Dropout)]


def _is_lora(layer: nn.Module, dropout: nn.Dropout) -> bool:
    return any("lora_dropout" in name for name, module in layer.named_modules() if module is dropout)


def _drop_output(probability: float) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not module.training:
            return output
        if isinstance(output, tuple):
            return (nn.functional.dropout(output[0], probability), *output[1:])
        return nn.functional.dropout(output, probability)

    return hook


def _set_attribute(module: nn.Module, name: str, value: float) -> Callable[[], None]:
    before = getattr(module, name)
    setattr(module, name, value)
    return lambda: setattr(module, name, before)
