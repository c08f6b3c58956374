"""Is transfer from nano real? The same architecture, recipe and steps on BANKING77, from nano and from random weights.

Run: ``python benchmarks/transfer.py``. Needs ../shared/data. Writes benchmarks/results/transfer.json: validation loss per
target token (nats) over the steps, and accuracy with interval on 1,000 seeded test rows, for each seed.
"""

from __future__ import annotations

import json
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.estimates import wilson
from tunesmith.data.prepare import prepare
from tunesmith.models.load import ASSETS, load_model
from tunesmith.models.score import label_scores
from tunesmith.recipe import Recipe
from tunesmith.text.chat import prompt_ids
from tunesmith.text.examples import read_examples
from tunesmith.text.task import TaskSpec
from tunesmith.train.stage import train

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "banking77"
STEPS, SEEDS, TEST_ROWS = 300, (0, 1), 1000


def random_base(folder: Path, seed: int) -> Path:
    """Write nano's architecture with random weights and nano's tokenizer."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(ASSETS / "nano")
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    AutoTokenizer.from_pretrained(ASSETS / "nano").save_pretrained(folder)
    return folder


def recipe(base: str, seed: int) -> Recipe:
    return Recipe.model_validate({
        "name": "transfer", "task": "classify", "base": base, "seed": seed,
        "data": {"train": "train.csv", "test": "test.csv", "columns": {"input": "text", "target": "category"}},
        "train": {"method": "full", "epochs": 20, "max_steps": STEPS, "eval_every": 25,
                  "regularise": {"early_stopping": None}},
    })  # fmt: skip


def accuracy(model: Artifact, dataset: Artifact) -> dict:
    loaded, task = load_model(model.path / "model"), TaskSpec.load(model.path / "model")
    examples = random.Random(0).sample(read_examples(dataset.path / "test.parquet"), TEST_ROWS)
    end = loaded.tokenizer.convert_tokens_to_ids("<|end|>")
    labels = [[*loaded.tokenizer(label, add_special_tokens=False)["input_ids"], end] for label in task.labels]
    prompts = [prompt_ids(loaded.tokenizer, task.split(one)[0]) for one in examples]
    best = label_scores(loaded, prompts, labels).argmax(1)
    right = sum(task.labels[k] == one.label for k, one in zip(best, examples, strict=True))
    return wilson(right, TEST_ROWS).as_dict()


def measure(start: str, seed: int, workspace: Workspace, folder: Path) -> dict:
    base = "nano" if start == "nano" else str(random_base(folder / f"random{seed}", seed))
    ours = recipe(base, seed)
    dataset = prepare(ours, workspace, recipe_dir=DATA)
    model = train(ours, dataset, workspace)
    rows = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
    curve = [[row["step"], round(row["valid_loss"], 4)] for row in rows if "valid_loss" in row]
    return {"start": start, "seed": seed, "valid_loss": curve, "accuracy": accuracy(model, dataset)}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name) / "home")
        runs = [measure(start, seed, workspace, Path(name)) for seed in SEEDS for start in ("nano", "random")]
    result = {"data": "banking77", "steps": STEPS, "runs": runs, "date": datetime.now(UTC).date().isoformat()}
    (ROOT / "benchmarks" / "results" / "transfer.json").write_text(json.dumps(result) + "\n")
    for run in runs:
        print(run["start"], run["seed"], "last loss", run["valid_loss"][-1][1], "accuracy", run["accuracy"])


if __name__ == "__main__":
    main()
