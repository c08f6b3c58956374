"""Tunesmith's training and its peers' on a CPU: tokens a second, whole runs, memory, loss; the same work in the same run.

Run: ``python benchmarks/train_cpu.py --peer PYTHON [--factory PYTHON] [--axolotl PYTHON] [--case full] [--rounds 5]``,
where PYTHON is that of an environment with torch 2.13.0 (CPU), trl and peft; of others with llamafactory, without the
registry's torchvision and torchaudio, which want CUDA, and with axolotl. Every engine trains the same model on the same
examples from the same weights, as many examples a step, in bfloat16 arithmetic over float32 weights (frozen ones lie in
bfloat16), in a process of its own; the rounds are interleaved.
Writes benchmarks/results/train_cpu.json, case by case.

The model is a Qwen3 decoder of 29.4M weights made from config; the examples are random tokens, 500 of 8,000, of which each
follows from the one before by a rule, so that there is something to learn, in lengths as chats have them (log-normal,
median 120 tokens, at most 1,024). "Tuned by hand" is what is fastest of a peer here: batches grouped by length, no
recomputation (packing and padding-free batches lose on a CPU, where a mask keeps examples apart).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RESULT = HERE / "results" / "train_cpu.json"
NANO = HERE.parent / "src" / "tunesmith" / "assets" / "nano"
VOCABULARY, USED, HELD, SEED = 8_000, 500, 32, 5
WARM_STEPS = 3
"""Steps that are not counted in the steady rate: buffers and compiled layers are made in them."""

LISTENED = 6
"""How often a case's run that is not timed hears the loss on held examples, in equal parts of its steps."""

WATCHED_STEPS = {"TRL as it comes": 8}
"""Steps after which an engine's run is ended; what is said of it is its steady rate alone."""

ON_TOP = {"LLaMA-Factory tuned": "factory", "Axolotl tuned": "axolotl"}
"""Engines that have an environment of their own, and the argument that names its Python."""

ENGINES = ("Tunesmith", "TRL tuned", "HF Trainer tuned", "TRL as it comes")


@dataclass(frozen=True)
class Case:
    """One kind of work: what learns, how long examples are, how many, for how long."""

    method: str = "full"
    frozen: str | None = None
    shared_tokens: int = 0
    median_tokens: int = 120
    examples: int = 192
    batch_examples: int = 16
    epochs: int = 1
    peak: float = 3e-4
    engines: tuple[str, ...] = ENGINES

    def beside(self, given: argparse.Namespace) -> tuple[str, ...]:
        """Return the engines to be measured; those on top of `Trainer` as well, where the whole model or LoRA learns."""
        plain = not self.frozen and not self.shared_tokens
        return (*self.engines, *(engine for engine, own in ON_TOP.items() if plain and getattr(given, own)))


CASES = {
    "full": Case(),
    "lora": Case(method="lora", peak=1e-3, engines=ENGINES[:3]),
    "upper quarter": Case(frozen="0:6", epochs=3, engines=ENGINES[:3]),
    "shared prompt": Case(shared_tokens=300, median_tokens=60, engines=ENGINES[:3]),
}


def examples_of(case: Case) -> list[dict[str, Any]]:
    """Return examples as token ids with targets, the held ones last; six tenths of what differs is answer."""
    draw = np.random.default_rng(SEED)
    rule = draw.permutation(USED)
    shared = draw.integers(0, USED, case.shared_tokens).tolist()
    longest = 1024 if not case.shared_tokens else 200
    count = case.examples + HELD
    lengths = np.clip(draw.lognormal(np.log(case.median_tokens), 0.8, count), 8, longest).astype(int)
    found = []
    for length in lengths.tolist():
        ids = [int(draw.integers(0, USED))]
        for fresh in draw.random(length - 1) < 0.3:
            ids.append(int(draw.integers(0, USED)) if fresh else int(rule[ids[-1]]))
        prompt = len(shared) + round(length * 0.4)
        found.append({"ids": shared + ids, "targets": [False] * prompt + [True] * (len(shared) + length - prompt)})
    return found


