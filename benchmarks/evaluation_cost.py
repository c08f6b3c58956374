"""What evaluating a classification costs beside the bare forward passes, and what other metrics cost afterwards.

Run: ``python benchmarks/evaluation_cost.py [--home FOLDER]``; needs ../shared/data, writes results/evaluation_cost.json. With --home
a model trained before is taken.

nano, 300 steps on BANKING77's training messages (77 intents), then its 3,080 test messages. Bare is plain `transformers`: the
prompt and the right answer of each row, tokenised, batches of like lengths of as many tokens as ours, one pass each,
in the same precision, with logits everywhere. Ours is `evaluate` from rows to scorecard.html, the majority baseline and
no other, with probabilities of all 77 labels, intervals and the page; of it, passes is the time inside the model's
forward. Interleaved, medians of the rounds after one that warms up.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
import yaml
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from tunesmith import flow
from tunesmith.evaluate.answers import expected_of
from tunesmith.models.load import load_model
from tunesmith.models.precision import choose_precision, compute_in
from tunesmith.models.score import BATCH_TOKENS, batches_by_length, pad_right
from tunesmith.text.chat import answer_ids, prompt_ids
from tunesmith.text.examples import read_examples
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "banking77"
RESULT = ROOT / "benchmarks" / "results" / "evaluation_cost.json"
RECIPE: dict[str, Any] = {
    "name": "cost", "task": "classify", "base": "nano",
    "data": {"train": "train.csv", "test": "test.csv", "columns": {"input": "text", "target": "category"}},
    "train": {"method": "full", "max_steps": 300},
    "evaluate": {"baselines": ["majority"], "gate": {"against": []}},
}  # fmt: skip


def project(folder: Path, **evaluate: Any) -> flow.Project:
    """Write the recipe with other settings of ``evaluate``."""
    recipe = {**RECIPE, "evaluate": {**RECIPE["evaluate"], **evaluate}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return flow.Project.of(folder / "recipe.yaml")


def bare(model: Path, rows: Path) -> float:
    """Return the seconds of the forward passes alone, with loading and tokenising."""
    began_s = time.perf_counter()
    loaded, task = load_model(model), TaskSpec.load(model)
    wholes = []
    for one in read_examples(rows):
        messages = task.split(one)[0]
        wholes.append(
            prompt_ids(loaded.tokenizer, messages, None) + answer_ids(loaded.tokenizer, messages, expected_of(one))
        )
    device = loaded.model.device
    with torch.inference_mode(), compute_in(choose_precision("auto", device), device):
        for batch in batches_by_length([len(one) for one in wholes], BATCH_TOKENS):
            ids = pad_right([wholes[i] for i in batch], 0, torch.long)
            mask = pad_right([[1] * len(wholes[i]) for i in batch], 0, torch.long)
            loaded.model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
    return time.perf_counter() - began_s


@contextlib.contextmanager
def passes_timed() -> Iterator[list[float]]:
    """Collect the seconds of every forward pass of a causal language model."""
    began, taken = [0.0], []

    def begin(module: Any, _inputs: Any) -> None:
        if hasattr(module, "lm_head"):
            began[0] = time.perf_counter()

    def end(module: Any, _inputs: Any, _output: Any) -> None:
        if hasattr(module, "lm_head"):
            taken.append(time.perf_counter() - began[0])

    handles = register_module_forward_pre_hook(begin), register_module_forward_hook(end)
    try:
        yield taken
    finally:
        for handle in handles:
            handle.remove()


def ours(folder: Path, *, again: bool = False) -> tuple[float, float]:
    """Return the seconds of a whole evaluation and of its passes; ``again``: by other metrics, of answers given."""
    own = project(folder, **({"metrics": ["macro_f1"]} if again else {}))
    for one in own.workspace.list("scorecard"):
        shutil.rmtree(one.path)
    if not again:
        shutil.rmtree(own.workspace.answers_dir, ignore_errors=True)
    began_s = time.perf_counter()
    with passes_timed() as passes:
        flow.evaluate(own)
    return time.perf_counter() - began_s, sum(passes)


def main() -> None:
    """Train once, measure in turns, write the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    folder = given.home or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        shutil.copy(DATA / f"{part}.csv", folder / f"{part}.csv")
    torch.set_num_threads(os.cpu_count() or 1)
    own = project(folder)
    dataset, model = flow.prepare(own), flow.train(own)
    taken: dict[str, list[float]] = {"bare": [], "evaluate": [], "passes": [], "other_metrics": []}
    for _ in range(given.rounds + 1):
        once = bare(model.path / "model", dataset.path / "test.parquet"), *ours(folder), ours(folder, again=True)[0]
        for some, seconds_of_it in zip(taken.values(), once, strict=True):
            some.append(seconds_of_it)
        print({name: round(some[-1], 2) for name, some in taken.items()}, flush=True)
    taken = {name: some[1:] for name, some in taken.items()}
    seconds = {name: round(median(some), 2) for name, some in taken.items()}
    with (DATA / "test.csv").open(newline="") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    result = {
        "date": datetime.now(UTC).date().isoformat(), "machine": platform.processor() or platform.machine(),
        "threads": os.cpu_count(), "rows": rows, "rounds": given.rounds, "seconds": seconds,
        "times_passes": round(median(a / b for a, b in zip(taken["evaluate"], taken["passes"], strict=True)), 2),
        "times_bare": round(seconds["evaluate"] / seconds["bare"], 2), "taken": taken,
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: result[name] for name in ("seconds", "times_passes", "times_bare")}))


if __name__ == "__main__":
    main()
