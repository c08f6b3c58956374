"""One training of a peer for `train_cpu.py`, run by the Python of the peer's own environment; imports nothing of ours.

Run by ``train_cpu.py``: ``python train_cpu_peer.py JOB.json``. The job has the model's folder, the examples as token
ids with targets, the engine's name and its settings. Prints one line of JSON: seconds of each step and what it read,
the loss on held examples at the end (or after every few steps, in a run whose time does not count), seconds until the
first step, the peak of resident memory.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BEGAN_S = time.perf_counter()

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments  # noqa: E402


class Watch(TrainerCallback):
    """Takes the time of every step; after every ``listen`` steps the loss on held examples, if not 0."""

    def __init__(self, listen: int = 0, held: list[dict[str, Any]] | None = None) -> None:
        self.listen, self.held = listen, held or []
        self.heard: list[float] = []
        self.seconds: list[float] = []
        self.tokens: list[int] = []
        self.first_s: float | None = None

    def watch(self, trainer: Trainer) -> None:
        """Count the tokens that each step reads, padding left out."""
        real: Any = trainer.training_step

        def counted(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            self.tokens.append(int(inputs["attention_mask"].sum()))
            return real(model, inputs, *args, **kwargs)

        trainer.training_step = counted  # type: ignore[method-assign]

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began_s = time.perf_counter()
        self.first_s = self.first_s or self.began_s - BEGAN_S

    def on_step_end(self, *_: Any, model: Any = None, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self.began_s)
        if self.listen and len(self.seconds) % self.listen == 0:
            self.heard.append(held_loss(model, self.held))
            model.train()


def columns(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return examples with labels as both trainers read them; what is no target is -100."""
    return [
        {"input_ids": one["ids"], "labels": [i if t else -100 for i, t in zip(one["ids"], one["targets"], strict=True)]}
        for one in examples
    ]


def padded(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad a batch to its longest row, as transformers' own collators do."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(key: str, value: int) -> torch.Tensor:
        return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows])

    ones = [{**row, "mask": [1] * len(row["input_ids"])} for row in rows]
    mask = torch.tensor([one["mask"] + [0] * (longest - len(one["mask"])) for one in ones])
    return {"input_ids": filled("input_ids", 0), "labels": filled("labels", -100), "attention_mask": mask}


def settings_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return what both trainers are told: the recipe of the job, nothing written while training."""
    tuned = {"train_sampling_strategy": "group_by_length", "gradient_checkpointing": False}
    return {
        "output_dir": tempfile.mkdtemp(), "num_train_epochs": job["epochs"], "max_steps": job["max_steps"],
        "per_device_train_batch_size": job["batch_examples"], "learning_rate": job["peak"], "logging_steps": 10_000,
        "save_strategy": "no", "report_to": [], "bf16": True, "disable_tqdm": True, "seed": job["seed"], "use_cpu": True,
        "lr_scheduler_type": "cosine", "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1.0,
        **(tuned if "tuned" in job["engine"] else {}),
    }  # fmt: skip


def trainer_of(job: dict[str, Any], model: Any, watch: Watch) -> Trainer:
    """Return TRL's trainer or transformers' own."""
    lora = None
    if job["method"] == "lora":
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    if job["engine"].startswith("TRL"):
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        config = SFTConfig(max_length=4096, **settings_of(job))
        return SFTTrainer(
            model, args=config, train_dataset=Dataset.from_list(columns(job["train"])), callbacks=[watch],
            processing_class=AutoTokenizer.from_pretrained(job["tokenizer"]), peft_config=lora,
        )  # fmt: skip
    model = get_peft_model(model, lora) if lora else model
    rows = columns(job["train"])
    return Trainer(model, TrainingArguments(**settings_of(job)), padded, rows, callbacks=[watch])


def held_loss(model: Any, examples: list[dict[str, Any]]) -> float:
    """Return the mean loss of a target token, in float32, one example at a time."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for row in columns(examples):
            labels = torch.tensor([row["labels"]])
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits.float()
            lost = torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], reduction="sum")
            total, count = total + float(lost), count + int((labels[0, 1:] != -100).sum())
    return total / count


def main() -> None:
    """Train once and print what it took."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.manual_seed(job["seed"])
    torch.set_num_threads(job["threads"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    for name, weight in model.named_parameters():
        if job["learning"] is not None:
            weight.requires_grad_(any(name.startswith(one) for one in job["learning"]))
    watch = Watch(job["listen"], job["held"])
    trainer = trainer_of(job, model, watch)
    watch.watch(trainer)
    began_s = time.perf_counter()
    trainer.train()
    run_s = time.perf_counter() - began_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told = {
        "seconds": watch.seconds,
        "tokens": watch.tokens,
        "first_s": watch.first_s,
        "run_s": run_s,
        "peak_gib": round(peak, 3),
        "heard": watch.heard,
    }
    print(json.dumps({**told, "held_loss": held_loss(trainer.model, job["held"])}))


if __name__ == "__main__":
    main()