def make_model(folder: Path) -> None:
    """Write the model that all engines start from."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    torch.manual_seed(SEED)
    config = Qwen3Config(
        hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=4, head_dim=64,
        intermediate_size=1536, vocab_size=VOCABULARY, max_position_embeddings=4096, tie_word_embeddings=True,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (NANO / file).exists():
            (folder / file).write_bytes((NANO / file).read_bytes())


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """Train with Tunesmith's engine in this process."""
    began_s = time.perf_counter()
    import torch

    from tunesmith.core.progress import steps
    from tunesmith.models.load import load_model
    from tunesmith.recipe import Recipe
    from tunesmith.text.chat import Rendered
    from tunesmith.train import loop
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.frozen_cache import with_states
    from tunesmith.train.prepare_run import prepare_run

    train, _ = ([Rendered(one["ids"], one["targets"], 1, 0) for one in job[part]] for part in ("train", "held"))
    targets = sum(one.num_targets for one in train)
    settings = {
        "method": job["method"], "epochs": job["epochs"], "precision": "bfloat16", "threads": job["threads"],
        "batch_tokens": round(targets * job["batch_examples"] / len(train)), "max_steps": job["max_steps"],
        "schedule": {"shape": "cosine", "peak": job["peak"], "warmup": 0}, "lora": {"rank": 16, "alpha": 32},
        "regularise": {"dropout": 0, "weight_decay": 0, "clip": 1.0, "early_stopping": None}, "eval_every": 10**6,
        **({"freeze": {"layers": job["frozen"]}} if job["frozen"] else {}),
    }  # fmt: skip
    settings = {name: value for name, value in settings.items() if value is not None}
    if job["method"] != "lora":
        del settings["lora"]
    recipe = Recipe(name="made", task="chat", base=job["model"], data={"train": "x"}, train=settings)
    seconds: list[float] = []
    tokens: list[int] = []
    first_s: list[float] = []
    heard: list[float] = []
    real = loop.update

    def timed(*args: Any) -> None:
        started_s = time.perf_counter()
        first_s.append(started_s - began_s)
        real(*args)
        seconds.append(time.perf_counter() - started_s)
        tokens.append(sum(len(train[row].ids) for row in args[3]))

        if job["listen"] and len(seconds) % job["listen"] == 0:
            from train_cpu_peer import held_loss

            heard.append(held_loss(deepcopy(loaded.model).float(), job["held"]))

    loop.update = timed
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    loaded = load_model(job["model"])
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.perf_counter()
        run = with_states(
            prepare_run(recipe, loaded, TokenSet(train, [1.0] * len(train)), TokenSet([], []), Path(folder))
        )
        made_s = time.perf_counter() - started_s
        with steps("training", run.total_steps) as bar:
            loop.fit(run, bar)
        run_s = time.perf_counter() - started_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    from train_cpu_peer import held_loss

    told = {
        "seconds": seconds,
        "tokens": tokens,
        "first_s": first_s[0],
        "run_s": run_s,
        "peak_gib": round(peak, 3),
        "made_s": made_s,
        "heard": heard,
    }
    learning = sorted(run.learning.weights)
    return {**told, "held_loss": held_loss(loaded.model.float(), job["held"]), "learning": learning}


