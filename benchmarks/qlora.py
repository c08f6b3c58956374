"""What do four bits cost and save? LoRA and QLoRA on BANKING77 from nano, and on a model of a hundred million weights.

Run: ``python benchmarks/qlora.py``. Needs ../shared/data and the extra ``qlora``; stopped and started again it takes the Models
that are there (in the system's folder for temporary files). Writes benchmarks/results/qlora.json: for
three seeds validation loss, accuracy of the adapter on the whole base (as it is evaluated and served) and on the base in
four bits (as it was trained), and how far apart their answers are; then, on random weights, memory and tokens a second.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.estimates import wilson
from tunesmith.core.progress import steps
from tunesmith.data.prepare import prepare
from tunesmith.models.adapter import with_adapter
from tunesmith.models.generate import Decoding, generate
from tunesmith.models.load import ASSETS, LoadedModel, load_model
from tunesmith.models.quantised import num_weights, quantise, weight_bytes
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered, prompt_ids
from tunesmith.text.examples import read_examples
from tunesmith.text.task import TaskSpec
from tunesmith.train.stage import train

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "qlora.json"
DATA = ROOT.parent / "shared" / "data" / "banking77"
STEPS, SEEDS, TEST_ROWS, READ_ROWS = 200, (0, 1, 2), 500, 50
METHODS = ("lora", "qlora")
SHAPE = {
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 8000,
}
LENGTH, TIMED_STEPS, REPEATS = 256, 6, 3


def recipe(method: str, seed: int) -> Recipe:
    return Recipe.model_validate({
        "name": "qlora", "task": "classify", "base": "nano", "seed": seed,
        "data": {"train": "train.csv", "test": "test.csv", "columns": {"input": "text", "target": "category"}},
        "train": {"method": method, "epochs": 20, "max_steps": STEPS, "batch_tokens": 256, "eval_every": 50, "threads": 1,
                  "regularise": {"early_stopping": None}},
    })  # fmt: skip


def answered(loaded: LoadedModel, model: Artifact, dataset: Artifact) -> tuple[list[str], int, torch.Tensor]:
    """Return the answers to some test rows, how many are right, and of the first of these rows the log-probabilities of
    the answer's first token (rows, vocabulary).
    """
    task = TaskSpec.load(model.path / "model")
    examples = random.Random(0).sample(read_examples(dataset.path / "test.parquet"), TEST_ROWS)
    prompts = [prompt_ids(loaded.tokenizer, task.split(one)[0]) for one in examples]
    answers = [
        loaded.tokenizer.decode(one, skip_special_tokens=True) for one in generate(loaded, prompts, Decoding(24))
    ]
    with torch.no_grad():
        first = torch.stack([loaded.model(torch.tensor([one])).logits[0, -1] for one in prompts[:READ_ROWS]])
    right = sum(answer == one.label for answer, one in zip(answers, examples, strict=True))
    return answers, right, first.float().log_softmax(1)


def on_four_bits(model: Artifact) -> LoadedModel:
    """Return a Model's adapter beside the base that it was trained beside."""
    base = load_model("nano")
    quantise(base.model, base.model.device)
    return LoadedModel(with_adapter(base.model, model.path / "model").eval(), base.tokenizer, "nano")


def taught(method: str, seed: int, workspace: Workspace) -> dict[str, Any]:
    settings = recipe(method, seed)
    dataset = prepare(settings, workspace, recipe_dir=DATA)
    model = train(settings, dataset, workspace)
    answers, right, first = answered(load_model(model.path / "model"), model, dataset)
    row = {
        "method": method, "seed": seed, "valid_loss": round(model.result["best"]["value"], 4),
        "accuracy": wilson(right, TEST_ROWS).as_dict(),
    }  # fmt: skip
    if method == "qlora":
        others, right, trained = answered(on_four_bits(model), model, dataset)
        row["on_four_bits"] = {
            "accuracy": wilson(right, TEST_ROWS).as_dict(),
            "same_answer": sum(one == other for one, other in zip(answers, others, strict=True)) / TEST_ROWS,
            "first_token_nats_apart": round(float((trained.exp() * (trained - first)).sum(1).mean()), 4),
            "most_probability_apart": round(float((trained.exp() - first.exp()).abs().max()), 3),
        }  # fmt: skip
    sys.stderr.write(f"{row}\n")
    return row


