"""Are our preference losses and their gradients TRL's? Every variant that both have, on the same model and batch.

Run: ``OMP_NUM_THREADS=1 python benchmarks/preference_trl.py --peer PYTHON``, where PYTHON has TRL; writes
``results/preference_trl.json``. With ``--worker`` the same file is TRL's side. They exchange tokens and numbers by JSON,
gradients by safetensors. The model is nano in float32; the reference is nano with noise on its weights, so that no ratio
is zero. KTO's divergence is TRL's own and handed to both, for the questions of its estimate differ by design. Of ORPO the
odds ratio is compared: TRL takes the likelihood beside it over the prompt too, ours over the answer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
NANO = ROOT / "src" / "tunesmith" / "assets" / "nano"
RESULT = ROOT / "benchmarks" / "results" / "preference_trl.json"
BETA, WRONG, MARGIN = 0.3, 0.1, 0.7
NOISE, MUCH_NOISE = 0.003, 0.02
"""Noise on the reference's weights; KTO's has much, so that the model is far enough from it for a divergence above 0."""
OURS_TO_TRL = {
    "sigmoid": "sigmoid", "ipo": "ipo", "hinge": "hinge", "robust": "robust", "exo": "exo_pair",
    "apo_zero": "apo_zero", "apo_down": "apo_down", "simpo": "cpo:simpo", "orpo": "orpo", "kto": "kto",
}  # fmt: skip
PAIRS = [
    ("How do I cook rice?", "Rinse it, add twice as much water, and let it simmer.", "Rice is a plant."),
    ("Where is my order?", "It is on its way to you.", "I do not know where it is, please ask somebody else."),
    ("Name a colour.", "Blue", "Five"),
    ("Write a line about the sea.", "The sea was calm and the boats were asleep.", "No."),
]


def noisy(model: Any, kind: str) -> Any:
    """Return the model with seeded noise on its weights, as much as a kind of loss needs."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * (MUCH_NOISE if kind == "kto" else NOISE))
    return model


def trainer_of(kind: str, folder: Path, model: Any, tokenizer: Any) -> Any:
    """Return a TRL trainer for one of its losses."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    def plain(**more: Any) -> dict[str, Any]:
        common = {"output_dir": str(folder), "use_cpu": True, "bf16": False, "report_to": [], "beta": BETA}
        return {**common, "per_device_train_batch_size": 2 * len(PAIRS) if kind == "kto" else len(PAIRS), **more}

    reference = noisy(AutoModelForCausalLM.from_pretrained(NANO, dtype="float32"), kind)
    pairs = Dataset.from_list([{"prompt": p, "chosen": c, "rejected": r} for p, c, r in PAIRS])
    given = {"model": model, "processing_class": tokenizer}
    if kind == "kto":
        from trl import KTOConfig, KTOTrainer

        rows = [
            {"prompt": prompt, "completion": answer, "label": wanted}
            for prompt, good, bad in PAIRS
            for answer, wanted in ((good, True), (bad, False))
        ]
        return KTOTrainer(
            ref_model=reference, args=KTOConfig(**plain()), train_dataset=Dataset.from_list(rows), **given
        )
    if kind.startswith("cpo:"):
        from trl.experimental.cpo import CPOConfig, CPOTrainer

        own = plain(loss_type="simpo", simpo_gamma=MARGIN, cpo_alpha=0.0)
        return CPOTrainer(args=CPOConfig(**own), train_dataset=pairs, **given)
    if kind == "orpo":
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        return ORPOTrainer(args=ORPOConfig(**plain()), train_dataset=pairs, **given)
    from trl import DPOConfig, DPOTrainer

    smoothing = WRONG if kind in ("robust", "exo_pair") else 0.0
    own = plain(loss_type=[kind], label_smoothing=smoothing)
    return DPOTrainer(ref_model=reference, args=DPOConfig(**own), train_dataset=pairs, **given)


def _odds_ratio(trainer: Any, model: Any, inputs: dict[str, Any]) -> Any:
    """Return ORPO's loss without its likelihood."""
    chosen, rejected, *_ = trainer.concatenated_forward(model, inputs)
    return -trainer.odds_ratio_loss(chosen, rejected)[0].mean()


def sequences_of(inputs: dict[str, Any]) -> list[tuple[list[int], list[bool]]]:
    """Return TRL's batch as token ids and targets, chosen and rejected in turns."""
    if "chosen_input_ids" in inputs:
        found = []
        for row in range(len(inputs["chosen_input_ids"])):
            for side in ("chosen", "rejected"):
                keep = inputs[f"{side}_attention_mask"][row].bool()
                ids, labels = inputs[f"{side}_input_ids"][row][keep], inputs[f"{side}_labels"][row][keep]
                found.append((ids.tolist(), (labels != -100).tolist()))
        return found
    rows = []
    for row in range(len(inputs["input_ids"])):
        keep = inputs["attention_mask"][row].bool()
        rows.append((inputs["input_ids"][row][keep].tolist(), inputs["completion_mask"][row][keep].bool().tolist()))
    if "label" in inputs:
        wanted = [bool(one) for one in inputs["label"]]
        good = [row for row, want in zip(rows, wanted, strict=True) if want]
        bad = [row for row, want in zip(rows, wanted, strict=True) if not want]
    else:
        good, bad = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    return [one for pair in zip(good, bad, strict=True) for one in pair]


