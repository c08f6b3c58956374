"""Pretrain nano, the small base model that ships with Tunesmith, from random weights.

Run: ``python tools/nano_pretrain.py --data ../shared/data --out src/tunesmith/assets/nano --minutes 45``

Next-token prediction on rows of 256 tokens; bf16 products, float32 weights; AdamW, warm-up, cosine to zero. One
thread on a CPU is enough. Killed and started again it goes on from its checkpoint. At the end the model, its card
and the measurements are written to a temporary folder and renamed into place.

Does not own the text (`nano_corpus`, `nano_text`) nor the tokenizer (`nano_tokenizer`).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

import nano_corpus
from nano_tokenizer import CONTEXT_TOKENS, SPECIAL, VOCAB_TOKENS

ROW_TOKENS = 256
BATCH_ROWS = 8
OWN_FRAC = 0.6
"""Share of the tokens that are our own conversations; the rest are stories and books."""
PEAK = 2e-3
WARMUP_FRAC = 0.03
WEIGHT_DECAY = 0.1
CHECKPOINT_STEPS = 100
SEED = 0


def new_model() -> LlamaForCausalLM:
    """Return nano's architecture with random weights."""
    ids = {token: place for place, token in enumerate(SPECIAL)}
    config = LlamaConfig(
        vocab_size=VOCAB_TOKENS, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=ids["<|end|>"], pad_token_id=ids["<|pad|>"],
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = [ids["<|end|>"], ids["<|endoftext|>"]]
    model.generation_config.pad_token_id = ids["<|pad|>"]
    return model


def document_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Return token ids of plain documents, each closed by <|endoftext|>."""
    end = SPECIAL.index("<|endoftext|>")
    return [[*ids, end] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]


def conversation_ids(tokenizer: PreTrainedTokenizerBase, rows: list[list[dict[str, str]]]) -> list[list[int]]:
    """Return token ids of conversations as the chat template renders them, each closed by <|endoftext|>."""
    texts = ["".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in row) for row in rows]
    return document_ids(tokenizer, texts)


def packed(documents: list[list[int]], seed: int) -> np.ndarray:
    """Shuffle documents, join them and cut rows of ROW_TOKENS + 1; the last incomplete row is left out."""
    random.Random(seed).shuffle(documents)
    stream = np.fromiter((token for ids in documents for token in ids), dtype=np.int16)
    width = ROW_TOKENS + 1
    return stream[: len(stream) // width * width].reshape(-1, width)


@dataclass
class Rows:
    """Training rows of two kinds, drawn so that OWN_FRAC of each batch is our own text."""

    own: np.ndarray
    stories: np.ndarray

    def batch(self, step: int) -> torch.Tensor:
        """Return batch ``step``: a pure function of the step, so that a resumed run sees what it would have seen."""
        own_rows = round(BATCH_ROWS * OWN_FRAC)
        picked = np.concatenate([
            _window(self.own, step, own_rows), _window(self.stories, step, BATCH_ROWS - own_rows)
        ])  # fmt: skip
        return torch.from_numpy(picked.astype(np.int64))


def _window(rows: np.ndarray, step: int, count: int) -> np.ndarray:
    per_pass = len(rows) // count
    order = np.random.default_rng(step // per_pass).permutation(len(rows))
    start = step % per_pass * count
    return rows[order[start : start + count]]


def rate(step: int, steps: int) -> float:
    """Return the learning rate: linear warm-up, then cosine to zero."""
    warmup = max(1, int(WARMUP_FRAC * steps))
    if step < warmup:
        return PEAK * (step + 1) / warmup
    return PEAK * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def loss_of(model: LlamaForCausalLM, batch: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Return the next-token loss of rows of ids in nats, in float32 after bf16 products."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten(), reduction=reduction)


def optimizer_of(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """Return AdamW; norms do not decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.95))


Loss = Callable[[LlamaForCausalLM, torch.Tensor], torch.Tensor]


def measured_step_s(rows: Rows, loss: Loss) -> float:
    """Return the seconds of one training step, from a few on throw-away weights."""
    trial = new_model()
    optimizer = optimizer_of(trial)
    seconds = []
    for step in range(12):
        started = time.perf_counter()
        loss(trial, rows.batch(step)).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
    return sorted(seconds[2:])[5]