def measured(method: str, precision: str) -> dict[str, Any]:
    """Train a few steps from random weights in this process; return memory and speed."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    from tunesmith.train import memory
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.loop import fit
    from tunesmith.train.prepare_run import prepare_run
    from tunesmith.train.start import load_start

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        base = Path(folder) / "base"
        AutoModelForCausalLM.from_config(LlamaConfig(**SHAPE, max_position_embeddings=1024)).save_pretrained(base)
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            (base / file).write_bytes((ASSETS / "nano" / file).read_bytes())
        ids = torch.randint(5, 4_000, (32, LENGTH)).tolist()
        rendered = [Rendered(one, [False] * 192 + [True] * 64, 1, 0) for one in ids]
        tokens = TokenSet(rendered, [1.0] * len(rendered))
        settings = Recipe.model_validate({
            "name": "speed", "task": "chat", "base": str(base), "data": {"train": "x"},
            "train": {"method": method, "precision": precision, "max_steps": TIMED_STEPS, "epochs": 50,
                      "batch_tokens": 128, "threads": 1, "regularise": {"dropout": 0}},
        })  # fmt: skip
        (Path(folder) / "run").mkdir()
        libraries = _now()
        run = prepare_run(settings, load_start(settings, str(base)), tokens, TokenSet([], []), Path(folder) / "run")
        loading, needed, told = _most() - libraries, memory.needed_bytes(run), memory.peak_bytes(run)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is counted anew
        with steps("training", run.total_steps) as bar:
            progress = fit(run, bar)
        training = _most() - libraries
        speed = [read / seconds for _, _, read, seconds in progress.timed[1:]]
        return {
            "weights": num_weights(run.loaded.model), "weights_mib": weight_bytes(run.loaded.model) / 2**20,
            "loading_mib": loading / 2**20, "training_mib": training / 2**20, "needed_mib": needed / 2**20,
            "peak_mib": max(loading, training) / 2**20, "told_mib": told / 2**20, "tokens_per_s": statistics.median(speed),
        }  # fmt: skip


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def _now() -> int:
    return _status("VmRSS")


def _most() -> int:
    return _status("VmHWM")


def speed(method: str, precision: str) -> dict[str, Any]:
    """Return the medians of some processes, one after the other, and the spread of the speed."""
    command = [sys.executable, __file__, method, precision]
    rows = [
        json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
        for _ in range(REPEATS)
    ]
    row = {
        "method": method,
        "precision": precision,
        **{key: statistics.median(one[key] for one in rows) for key in rows[0]},
    }
    row["tokens_per_s_spread"] = [min(one["tokens_per_s"] for one in rows), max(one["tokens_per_s"] for one in rows)]
    row["told_over_peak"] = round(row["told_mib"] / row["peak_mib"], 3)
    row["needed_over_training"] = round(row["needed_mib"] / row["training_mib"], 3)
    sys.stderr.write(f"{row}\n")
    return row


def main() -> None:
    if len(sys.argv) > 2:
        sys.stdout.write(json.dumps(measured(*sys.argv[1:3])))
        return
    result: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(), "data": "banking77", "steps": STEPS, "runs": [], "shape": SHAPE,
        "speed": [], "versions": {name: version(name) for name in ("torch", "bitsandbytes", "peft", "transformers")},
    }  # fmt: skip

    def add(kind: str, row: dict[str, Any]) -> None:
        result[kind].append(row)
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    workspace = Workspace(Path(tempfile.gettempdir()) / "tunesmith-qlora-benchmark")
    for seed in SEEDS:
        for method in METHODS:
            add("runs", taught(method, seed, workspace))
    for precision in ("bfloat16", "float32"):
        for method in METHODS:
            add("speed", speed(method, precision))


if __name__ == "__main__":
    main()
