"""Is the memory that `plan` predicts what training takes? Fourteen configurations, each in a process of its own.

Run: ``python benchmarks/train_memory.py [--only NAME ...]``; those that are not named keep their rows. Writes
benchmarks/results/train_memory.json: predicted bytes beside the peak of the resident set above that of the imported
libraries, of a few steps, a validation and a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "train_memory.json"
STEPS = 2
WIDE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 8, "vocab_size": 16_000}
DEEP = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 16, "vocab_size": 8_000}
SLIM = {**DEEP, "num_hidden_layers": 8}
HEAVY = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 6, "vocab_size": 32_000}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "full, float32": {"shape": WIDE, "tokens": 512, "train": {"method": "full", "precision": "float32"}},
    "full, bfloat16": {"shape": DEEP, "tokens": 512, "train": {"method": "full", "precision": "bfloat16"}},
    "full, large vocabulary": {"shape": HEAVY, "tokens": 512, "train": {"method": "full"}},
    "full, long examples": {"shape": DEEP, "tokens": 1_500, "train": {"method": "full"}},
    "full, short examples": {"shape": DEEP, "tokens": 60, "train": {"method": "full", "precision": "float32"}},
    "full, exponential mean": {"shape": SLIM, "tokens": 512, "train": {"method": "full", "regularise": {"ema": 0.5}}},
    "full, two draws of dropout": {"shape": SLIM, "tokens": 256, "train": {"method": "full", "regularise": {"r_drop": 1}}},
    "full, lower half frozen, states kept": {
        "shape": SLIM, "tokens": 512, "train": {"method": "full", "freeze": {"layers": "0:4"}},
    },
    "full, without shortcuts": {
        "shape": SLIM, "tokens": 512,
        "train": {"method": "full", "shortcuts": dict.fromkeys(("packed", "shared", "last_layer", "head"), False)},
    },
    "lora, large vocabulary": {"shape": HEAVY, "tokens": 512, "train": {"method": "lora", "lora": {"rank": 64}}},
    "lora, two examples a step": {"shape": SLIM, "tokens": 256, "train": {"method": "lora", "batch_tokens": 400}},
    "dora": {"shape": SLIM, "tokens": 512, "train": {"method": "dora", "precision": "float32"}},
    "full, activations computed twice": {
        "shape": DEEP, "tokens": 512,
        "train": {"method": "full", "precision": "bfloat16", "activation_checkpointing": "always"},
    },
    "dpo, full": {"shape": SLIM, "tokens": 400, "train": {"method": "full", "objective": "dpo"}},
}  # fmt: skip


def measure(name: str) -> dict[str, float]:
    """Predict and train one configuration in this process."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from tunesmith.core.progress import steps
    from tunesmith.models.load import ASSETS, load_model
    from tunesmith.recipe import Recipe
    from tunesmith.text.chat import Rendered
    from tunesmith.train import memory
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.frozen_cache import with_states
    from tunesmith.train.loop import fit
    from tunesmith.train.preference import with_reference
    from tunesmith.train.prepare_run import prepare_run

    chosen, length = CONFIGURATIONS[name], CONFIGURATIONS[name]["tokens"]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        config = LlamaConfig(**chosen["shape"], num_attention_heads=8, max_position_embeddings=4096)
        AutoModelForCausalLM.from_config(config).save_pretrained(Path(folder) / "base")
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            if (ASSETS / "nano" / file).exists():
                (Path(folder) / "base" / file).write_bytes((ASSETS / "nano" / file).read_bytes())
        libraries = _resident()
        loaded = load_model(str(Path(folder) / "base"))
        pairs = chosen["train"].get("objective") == "dpo"
        ids = torch.randint(5, 4_000, (2 * (2_048 // length + 2), length)).tolist()
        rendered = [Rendered(one, [False] * 20 + [True] * (length - 20), 1, 0) for one in ids]
        tokens, held = (TokenSet(some, [1.0] * len(some), per_example=1 + pairs) for some in (rendered, rendered[:2]))
        recipe = Recipe.model_validate({
            "name": "memory", "task": "preference" if pairs else "chat", "base": folder, "data": {"train": "x"},
            "train": {"max_steps": STEPS, "epochs": 50, "batch_tokens": 3_500, "threads": 1, **chosen["train"]},
        })  # fmt: skip
        (Path(folder) / "run").mkdir()
        torch.set_num_threads(1)
        run = prepare_run(recipe, loaded, tokens, held, Path(folder) / "run")
        predicted = memory.needed_bytes(run)
        run = with_reference(with_states(run))
        with steps("training", run.total_steps) as bar:
            fit(run, bar)
        return {"predicted_mib": predicted / 2**20, "peak_mib": (_peak() - libraries) / 2**20}


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _row(name: str) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, __file__, "--here", name], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    row = {"configuration": name, **json.loads(told.splitlines()[-1])}
    row["predicted_over_peak"] = round(row["predicted_mib"] / row["peak_mib"], 3)
    sys.stderr.write(f"{row}\n")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(CONFIGURATIONS), choices=list(CONFIGURATIONS))
    parser.add_argument("--here", choices=list(CONFIGURATIONS), help="measure one in this process and print it")
    asked = parser.parse_args()
    if asked.here:
        sys.stdout.write(json.dumps(measure(asked.here)))
        return
    with ThreadPoolExecutor(2) as pool:
        new = {row["configuration"]: row for row in pool.map(_row, asked.only)}
    known = {row["configuration"]: row for row in json.loads(RESULT.read_text(encoding="utf-8"))["configurations"]}
    rows = [row for name in CONFIGURATIONS if (row := new.get(name) or known.get(name))]
    result = {"date": datetime.now(UTC).date().isoformat(), "configurations": rows}
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