def train(model: LlamaForCausalLM, rows: Rows, minutes: float, checkpoint: Path, loss_fn: Loss) -> dict[str, float]:
    """Train for about ``minutes``: the number of steps is fixed at the start, from the measured speed."""
    optimizer = optimizer_of(model)
    state = {"step": 0, "steps": 0, "seconds": 0.0}
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    else:
        state["steps"] = int(minutes * 60 / measured_step_s(rows, loss_fn))
    print(f"{state['steps']} steps, from {state['step']}", flush=True)
    started = time.perf_counter() - state["seconds"]
    for step in range(int(state["step"]), int(state["steps"])):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, int(state["steps"]))
        loss = loss_fn(model, rows.batch(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        state = {**state, "step": step + 1, "seconds": time.perf_counter() - started}
        if (step + 1) % CHECKPOINT_STEPS == 0:
            speed = (step + 1) * BATCH_ROWS * ROW_TOKENS / state["seconds"]
            print(f"step {step + 1} loss {loss.item():.3f} {speed:.0f} tok/s {state['seconds']:.0f} s", flush=True)
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "state": state}
            torch.save(saved, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").rename(checkpoint)
    return state


@torch.no_grad()
def bits_per_byte(model: LlamaForCausalLM, documents: list[list[int]], num_bytes: int) -> float:
    """Return bits per byte of text, each document cut into pieces of at most ROW_TOKENS + 1 tokens."""
    total = 0.0
    for ids in documents:
        for start in range(0, len(ids) - 1, ROW_TOKENS):
            total += float(loss_of(model, torch.tensor([ids[start : start + ROW_TOKENS + 1]]), "sum"))
    return total / math.log(2) / num_bytes


def measure(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, sources: list[nano_corpus.Source]
) -> dict[str, dict[str, float]]:
    """Return held-out bits per byte of every source, from the weights as shipped."""
    model.eval()
    report = {}
    for source in sources:
        size = sum(len(text.encode()) for text in source.held_out)
        value = bits_per_byte(model, document_ids(tokenizer, source.held_out), size)
        report[source.name] = {"bits_per_byte": round(value, 4), "bytes": size, "documents": len(source.held_out)}
    held_out = nano_corpus.own_rows(nano_corpus.HELD_OUT_SEED, 1000)
    size = sum(len(m["content"].encode()) for row in held_out for m in row)
    value = bits_per_byte(model, conversation_ids(tokenizer, held_out), size)
    report["own_conversations"] = {"bits_per_byte": round(value, 4), "bytes": size, "documents": len(held_out)}
    return report


def card(report: dict[str, object], sources: list[nano_corpus.Source]) -> str:
    """Return the model card."""
    held_out = "\n".join(
        f"| {name} | {row['bits_per_byte']:.3f} | {row['documents']} |" for name, row in report["held_out"].items()
    )
    licences = "\n".join(f"- `{source.name}`: {source.licence}" for source in sources)
    return f"""---
license: apache-2.0
language: en
pipeline_tag: text-generation
---
# nano

A Llama of {report["parameters"]:,} weights, pretrained from nothing by `tools/nano_pretrain.py` so that Tunesmith's whole ring turns
offline, on a CPU, in minutes. It is a base to tune on narrow tasks (sort messages, pull fields out of them), not an
assistant: untuned it knows no facts and answers nonsense.

## Data

{licences}
- `own_conversations`: written by templates and word lists of this project (`tools/nano_text.py`), Apache-2.0. No
  evaluation set is copied or imitated.

The books are of their time: views and words occur in them that we do not share. English only.

## Training

{report["tokens"]:,} tokens in {report["steps"]:,} steps of {report["batch_tokens"]:,}, {report["seconds"] / 60:.0f} minutes on one CPU thread
({report["machine"]}), {report["date"]}.

## Held out

Every {nano_corpus.HELD_OUT_EVERY}th document of each source; for our own conversations, another seed.

| source | bits per byte | documents |
|---|---:|---:|
{held_out}

## Limits

Context {CONTEXT_TOKENS} tokens by design, but trained on {ROW_TOKENS}: quality falls beyond. No safety training. Do not put it in front of
people untuned.
"""


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path, readme: str) -> None:
    """Write the model as bf16 safetensors with tokenizer and card; replaces ``folder`` by renaming."""
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(str(new))
    tokenizer.model_max_length = CONTEXT_TOKENS
    tokenizer.save_pretrained(str(new))
    (new / "README.md").write_text(readme, encoding="utf-8")
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def main() -> None:
    """Pretrain, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds corpus_*")
    parser.add_argument("--tokenizer", type=Path, help="its folder; default: the one in --out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--own-rows", type=int, default=160_000, help="conversations to generate")
    parser.add_argument("--checkpoint", type=Path, default=Path("/tmp/nano-checkpoint.pt"))
    parser.add_argument("--compile", action="store_true", help="a third faster; needs a C++ compiler")
    parser.add_argument("--report", type=Path, help="where the measurements go, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(str(args.tokenizer or args.out))
    tokenizer.model_max_length = 10**9  # whole books are tokenised here, then cut into rows
    sources = nano_corpus.read(args.data)
    stories = [ids for source in sources for ids in document_ids(tokenizer, source.train)]
    own = conversation_ids(tokenizer, nano_corpus.own_rows(SEED, args.own_rows))
    rows = Rows(packed(own, SEED), packed(stories, SEED))
    print(f"{rows.own.size:,} own and {rows.stories.size:,} story tokens", flush=True)
    model = new_model()
    loss = torch.compile(loss_of) if args.compile else loss_of
    state = train(model, rows, args.minutes, args.checkpoint, loss)
    shipped = new_model()
    shipped.load_state_dict({name: value.bfloat16().float() for name, value in model.state_dict().items()})
    report = {
        "parameters": shipped.num_parameters(),
        "steps": int(state["steps"]),
        "batch_tokens": BATCH_ROWS * ROW_TOKENS,
        "tokens": int(state["steps"]) * BATCH_ROWS * ROW_TOKENS,
        "distinct_tokens": {"own": int(rows.own.size), "stories": int(rows.stories.size)},
        "own_frac": round(round(BATCH_ROWS * OWN_FRAC) / BATCH_ROWS, 4),
        "seconds": round(state["seconds"], 1),
        "compiled": args.compile,
        "threads": torch.get_num_threads(),
        "peak_learning_rate": PEAK,
        "seed": SEED,
        "held_out": measure(shipped, tokenizer, sources),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    save(shipped, tokenizer, args.out, card(report, sources))
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    args.checkpoint.unlink(missing_ok=True)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
