"""Tunesmith's training loop and TRL's on a GPU: tokens a second, MFU, memory, the same work in the same run.

Run on a machine with a GPU: ``python benchmarks/train_gpu.py [--case 1.5B,long,full] [--engine Tunesmith]``; needs trl,
datasets and liger-kernel for the peer. With ``--case smoke,chat,full`` a tiny model on the CPU. Models are made from config
with random weights (speed does not depend on their values), data are synthetic. Both engines keep float32 weights and
multiply in bfloat16. Writes benchmarks/results/train_gpu.json, run by run, beside those of other days; compare those of one day.
A peer has no MFU: its batch is seen as one example.

MFU is what must be done (`tunesmith.train.flops`), not what is done twice, over the device's peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from tunesmith.models.compiled import compile_layers
from tunesmith.models.load import LoadedModel
from tunesmith.models.precision import choose_device, exact_arithmetic
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet
from tunesmith.train.flops import needed_flops, peak_of
from tunesmith.train.loop import steps_from, update
from tunesmith.train.optimizer import build_optimizer
from tunesmith.train.prepare_run import prepare_run
from tunesmith.train.progress import Progress

RESULT = Path(__file__).parent / "results" / "train_gpu.json"
SHAPES = {  # hidden size, layers, heads, key-value heads, inner size, vocabulary: those of Qwen2.5
    "0.5B": (896, 24, 14, 2, 4864, 151936),
    "1.5B": (1536, 28, 12, 2, 8960, 151936),
    "8B": (4096, 36, 32, 8, 12288, 151936),  # Qwen3's
    "smoke": (64, 6, 4, 2, 128, 512),
}
CASES = ["1.5B,long,full", "0.5B,chat,full", "1.5B,chat,lora"]
LORA = {"rank": 16, "alpha": 32}
TRL_PASS_TOKENS = {"0.5B": 8192, "1.5B": 8192, "8B": 4096, "smoke": 512}
"""Tokens of one forward pass of TRL tuned by hand: what fits 80 GB without recomputation."""
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


@dataclass(frozen=True)
class Case:
    """One measurement: which model, which lengths, what learns, how many steps."""

    size: str
    mix: str
    method: str
    steps: int

    @property
    def step_tokens(self) -> int:
        """Tokens of a step, prompts included."""
        return 1024 if self.size == "smoke" else 32_768

    def data(self) -> TokenSet:
        """Return examples of random tokens; lengths are log-normal between the mix's bounds."""
        shortest, longest, answer = MIXES[self.mix]
        scale = 0.05 if self.size == "smoke" else 1.0
        draw = np.random.default_rng(7)
        lengths = np.clip(draw.lognormal(5.7, 0.8, 100 if self.mix == "long" else 2000), shortest, longest) * scale
        rendered = []
        for length in np.maximum(lengths.astype(int), 4).tolist():
            prompt = min(length - 1, round(length * (1 - answer)))
            ids = draw.integers(0, SHAPES[self.size][-1], length).tolist()
            rendered.append(Rendered(ids, [False] * prompt + [True] * (length - prompt), turns=1, untrained_turns=0))
        return TokenSet(rendered, [1.0] * len(rendered))


