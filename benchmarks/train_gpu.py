"""How near the training loop comes to what a GPU can do: target tokens and tokens a second, MFU, memory.

Run on a machine with a GPU: ``python benchmarks/train_gpu.py [--size 0.5B] [--steps 6]``; with ``--smoke`` a tiny model on
the CPU. Models are made from config with random weights (speed does not depend on their values), data are synthetic.
Writes benchmarks/results/train_gpu.json.

MFU counts 6 floating-point operations a weight and token, and 6 T d for causal attention a layer and token, of the
non-embedding weights and the head at target positions: what must be done, not what is done twice.
Source: Chowdhery et al. 2022, "PaLM", appendix B.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from tunesmith.models.load import LoadedModel
from tunesmith.models.precision import choose_device, exact_arithmetic
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet
from tunesmith.train.checkpoint import Progress
from tunesmith.train.loop import steps_from, update
from tunesmith.train.optimizer import build_optimizer, trainable
from tunesmith.train.stage import prepare_run

RESULT = Path(__file__).parent / "results" / "train_gpu.json"
SHAPES = {  # hidden size, layers, heads, key-value heads, inner size, vocabulary: those of Qwen2.5
    "0.5B": (896, 24, 14, 2, 4864, 151936),
    "1.5B": (1536, 28, 12, 2, 8960, 151936),
    "smoke": (64, 6, 4, 2, 128, 512),
}
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bfloat16 of the data sheets; a name not listed has no MFU."""

MIXES = {"long": (4096, 4096, 1.0), "chat": (40, 2000, 0.35)}
"""Shortest and longest example in tokens, and the share of them that is answer."""


def make_model(size: str, device: torch.device) -> LoadedModel:
    """Return a model of that size with random float32 weights on the device; it has no tokenizer."""
    hidden, layers, heads, kv_heads, inner, vocabulary = SHAPES[size]
    config = Qwen2Config(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
        intermediate_size=inner, vocab_size=vocabulary, max_position_embeddings=8192, tie_word_embeddings=True,
    )  # fmt: skip
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return LoadedModel(model, None, size)  # type: ignore[arg-type]


def make_data(mix: str, vocabulary: int, rows: int, scale: float) -> TokenSet:
    """Return examples of random tokens; lengths are log-normal between the mix's bounds."""
    shortest, longest, answer = MIXES[mix]
    draw = np.random.default_rng(7)
    lengths = np.clip(draw.lognormal(5.7, 0.8, rows), shortest, longest) * scale
    rendered = []
    for length in np.maximum(lengths.astype(int), 4).tolist():
        prompt = min(length - 1, round(length * (1 - answer)))
        ids = draw.integers(0, vocabulary, length).tolist()
        rendered.append(Rendered(ids, [False] * prompt + [True] * (length - prompt), turns=1, untrained_turns=0))
    return TokenSet(rendered, [1.0] * rows)


def needed_flops(loaded: LoadedModel, tokens: TokenSet, rows: list[int], method: str) -> float:
    """Return the operations one step over these rows needs; frozen weights need no gradient of their own (4, not 6)."""
    config = loaded.model.config.get_text_config()
    head = config.vocab_size * config.hidden_size
    body = sum(p.numel() for n, p in loaded.model.named_parameters() if "embed" not in n and "lm_head" not in n)
    each = 6.0 if method == "full" else 4.0
    total = 0.0
    for row in rows:
        length, targets = len(tokens.rendered[row].ids), tokens.rendered[row].num_targets
        attention = config.num_hidden_layers * length * config.hidden_size * length
        total += each * (body * length + head * targets) + 6.0 * attention
    return total


def measure(size: str, mix: str, method: str, steps: int, device: torch.device) -> dict[str, Any]:
    """Return the medians over the steps after one to warm up."""
    torch.manual_seed(0)
    loaded = make_model(size, device)
    settings = {
        "method": method, "epochs": 1, "batch_tokens": 32_768 if size != "smoke" else 512, "precision": "bfloat16",
        "regularise": {"dropout": 0.0},
    }  # fmt: skip
    recipe = Recipe(name="made", task="chat", base=size, data={"train": "x"}, train=settings)
    tokens = make_data(mix, SHAPES[size][-1], 64 if mix == "long" else 2000, 1.0 if size != "smoke" else 0.05)
    with tempfile.TemporaryDirectory() as folder, exact_arithmetic():
        run = prepare_run(recipe, loaded, tokens, TokenSet([], []), Path(folder))
        optimizer = build_optimizer(run.loaded.model, 0.01)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds, rates, targets, flops = [], [], [], []
        for step, rows in steps_from(run, 0):
            started_s = time.perf_counter()
            update(run, optimizer, step, rows, Progress())
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started_s)
            rates.append(sum(len(tokens.rendered[i].ids) for i in rows) / seconds[-1])
            targets.append(sum(tokens.rendered[i].num_targets for i in rows) / seconds[-1])
            flops.append(needed_flops(loaded, tokens, rows, method) / seconds[-1])
            if step == steps:
                break
    name = torch.cuda.get_device_name(0) if device.type == "cuda" else "cpu"
    peak = next((value for key, value in PEAK_FLOPS.items() if key in name), None)
    return {
        "size": size,
        "mix": mix,
        "method": method,
        "weights": sum(p.numel() for p in loaded.model.parameters()),
        "weights_that_learn": sum(p.numel() for p in trainable(run.loaded.model).values()),
        "step_s": round(median(seconds[1:]), 4),
        "tokens_per_s": round(median(rates[1:])),
        "target_tokens_per_s": round(median(targets[1:])),
        "mfu": round(median(flops[1:]) / peak, 4) if peak else None,
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if device.type == "cuda" else None,
    }


def main() -> None:
    """Measure every size, mix and method asked for; print each and write all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", choices=SHAPES)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    device = choose_device("cpu" if given.smoke else "cuda")
    runs = []
    for size in ["smoke"] if given.smoke else given.size or ["0.5B", "1.5B"]:
        for mix in MIXES:
            for method in ("full", "lora"):
                runs.append(measure(size, mix, method, given.steps, device))
                print(json.dumps(runs[-1]), flush=True)
                if device.type == "cuda":
                    torch.cuda.empty_cache()
    machine = {"device": torch.cuda.get_device_name(0) if device.type == "cuda" else "cpu", "torch": torch.__version__}
    result = {"machine": machine, "date": datetime.now(UTC).date().isoformat(), "runs": runs}
    if not given.smoke:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