def one_run(
    engine: str, case: Case, given: argparse.Namespace, folder: Path, learning: list[str] | None, listen: int = 0
) -> dict[str, Any]:
    """Train once in a process of its own; return what it took, and the held losses if it is to listen."""
    found = examples_of(case)
    job = {
        **asdict(case), "engine": engine, "model": str(folder / "model"), "tokenizer": str(NANO), "seed": 1, "listen": listen,
        "threads": given.threads, "learning": learning, "max_steps": given.steps or None,
        "train": found[: case.examples], "held": found[case.examples :],
    }  # fmt: skip
    if engine != "Tunesmith":
        job["max_steps"] = given.steps or WATCHED_STEPS.get(engine, -1)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    if engine == "Tunesmith":
        command = [sys.executable, __file__, "--job", str(folder / "job.json")]
    else:
        python = getattr(given, ON_TOP.get(engine, "peer"))
        command = [str(python), str(HERE / "train_cpu_peer.py"), str(folder / "job.json")]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(given.threads))
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "AXOLOTL_DO_NOT_TRACK": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads, **quiet})
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        sys.stderr.write(done.stderr[-3000:])
        raise SystemExit(f"{engine}: no result")
    return {"engine": engine, **json.loads(lines[-1])}


def told_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of one engine's runs; the steady rate is that of the run's steps after the first few."""
    rates = [sum(one["tokens"][WARM_STEPS:]) / sum(one["seconds"][WARM_STEPS:]) for one in runs]
    whole = runs[0]["engine"] not in WATCHED_STEPS
    return {
        "steady_tokens_per_s": round(median(rates)),
        "steady_from_to": [round(min(rates)), round(max(rates))],
        "run_s": round(median(one["run_s"] for one in runs), 1) if whole else None,
        "first_step_after_s": round(median(one["first_s"] for one in runs), 1),
        "peak_gib": round(median(one["peak_gib"] for one in runs), 2),
        "held_loss": round(median(one["held_loss"] for one in runs), 4) if whole else None,
        "steps": len(runs[0]["seconds"]),
        "runs": len(runs),
    }


def compared(engines: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return how many times a peer's rate ours is, steady and of whole runs, and its memory as a share of the peer's."""
    own = engines["Tunesmith"]
    return {
        peer: {
            "steady": round(own["steady_tokens_per_s"] / one["steady_tokens_per_s"], 2),
            "whole_run": round(one["run_s"] / own["run_s"], 2) if one["run_s"] else None,
            "memory": round(own["peak_gib"] / one["peak_gib"], 2),
        }
        for peer, one in engines.items()
        if peer != "Tunesmith"
    }


def to_same_loss(runs: dict[str, list[dict[str, Any]]], heard: dict[str, list[float]]) -> dict[str, Any]:
    """Return the seconds that each engine's steps take until the highest of the engines' last losses, medians of its runs.

    ``heard`` are the held losses of a run of each engine that was not timed, after equal parts of the same steps; between
    two of them the loss is taken to fall evenly.
    """
    wanted = max(losses[-1] for losses in heard.values())
    found: dict[str, float] = {}
    for engine, losses in heard.items():
        after = next(at for at, loss in enumerate(losses) if loss <= wanted)
        before = losses[after - 1] if after else losses[after]
        part = (before - wanted) / (before - losses[after]) if before > losses[after] else 1.0
        at = (after + part) / len(losses)
        taken = [one["run_s"] - sum(one["seconds"]) + _first(one["seconds"], at) for one in runs[engine]]
        found[engine] = round(median(taken), 1)
    return {"held_loss": round(wanted, 4), "seconds": found}


def _first(seconds: list[float], share: float) -> float:
    whole, rest = divmod(share * len(seconds), 1)
    return sum(seconds[: int(whole)]) + rest * sum(seconds[int(whole) : int(whole) + 1])


def products_per_s(threads: int) -> float:
    """Return the floating-point operations a second of bfloat16 products of the model's own shapes, the median of 20.

    The three products of a linear map, forward and for both gradients, over 2,048 tokens: all that a step cannot leave out.
    """
    import torch

    torch.set_num_threads(threads)
    x, w, g = (torch.randn(*shape, dtype=torch.bfloat16) for shape in ((2048, 512), (1536, 512), (2048, 1536)))
    taken = []
    for _ in range(20):
        began_s = time.perf_counter()
        x @ w.T, g @ w, g.T @ x
        taken.append(time.perf_counter() - began_s)
    return 3 * 2 * 2048 * 512 * 1536 / median(taken)