class Steps:
    """What each step took and did. ``needed`` tells the operations that some examples need."""

    def __init__(self, needed: Callable[[Sequence[Rendered]], float]) -> None:
        self.needed = needed
        self.seconds: list[float] = []
        self.tokens: list[float] = []
        self.targets: list[float] = []
        self.flops: list[float] = []

    def begin(self) -> None:
        _finish()
        self._began_s = time.perf_counter()

    def end(self, examples: Sequence[Rendered], loss: float) -> None:
        _finish()
        seconds = time.perf_counter() - self._began_s
        self.seconds.append(seconds)
        self.tokens.append(sum(len(one.ids) for one in examples) / seconds)
        self.targets.append(sum(one.num_targets for one in examples) / seconds)
        self.flops.append(self.needed(examples) / seconds)


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def our_steps(case: Case, device: torch.device, deterministic: bool = True) -> Steps:
    """Train with Tunesmith's engine; return what each step took."""
    loaded = make_model(case.size, device)
    settings = {
        "method": case.method, "epochs": 1, "batch_tokens": round(case.step_tokens * MIXES[case.mix][2]),
        "precision": "bfloat16", "compile": "never" if case.size == "smoke" else "always",
        "regularise": {"dropout": 0.0}, "lora": LORA,
    }  # fmt: skip
    recipe = Recipe(name="made", task="chat", base=case.size, data={"train": "x"}, train=settings)
    tokens = case.data()
    steps = Steps(needed_flops(loaded, case.method))
    torch.set_float32_matmul_precision("high")
    with tempfile.TemporaryDirectory() as folder, exact_arithmetic(deterministic):
        run = prepare_run(recipe, loaded, tokens, TokenSet([], []), Path(folder))
        print(run.shortcuts, "row tokens", run.row_tokens, file=sys.stderr)
        if run.compiled:
            compile_layers(run.loaded.model)
        optimizer = build_optimizer(run.loaded.model, run.settings)
        for step, rows in steps_from(run, 0):
            steps.begin()
            progress = Progress()
            update(run, optimizer, step, rows, progress)
            steps.end([tokens.rendered[i] for i in rows], progress.metrics[-1]["loss"])
            if step == case.steps:
                break
    return steps


def trl_steps(case: Case, device: torch.device, tuned: bool, packed: bool) -> Steps:
    """Train with TRL: as it comes, or by hand with its fused head, without recomputation, packed or grouped by length."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    loaded, examples = make_model(case.size, device), case.data().rendered
    steps = Steps(needed_flops(loaded, case.method))
    seen: list[Rendered] = []

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            seen.clear()
            steps.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            steps.end(seen, 0.0)

    rows = Dataset.from_list(
        [{"input_ids": one.ids, "labels": [i if t else -100 for i, t in zip(one.ids, one.targets, strict=True)]}
         for one in examples]
    )  # fmt: skip
    longest = max(len(one.ids) for one in examples)
    own: dict[str, Any] = {}
    per_pass = TRL_PASS_TOKENS[case.size]
    size = max(
        1,
        per_pass
        // (longest if packed or case.mix == "long" else round(sum(len(one.ids) for one in examples) / len(examples))),
    )
    if tuned:
        own = {
            "gradient_checkpointing": False,
            "use_liger_kernel": device.type == "cuda",
            "per_device_train_batch_size": size,
        }
        own |= {"packing": True} if packed else {"train_sampling_strategy": "group_by_length"}
    else:
        own = {"per_device_train_batch_size": 8}
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(), max_length=longest, max_steps=case.steps + 1, logging_steps=1000, save_strategy="no",
        report_to=[], bf16=True, disable_tqdm=True, learning_rate=1e-5, seed=1, use_cpu=device.type == "cpu",
        gradient_accumulation_steps=max(1, round(case.step_tokens / per_pass)) if tuned else 1, **own,
    )  # fmt: skip
    if packed:
        loaded.model.set_attn_implementation("flex_attention" if device.type == "cuda" else "sdpa")
    lora = None
    if case.method == "lora":
        from peft import LoraConfig

        lora = LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules="all-linear", task_type="CAUSAL_LM")
    trainer: Any = SFTTrainer(
        loaded.model,
        args=config,
        train_dataset=rows,
        processing_class=made_tokenizer(),
        callbacks=[Watch()],
        peft_config=lora,
    )
    real = trainer.training_step

    def counted(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        labels = inputs["labels"].cpu()
        read = int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else labels.numel()
        seen.append(Rendered([0] * read, (labels != -100).flatten().tolist(), turns=1, untrained_turns=0))
        return real(model, inputs, *args, **kwargs)

    trainer.training_step = counted
    trainer.train()
    return steps


def made_tokenizer() -> Any:
    """Return a tokenizer that is never asked for tokens: the rows are tokenised."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(Path(__file__).parents[1] / "src" / "tunesmith" / "assets" / "nano")


