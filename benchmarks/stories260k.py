"""A real pretrained model from outside: golden numbers after conversion, then LoRA on new stories.

Run: ``OMP_NUM_THREADS=1 python benchmarks/stories260k.py [--seeds 3]``; writes ``results/stories260k.json``.

The base wrote TinyStories with capitals; the new stories are lower-cased, so there is something to learn. What that
costs is measured too: on text like the base's own (the golden texts) and on stories of another kind (African
Storybook).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

from convert_stories260k import convert  # noqa: E402
from made import make_dataset  # noqa: E402
from tunesmith.core.artifacts import Workspace  # noqa: E402
from tunesmith.core.estimates import bootstrap_mean, paired_bootstrap  # noqa: E402
from tunesmith.models.generate import Decoding, generate  # noqa: E402
from tunesmith.models.load import LoadedModel, load_model  # noqa: E402
from tunesmith.models.score import nll  # noqa: E402
from tunesmith.recipe import Recipe  # noqa: E402
from tunesmith.text.chat import ensure_template, render  # noqa: E402
from tunesmith.train import stage  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "stories260k.json"
TRAIN, VALID, TEST = 300, 50, 300
LONGEST_CHARS = 800
Pair = tuple[str, str]


def stories(name: str) -> list[Pair]:
    """Return a corpus's stories that fit the context, each as its first sentence and the rest."""
    lines = (DATA / name / "stories.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [text for line in lines if len(text := json.loads(line)["text"].strip()) < LONGEST_CHARS]
    parts = [text.partition(". ") for text in texts]
    return list(dict.fromkeys((first + ".", rest) for first, _, rest in parts if rest))


def story_nlls(loaded: LoadedModel, pairs: list[Pair]) -> list[float]:
    """Return nats per target token of each story's rest, given its first sentence."""
    ensure_template(loaded.tokenizer)
    turns = [[{"role": "user", "content": first}, {"role": "assistant", "content": rest}] for first, rest in pairs]
    rendered = [render(loaded.tokenizer, messages) for messages in turns]
    scored = nll(loaded, [one.ids for one in rendered], [one.targets for one in rendered], precision="float32")
    return [one.nats / one.num_targets for one in scored]


def text_nlls(loaded: LoadedModel, ids: list[list[int]]) -> list[float]:
    """Return nats per token of whole texts."""
    scored = nll(loaded, ids, [[True] * len(row) for row in ids], precision="float32")
    return [one.nats / one.num_targets for one in scored]


def golden_report(loaded: LoadedModel) -> dict:
    """Compare the converted model with the golden numbers."""
    golden = json.loads((DATA / "stories260k" / "golden.json").read_text())
    means = text_nlls(loaded, [one["ids"] for one in golden["nll"]])
    wanted = [one["mean_nll_nats_float64"] for one in golden["nll"]]
    texts = [(one["prompt"], one["prompt_ids"]) for one in golden["greedy"]]
    texts += [(one["text"], one["ids"]) for one in golden["nll"]]
    greedy = [(one["prompt_ids"], one["ids"]) for one in golden["greedy"]]
    greedy.append(([1], golden["documented_greedy_from_bos"]["ids"]))
    same = sum(
        generate(loaded, [prompt], Decoding(len(ids) - len(prompt), precision="float32")) == [ids[len(prompt) :]]
        for prompt, ids in greedy
    )
    return {
        "texts": len(texts),
        "texts_with_golden_ids": sum(loaded.tokenizer.encode(text) == ids for text, ids in texts),
        "greedy_texts": len(greedy),
        "greedy_texts_token_for_token": same,
        "nll_nats": means,
        "golden_nll_nats": wanted,
        "largest_difference_nats": max(abs(a - b) for a, b in zip(means, wanted, strict=True)),
    }


def compare(base: LoadedModel, tuned: LoadedModel, pairs: list[Pair]) -> dict:
    before, after = story_nlls(base, pairs), story_nlls(tuned, pairs)
    return {
        "before": bootstrap_mean(before).as_dict(),
        "after": bootstrap_mean(after).as_dict(),
        "change": paired_bootstrap(after, before).as_dict(),
    }


def run(folder: Path, home: Path, seed: int, corpora: dict[str, list[Pair]]) -> dict:
    """Tune once and measure before and after."""
    workspace = Workspace(home / str(seed))
    learnt = corpora["tinystories_lc"]
    parts = learnt[:TRAIN], learnt[TRAIN : TRAIN + VALID], learnt[TRAIN + VALID : TRAIN + VALID + TEST]
    dataset = make_dataset(workspace, *parts, classify=False)
    train = {"method": "lora", "epochs": 3, "batch_tokens": 2048, "precision": "float32", "threads": 1}
    recipe = Recipe(
        name="stories260k", task="chat", base=str(folder), seed=seed, data={"train": "x"}, train=train
    )  # fmt: skip
    start = time.perf_counter()
    model = stage.train(recipe, dataset, workspace)
    seconds = time.perf_counter() - start
    base, tuned = load_model(folder), load_model(model.path / "model")
    golden = json.loads((DATA / "stories260k" / "golden.json").read_text())["nll"]
    ids = [one["ids"] for one in golden]
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "train": {**model.result, "model": None},
        "new_stories": compare(base, tuned, parts[2]),
        "african_storybook": compare(base, tuned, corpora["african_storybook"]),
        "golden_texts_nll_nats": {"before": text_nlls(base, ids), "after": text_nlls(tuned, ids)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    corpora = {name: stories(f"corpus_{name}") for name in ("tinystories_lc", "african_storybook")}
    with tempfile.TemporaryDirectory() as made:
        folder = convert(DATA / "stories260k", Path(made) / "base")
        report = {
            "golden": golden_report(load_model(folder)),
            "runs": [run(folder, Path(made) / "homes", seed, corpora) for seed in range(args.seeds)],
        }
    changes = [one["new_stories"]["change"]["value"] for one in report["runs"]]
    report["new_stories_change_nats"] = {
        "median": statistics.median(changes), "least": max(changes), "most": min(changes)
    }  # fmt: skip
    report["rows"] = {"train": TRAIN, "valid": VALID, "test": TEST, "african": len(corpora["african_storybook"])}
    packages = ("torch", "transformers", "peft", "tokenizers")
    report["versions"] = {name: metadata.version(name) for name in packages}
    report["machine"] = {"cpu": platform.processor() or platform.machine(), "threads": 1}
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


def show(report: dict) -> None:
    golden = report["golden"]
    print(f"golden ids {golden['texts_with_golden_ids']}/{golden['texts']}, ", end="")
    print(f"greedy {golden['greedy_texts_token_for_token']}/{golden['greedy_texts']}, ", end="")
    print(f"NLL within {golden['largest_difference_nats']:.1e} nats")
    for one in report["runs"]:
        for corpus in ("new_stories", "african_storybook"):
            before, after, change = (one[corpus][part] for part in ("before", "after", "change"))
            print(
                f"seed {one['seed']} ({one['seconds']} s) {corpus}: {before['value']:.3f} -> {after['value']:.3f} nats "
                f"a token, change {change['value']:+.3f} [{change['low']:+.3f}, {change['high']:+.3f}] n={change['n']}"
            )


if __name__ == "__main__":
    main()