def floor_of(case: Case, threads: int) -> dict[str, float]:
    """Return the operations that one epoch of full fine-tuning needs, and the seconds of products alone.

    6 a weight and token, the head's at targets only, and 6 T d a layer and token for causal attention.
    Source: Chowdhery et al. 2022, "PaLM", appendix B.
    """
    head, layers, width, key_values, inner = VOCABULARY * 512, 8, 512, 256, 1536
    body = layers * (2 * width * width + 2 * width * key_values + 3 * width * inner)
    needed = 0.0
    for one in examples_of(case)[: case.examples]:
        length, targets = len(one["ids"]), sum(one["targets"])
        needed += 6.0 * (body * length + head * targets) + 6.0 * layers * length * width * length
    rate = products_per_s(threads)
    return {"gflop": round(needed / 1e9), "gflop_per_s": round(rate / 1e9), "floor_s": round(needed / rate, 1)}


def versions_of(python: Path) -> dict[str, str]:
    """Return the versions of what an environment trains with."""
    code = (
        "import json, importlib.metadata as m; have = {d.name for d in m.distributions()}; "
        "print(json.dumps({n: m.version(n) for n in %r if n in have}))"
    )
    names = ["torch", "transformers", "trl", "peft", "accelerate", "llamafactory", "axolotl"]
    return dict(
        json.loads(subprocess.run([python, "-c", code % names], capture_output=True, text=True, check=True).stdout)
    )


def measured(name: str, case: Case, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what all engines take for a case: rounds that are timed, then one each that hears the held loss."""
    names = case.beside(given)
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in names}
    learning: list[str] | None = None
    for _ in range(given.rounds):
        for engine in names:
            one = one_run(engine, case, given, folder, learning if case.frozen else None)
            learning = one.pop("learning", learning)
            print(name, engine, *(one[key] for key in ("run_s", "peak_gib", "held_loss")), flush=True)
            runs[engine].append(one)
    heard = {
        engine: one_run(engine, case, given, folder, learning if case.frozen else None, listen)["heard"]
        for engine in names
        if (listen := len(runs[engine][0]["seconds"]) // LISTENED) and engine not in WATCHED_STEPS
    }
    engines = {engine: told_of(own) for engine, own in runs.items()}
    return {
        "date": datetime.now(UTC).date().isoformat(), "threads": given.threads, "case": asdict(case),
        "peers": versions_of(given.peer),
        "on_top": {engine: versions_of(getattr(given, ON_TOP[engine])) for engine in names if engine in ON_TOP},
        "engines": engines, "times": compared(engines), **({"same_loss": to_same_loss(runs, heard)} if heard else {}),
    }  # fmt: skip


def main() -> None:
    """Measure the cases asked for; write each as it is done, beside those measured before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--factory", type=Path)
    parser.add_argument("--axolotl", type=Path)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="at most so many steps a run; 0 for whole epochs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--floor", action="store_true", help="measure the products' rate alone, anew")
    parser.add_argument("--job", type=Path)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    if given.job:
        sys.path.insert(0, str(HERE))
        print(json.dumps(ours(json.loads(given.job.read_text(encoding="utf-8")))))
        return
    known = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {"cases": {}}
    names = [] if given.floor else given.case or list(CASES)
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder) / "model")
        for name in names:
            known["cases"][name] = measured(name, CASES[name], given, Path(folder))
            given.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            print(json.dumps({name: known["cases"][name]["times"]}), flush=True)
    if given.floor or "full" in names:  # the rate and the run are to be of one hour
        floor, own = floor_of(CASES["full"], given.threads), known["cases"]["full"]["engines"]["Tunesmith"]
        known["floor"] = {**floor, "share_of_our_run": round(floor["floor_s"] / own["run_s"], 2)}
        given.out.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