ENGINES: dict[str, Callable[[Case, torch.device], Steps]] = {
    "Tunesmith": our_steps,
    "Tunesmith, deterministic: false": lambda case, device: our_steps(case, device, deterministic=False),
    "TRL packed": lambda case, device: trl_steps(case, device, tuned=True, packed=True),
    "TRL grouped by length": lambda case, device: trl_steps(case, device, tuned=True, packed=False),
    "TRL as it comes": lambda case, device: trl_steps(case, device, tuned=False, packed=False),
}


def measure(engine: str, case: Case, device: torch.device) -> dict[str, Any]:
    """Return the medians over the steps after two to warm up."""
    torch.manual_seed(0)
    steps = ENGINES[engine](case, device)
    name = torch.cuda.get_device_name(0) if device.type == "cuda" else "cpu"
    peak = peak_of(name)
    rate = median(steps.flops[2:])
    return {
        "engine": engine, "size": case.size, "mix": case.mix, "method": case.method,
        "step_s": round(median(steps.seconds[2:]), 4),
        "step_s_from": round(min(steps.seconds[2:]), 4),
        "step_s_to": round(max(steps.seconds[2:]), 4),
        "first_steps_s": round(sum(steps.seconds[:2]), 2),
        "tokens_per_s": round(median(steps.tokens[2:])),
        "target_tokens_per_s": round(median(steps.targets[2:])),
        "mfu": round(rate / peak, 4) if peak and engine.startswith("Tunesmith") else None,  # a peer's batch is seen as one example
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if device.type == "cuda" else None,
    }  # fmt: skip


def in_a_process(engine: str, size: str, mix: str, method: str, steps: int) -> dict[str, Any]:
    """Measure in a process of its own, so that no engine inherits another's memory or patches."""
    command = [sys.executable, __file__, "--one", engine, size, mix, method, "--steps", str(steps)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    print(
        done.stderr[-600:] if not lines else "".join(x + "\n" for x in done.stderr.splitlines() if "row tokens" in x),
        file=sys.stderr,
        flush=True,
    )
    failed = {
        "engine": engine,
        "size": size,
        "mix": mix,
        "method": method,
        "failed": (done.stderr.strip().splitlines() or ["?"])[-1],
    }
    return json.loads(lines[-1]) if lines else failed


def keep(file: Path, run: dict[str, Any]) -> None:
    """Write a run into the file in place of an earlier one of the same engine and case; the others stay, with their date."""
    runs = json.loads(file.read_text())["runs"] if file.exists() else []
    names = ("engine", "size", "mix", "method")
    others = [one for one in runs if any(one[name] != run[name] for name in names)]
    file.write_text(json.dumps({"runs": [*others, run]}, indent=1) + "\n")


def main() -> None:
    """Measure every engine and case asked for; print each and write all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", help="SIZE,MIX,METHOD")
    parser.add_argument("--engine", action="append", choices=ENGINES)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--one", nargs=4)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    device = choose_device("auto")
    if given.one:
        engine, size, mix, method = given.one
        print(json.dumps(measure(engine, Case(size, mix, method, given.steps), device)))
        return
    for case in given.case or CASES:
        for engine in given.engine or ENGINES:
            run = in_a_process(engine, *case.split(","), given.steps)
            print(json.dumps(run), flush=True)
            if device.type == "cuda":
                told = {"device": torch.cuda.get_device_name(0), "torch": torch.__version__}
                keep(given.out, run | told | {"date": datetime.now(UTC).date().isoformat()})


if __name__ == "__main__":
    main()