def worker(folder: Path) -> None:
    """TRL's side: write each variant's loss, batch and gradients."""
    import torch
    import transformers
    import trl
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(NANO)
    versions = {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
    answer: dict[str, Any] = {"versions": versions, "variants": {}}
    for ours, kind in OURS_TO_TRL.items():
        model = AutoModelForCausalLM.from_pretrained(NANO, dtype="float32")
        trainer = trainer_of(kind, folder / "out", model, tokenizer)
        model = trainer.model.eval()
        inputs = next(iter(trainer.get_train_dataloader()))
        loss = _odds_ratio(trainer, model, inputs) if kind == "orpo" else trainer.compute_loss(model, inputs)
        loss.backward()
        found = {"loss": float(loss), "sequences": sequences_of(inputs)}
        if kind == "kto":
            found["divergence"] = trainer._metrics["eval"]["kl"][-1]
        grads = {name: one.grad.contiguous().clone() for name, one in model.named_parameters() if one.grad is not None}
        save_file(grads, folder / f"{ours}.safetensors")
        answer["variants"][ours] = found
    (folder / "trl.json").write_text(json.dumps(answer), "utf-8")


def ours_of(variant: str, found: dict[str, Any]) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """Return our loss and gradients on TRL's batch, and the numbers that the loss was made of."""
    import torch
    from transformers import AutoModelForCausalLM

    from tunesmith.models.shortcuts import ALL
    from tunesmith.text.chat import Rendered
    from tunesmith.train.batches import TokenSet, micro_batches
    from tunesmith.train.likelihood import sequence_logps
    from tunesmith.train.objectives import Likelihoods, Settings, dpo, kto

    tokens = TokenSet([Rendered(ids, targets, 1, 0) for ids, targets in found["sequences"]],
                      [1.0] * len(found["sequences"]), per_example=2)  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(NANO, dtype="float32").eval()
    reference = noisy(AutoModelForCausalLM.from_pretrained(NANO, dtype="float32"), variant).eval()
    (batch,) = micro_batches(tokens, range(len(tokens)), ALL, 10_000)
    logps = sequence_logps(model, batch, ALL)
    with torch.no_grad():
        known = sequence_logps(reference, batch, ALL)
    counts = batch.counts_S.double()
    chosen, rejected = (Likelihoods(logps[own::2], known[own::2], counts[own::2]) for own in (0, 1))
    if variant == "kto":
        wanted = torch.ones(len(chosen.model), dtype=torch.bool)
        good, bad = (kto(one, want, found["divergence"], BETA) for one, want in ((chosen, wanted), (rejected, ~wanted)))
        loss = (good + bad).mean() / 2
    else:
        smoothing = WRONG if variant in ("robust", "exo") else 0.0
        without = -1.0 if variant == "orpo" else 0.0
        loss = dpo(chosen, rejected, variant, Settings(BETA, smoothing, MARGIN), without).mean()
    loss.backward()
    numbers = {
        "model": logps.tolist(), "reference": known.tolist(), "tokens": counts.tolist(),
        **({"divergence": found["divergence"]} if variant == "kto" else {}),
    }  # fmt: skip
    return float(loss), {name: one.grad for name, one in model.named_parameters()}, numbers


def main() -> None:
    """Run TRL, compare, write the result."""
    from safetensors.torch import load_file

    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="a Python that has TRL")
    parser.add_argument("--worker", type=Path)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([options.peer, __file__, "--worker", str(folder)], check=True, cwd=folder)
        theirs = json.loads((folder / "trl.json").read_text("utf-8"))
        rows = {}
        for variant, found in theirs["variants"].items():
            loss, grads, numbers = ours_of(variant, found)
            peer = load_file(folder / f"{variant}.safetensors")
            gap = sum(float((grads[key] - peer[key]).double().square().sum()) for key in peer) ** 0.5
            size = sum(float(one.double().square().sum()) for one in peer.values()) ** 0.5
            rows[variant] = {
                "trl": OURS_TO_TRL[variant], "trl_loss": found["loss"], "our_loss": loss,
                "loss_gap": abs(loss - found["loss"]), "gradient_norm": size, "gradient_gap_frac": gap / size, **numbers,
            }  # fmt: skip
    settings = {
        "beta": BETA,
        "label_smoothing": WRONG,
        "margin": MARGIN,
        "reference_noise": NOISE,
        "reference_noise_kto": MUCH_NOISE,
    }
    RESULT.write_text(
        json.dumps({"versions": theirs["versions"], **settings, "variants": rows}, indent=1) + "\n", "utf-8"
    )


if __name__ == "__main__":
    main()
