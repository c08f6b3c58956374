"""Training the upper quarter of a model for three epochs with and without keeping what comes out of the frozen layers.

``python benchmarks/frozen_cache.py [--rounds 3] [--examples 160]``. A decoder of 33M weights made from config (12 layers, width 448,
vocabulary 8k, tied), the lowest nine layers and the embeddings frozen, chat-like examples (log-normal lengths, median
about 120 tokens, 60 % of them targets). Each way is a whole run: making the states, three epochs, writing checkpoints;
both ways in turn, in CPU seconds of one thread, because the machine is shared. Writes
benchmarks/results/frozen_cache.json with the ratio and by how much the weights differ. ``--shared 300`` puts a beginning
of 300 tokens before every example.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen3Config

from tunesmith.core.manifest import versions
from tunesmith.core.progress import steps
from tunesmith.models.load import LoadedModel
from tunesmith.models.precision import exact_arithmetic
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet
from tunesmith.train.frozen_cache import choose, with_states
from tunesmith.train.loop import fit
from tunesmith.train.prepare_run import prepare_run

RESULT = Path(__file__).parent / "results" / "frozen_cache.json"
WIDTH, LAYERS, FROZEN, VOCABULARY = 448, 12, 9, 8192
EPOCHS, STEP_TARGETS, THREADS = 3, 512, 1


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = Qwen3Config(
        hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=7, num_key_value_heads=7, head_dim=64,
        intermediate_size=1216, vocab_size=VOCABULARY, max_position_embeddings=2048, tie_word_embeddings=True,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def made(examples: int, shared: int) -> TokenSet:
    draw = np.random.default_rng(7)
    beginning = draw.integers(0, VOCABULARY, shared).tolist()
    rendered = []
    for length in np.clip(draw.lognormal(4.8, 0.7, examples), 16, 1024).astype(int).tolist():
        prompt = shared + round(0.4 * length)
        ids = beginning + draw.integers(0, VOCABULARY, length).tolist()
        rendered.append(Rendered(ids, [False] * prompt + [True] * (len(ids) - prompt), turns=1, untrained_turns=0))
    return TokenSet(rendered, [1.0] * len(rendered))


def one_run(model: torch.nn.Module, tokens: TokenSet, *, kept: bool) -> dict:
    """Return what a whole run took, and the weights that it ended with."""
    train = {
        "method": "full", "epochs": EPOCHS, "batch_tokens": STEP_TARGETS, "precision": "float32", "threads": THREADS,
        "freeze": {"layers": f"0:{FROZEN}"}, "shortcuts": {"frozen_cache": kept},
    }  # fmt: skip
    recipe = Recipe(name="frozen-cache", task="chat", data={"train": "x"}, train=train)
    loaded = LoadedModel(deepcopy(model), None, "made")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder, exact_arithmetic():
        run = prepare_run(recipe, loaded, tokens, TokenSet([], []), Path(folder))
        choice = choose(run)
        began_s, wall_s = time.process_time(), time.perf_counter()
        run = with_states(run)
        once_s = time.process_time() - began_s
        with steps("training", run.total_steps) as bar:
            progress = fit(run, bar)
        took = {"cpu_s": time.process_time() - began_s, "wall_s": time.perf_counter() - wall_s, "states_cpu_s": once_s}
    return {
        **took, "bytes": choice.bytes, "predicted_saving": choice.saved, "steps": progress.step,
        "tokens": progress.tokens, "losses": [row["loss"] for row in progress.metrics],
        "weights": {name: one.detach().clone() for name, one in run.learning.weights.items()},
    }  # fmt: skip


def compare(examples: int, shared: int, rounds: int) -> dict:
    """Return both ways' figures: medians of rounds that took turns."""
    model, tokens = make_model(), made(examples, shared)
    runs: dict[bool, list[dict]] = {True: [], False: []}
    for _ in range(rounds):
        for kept in (True, False):
            runs[kept].append(one_run(model, tokens, kept=kept))
            last = runs[kept][-1]
            print(f"kept {kept}: {last['cpu_s']:.1f} CPU s, {last['states_cpu_s']:.1f} of them states", flush=True)
    one, other = runs[True][0], runs[False][0]
    apart = max(float((one["weights"][name] - two).abs().max()) for name, two in other["weights"].items())
    largest = max(float(two.abs().max()) for two in other["weights"].values())
    cpu_s = {kept: median(run["cpu_s"] for run in runs[kept]) for kept in runs}
    return {
        "shared_beginning_tokens": shared,
        "tokens_trained": one["tokens"],
        "steps": one["steps"],
        "kept": {"cpu_s": round(cpu_s[True], 2), "all_cpu_s": [round(run["cpu_s"], 2) for run in runs[True]],
                 "of_them_states_cpu_s": round(median(run["states_cpu_s"] for run in runs[True]), 2),
                 "states_bytes": one["bytes"], "predicted_saving": round(one["predicted_saving"], 3),
                 "wall_s": [round(run["wall_s"], 2) for run in runs[True]]},
        "every_epoch": {"cpu_s": round(cpu_s[False], 2), "all_cpu_s": [round(run["cpu_s"], 2) for run in runs[False]],
                        "wall_s": [round(run["wall_s"], 2) for run in runs[False]]},
        "ratio": round(cpu_s[False] / cpu_s[True], 3),
        "largest_difference_of_losses": max(
            abs(a - b) / b for a, b in zip(one["losses"], other["losses"], strict=True)
        ),
        "largest_difference_of_weights": apart / largest,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=160)
    parser.add_argument("--shared", type=int, nargs="*", default=[0, 300])
    given = parser.parse_args()
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "model": {"weights": sum(one.numel() for one in make_model().parameters()), "layers": LAYERS, "frozen": FROZEN,
                  "width": WIDTH},
        "epochs": EPOCHS, "examples": given.examples, "threads": THREADS, "rounds": given.rounds,
        "runs": [compare(given.examples, shared, given.rounds) for shared in given.shared],
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["runs"], indent=1))


if __name__ == "__main__":
    main()
