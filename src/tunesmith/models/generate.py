"""Free-running generation, token by token, for one prompt or many.

One decode loop serves batches (evaluation) and streams (serving), so both give the same tokens. Greedy decoding is
deterministic; sampling is a pure function of the seed. Does not own stop strings, which are a matter of text
(`serve`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from transformers import DynamicCache

from tunesmith.models.precision import choose_precision, compute_in
from tunesmith.models.score import batches_by_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.models.load import LoadedModel

BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to choose tokens.

    Args:
        max_new_tokens: most tokens of an answer; the end token counts.
        temperature: 0 takes the most probable token, larger values sample.
        top_p: sample from the smallest set of tokens with at least this probability.
        stop_ids: tokens that end the answer besides the model's own.
        seed: of the sampling.
        precision: see `precision.choose_precision`.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop_ids: frozenset[int] = field(default_factory=frozenset)
    seed: int = 0
    precision: str = "auto"


def generate(loaded: LoadedModel, prompts: Sequence[list[int]], decoding: Decoding | None = None) -> list[list[int]]:
    """Return each prompt's answer as token ids, without the end token, in the order given."""
    decoding = decoding or Decoding()
    answers: list[list[int]] = [[] for _ in prompts]
    lengths = [len(prompt) + decoding.max_new_tokens for prompt in prompts]
    for batch in batches_by_length(lengths, BATCH_TOKENS):
        for tokens in _decode(loaded, [prompts[i] for i in batch], decoding):
            for index, token in zip(batch, tokens, strict=True):
                if token is not None:
                    answers[index].append(token)
    return answers


def stream(loaded: LoadedModel, prompt: list[int], decoding: Decoding | None = None) -> Iterator[int]:
    """Yield one prompt's answer token by token, without the end token. Closing the iterator stops the work."""
    for (token,) in _decode(loaded, [prompt], decoding or Decoding()):
        if token is not None:
            yield token


def _decode(loaded: LoadedModel, prompts: list[list[int]], decoding: Decoding) -> Iterator[list[int | None]]:
    """Yield one token for each prompt per step; None for those that have ended."""
    model, device = loaded.model, loaded.model.device
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    stops = loaded.stop_ids | decoding.stop_ids
    generator = torch.Generator(device=device).manual_seed(decoding.seed)
    precision = choose_precision(decoding.precision, device)
    ended = [False] * len(prompts)
    cache = DynamicCache(config=model.config)
    for _ in range(decoding.max_new_tokens):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        with torch.inference_mode(), compute_in(precision, device):
            output = model(
                input_ids=ids, attention_mask=mask, position_ids=positions, cache=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
        chosen = _choose(output.logits[:, -1].float(), decoding, generator)
        tokens: list[int | None] = []
        for row, token in enumerate(chosen.tolist()):
            ended[row] = ended[row] or token in stops
            tokens.append(None if ended[row] else token)
        if all(ended):
            return
        yield tokens
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], 1)


def _choose(logits_BV: torch.Tensor, decoding: Decoding, generator: torch.Generator) -> torch.Tensor:
    if decoding.temperature == 0:
        return logits_BV.argmax(-1)
    probabilities = torch.softmax(logits_BV / decoding.temperature, -1)
    if decoding.top_p < 1:
        ordered, order = probabilities.sort(-1, descending=True)
        outside = ordered.cumsum(-1) - ordered >= decoding.top_p
        ordered = ordered.masked_fill(outside, 0.0)
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
