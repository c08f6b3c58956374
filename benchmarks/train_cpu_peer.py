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
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

BEGAN_S = time.perf_counter()

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments  # noqa: E402


class Watch(TrainerCallback):
    """Takes the time of training and of every step; after every ``listen`` steps the loss on held examples, if not 0."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.tuned, self.listen, self.held = "tuned" in job["engine"], job["listen"], job["held"]
        self.heard: list[float] = []
        self.seconds: list[float] = []
        self.tokens: list[int] = []
        self.first_s: float | None = None
        self.run_s = 0.0
        self.model: Any = None

    def watch(self) -> None:
        """From now on count the tokens that each step of any trainer reads, padding left out, and time its training."""
        step, train = Trainer.training_step, Trainer.train

        def counted(trainer: Trainer, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            self.tokens.append(int(inputs["attention_mask"].sum()))
            return step(trainer, model, inputs, *args, **kwargs)

        def timed(trainer: Trainer, *args: Any, **kwargs: Any) -> Any:
            self.model, began_s = trainer.model, time.perf_counter()
            if self.tuned:
                in_types(trainer.model)
            done = train(trainer, *args, **kwargs)
            self.run_s = time.perf_counter() - began_s
            return done

        Trainer.training_step, Trainer.train = counted, timed  # type: ignore[method-assign]

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began_s = time.perf_counter()
        self.first_s = self.first_s or self.began_s - BEGAN_S

    def on_step_end(self, *_: Any, model: Any = None, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self.began_s)
        if self.listen and len(self.seconds) % self.listen == 0:
            self.heard.append(held_loss(deepcopy(model).float(), self.held))


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


def by_factory(job: dict[str, Any], watch: Watch) -> None:
    """Train with LLaMA-Factory, from a dataset on disk that is tokenised already."""
    from datasets import Dataset, DatasetDict

    sys.modules["torchaudio"] = ModuleType("torchaudio")  # it imports it for sound; the registry's needs CUDA
    from llamafactory.train.tuner import run_exp

    folder = tempfile.mkdtemp()
    rows = [{**one, "attention_mask": [1] * len(one["labels"])} for one in columns(job["train"])]
    DatasetDict({"train": Dataset.from_list(rows)}).save_to_disk(folder)
    method = {"finetuning_type": job["method"]}
    if job["method"] == "lora":
        method |= {"lora_rank": 16, "lora_alpha": 32, "lora_target": "all", "lora_dropout": 0.0}
    run_exp(
        {
            **settings_of(job), **method, "model_name_or_path": job["model"], "stage": "sft", "do_train": True,
            "template": "empty", "dataset": "tokenized", "tokenized_path": folder, "cutoff_len": 4096, "flash_attn": "sdpa", "report_to": "none",
            "gradient_checkpointing": None, "disable_gradient_checkpointing": True, "overwrite_cache": True,
        },
        callbacks=[watch],
    )  # fmt: skip


def by_axolotl(job: dict[str, Any], watch: Watch) -> None:
    """Train with Axolotl, from a file that is tokenised already.

    It has no setting for a machine without GPU, so `use_cpu` is set where transformers looks for it; it knows no
    callbacks of the user, so they are added where its trainer is made.
    """
    from axolotl.cli.args import TrainerCliArgs
    from axolotl.cli.config import load_cfg
    from axolotl.cli.train import do_train
    from axolotl.utils.dict import DictDefault

    checked, made = TrainingArguments.__post_init__, Trainer.__init__

    def on_cpu(arguments: TrainingArguments) -> None:
        arguments.use_cpu = True
        checked(arguments)

    def watched(trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        made(trainer, *args, **kwargs)
        trainer.add_callback(watch)

    TrainingArguments.__post_init__, Trainer.__init__ = on_cpu, watched  # type: ignore[method-assign]
    folder = Path(tempfile.mkdtemp())
    rows = [{**one, "attention_mask": [1] * len(one["labels"])} for one in columns(job["train"])]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = settings_of(job)
    same = {
        name: told[name] for name in ("learning_rate", "lr_scheduler_type", "weight_decay", "max_grad_norm", "seed")
    }
    same["lr_scheduler"] = same.pop("lr_scheduler_type")
    adapter = {"adapter": "lora", "lora_r": 16, "lora_alpha": 32, "lora_target_linear": True, "lora_dropout": 0.0}
    adapter |= dict.fromkeys(("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel"), False)  # of CUDA
    config = {
        **same, **(adapter if job["method"] == "lora" else {}), "base_model": job["model"], "bf16": True, "tf32": False,
        "datasets": [{"path": str(folder / "train.jsonl"), "ds_type": "json", "type": None}],
        "dataset_prepared_path": str(folder / "prepared"), "output_dir": str(folder / "out"), "sequence_len": 4096,
        "micro_batch_size": job["batch_examples"], "gradient_accumulation_steps": 1, "num_epochs": job["epochs"],
        "optimizer": "adamw_torch_fused", "group_by_length": True, "gradient_checkpointing": False, "val_set_size": 0,
        "save_strategy": "no", "sample_packing": False, "attn_implementation": "sdpa", "logging_steps": 10_000,
        "special_tokens": {"pad_token": "<|pad|>"}, **({"max_steps": job["max_steps"]} if job["max_steps"] > 0 else {}),
    }  # fmt: skip
    do_train(load_cfg(DictDefault(config)), TrainerCliArgs())


def in_types(model: Any) -> None:
    """Give a model the types that all tuned engines train in: what learns in float32, what is frozen in bfloat16."""
    for weight in model.parameters():
        weight.data = weight.data.float() if weight.requires_grad else weight.data.bfloat16()


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
    watch = Watch(job)
    watch.watch()
    if job["engine"].startswith("LLaMA-Factory"):
        by_factory(job, watch)
    elif job["engine"].startswith("Axolotl"):
        by_axolotl(job, watch)
    else:
        model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
        for name, weight in model.named_parameters():
            if job["learning"] is not None:
                weight.requires_grad_(any(name.startswith(one) for one in job["learning"]))
        trainer_of(job, model, watch).train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told = {
        "seconds": watch.seconds,
        "tokens": watch.tokens,
        "first_s": watch.first_s,
        "run_s": watch.run_s,
        "peak_gib": round(peak, 3),
        "heard": watch.heard,
    }
    print(json.dumps({**told, "held_loss": held_loss(watch.model.float(), job["held"])}))


if __name__ == "__main__":
    main()
