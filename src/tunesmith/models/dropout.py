"""Dropout that really acts on modern decoders.

Llama, Qwen, Gemma and their kin have an attention-dropout setting and no residual or embedding dropout at all, and
setting it in the config after loading changes nothing. Here all three are set on the modules themselves:

- attention: the probability each attention module reads in its forward pass;
- residual: on what attention, MLP and their like add to the stream, after the norm that Gemma puts between;
- embedding: on the input embeddings.

Families that have dropout modules of their own (GPT-2) get their probabilities set instead. Nothing acts in
evaluation mode. Does not own LoRA's dropout (PEFT's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tunesmith.models.forward import causal_lm
from tunesmith.models.layers import decoder_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transformers import PreTrainedModel

_PROBABILITIES = ("attention_dropout", "hidden_dropout")
"""What modules without a dropout module read in their forward pass: most on attention, Bloom on the rest."""


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
        for name in _PROBABILITIES:
            if isinstance(getattr(module, name, None), float | int):
                undo.append(_set_attribute(module, name, probability))
    if not own and probability > 0:
        dropping = [*_adding(model, layers), model.get_input_embeddings()]
        undo += [one.register_forward_hook(_drop_output(probability)).remove for one in dropping]

    def restore() -> None:
        for call in undo:
            call()

    return restore


def train_from(model: PreTrainedModel, depth: int) -> None:
    """Set training mode from a depth upwards (see `layers.depths`); below it nothing learns, so nothing is dropped."""
    model.train()
    if depth > 0:
        inner = causal_lm(model)
        inner.get_decoder().eval()
        for layer in decoder_layers(inner)[depth:]:
            layer.train()


def _adding(model: PreTrainedModel, layers: list[nn.Module]) -> list[nn.Module]:
    """Return the parts of each layer that add to the stream, by following the gradient of what comes out of it."""
    made: dict[Any, nn.Module] = {}
    found: dict[nn.Module, None] = {}

    def enter(_layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        made.clear()
        if args:
            return (args[0].detach().requires_grad_(), *args[1:]), named
        return args, {**named, "hidden_states": named["hidden_states"].detach().requires_grad_()}

    def note(part: nn.Module, _inputs: Any, output: Any) -> None:
        if (node := getattr(_first(output), "grad_fn", None)) is not None:
            made[node] = part

    def leave(_layer: nn.Module, _inputs: Any, output: Any) -> None:
        found.update(dict.fromkeys(_summands(_first(output).grad_fn, made)))

    handles = [part.register_forward_hook(note) for layer in layers for part in layer.children()]
    for layer in layers:
        handles += [layer.register_forward_pre_hook(enter, with_kwargs=True), layer.register_forward_hook(leave)]
    try:
        with torch.enable_grad():
            model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return list(found)


def _summands(node: Any, made: Mapping[Any, nn.Module], *, summed: bool = False) -> Iterator[nn.Module]:
    """Yield the parts whose outputs the sums at the end of a graph are made of; what made their inputs is not."""
    if node in made:
        if summed:  # a norm of the stream itself is none
            yield made[node]
        return
    for below, _ in node.next_functions if node is not None else ():
        yield from _summands(below, made, summed=summed or node.name().startswith("AddBackward"))


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _embedding_dropouts(model: PreTrainedModel) -> list[nn.Dropout]:
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    return [child for child in decoder.children() if isinstance(child, nn.Dropout)]


def _is_lora(layer: nn.Module, dropout: nn.Dropout) -> bool:
    return any("lora_dropout" in name for name, module in layer.named_modules() if module is dropout)


def _drop_output(probability: float) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not module.training:
            return output
        dropped = nn.functional.dropout(_first(output), probability)
        return (dropped, *output[1:]) if isinstance(output, tuple) else dropped

    return hook


def _set_attribute(module: nn.Module, name: str, value: float) -> Callable[[], None]:
    before = getattr(module, name)
    setattr(module, name, value)
    return lambda: setattr(module, name, before)
