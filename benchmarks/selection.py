"""Which choice of rows is worth most at a budget: random, diverse (k-center) or coverage (facility location)?

Writes benchmarks/results/selection.json. For each of ten seeds a random 80 % of a set's train rows is the pool (so that
each choice meets other rows each time); at budgets of 10, 25 and 50 % of it the three choices are made as `data.size`
makes them, and a cheap probe learns from what was chosen. BANKING77 and subjectivity: accuracy of a linear model on their
test rows, budgets shared among labels. Dolly: bits a word of a bigram model on held-out answers (fewer are better).
Beside each mean the paired difference to `random` over the test rows, averaged over seeds, with its 95 % interval.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path

import numpy as np

from tunesmith.core.estimates import paired_bootstrap
from tunesmith.data.learning_curve import linear_probe, ngram_probe
from tunesmith.data.sample import spread
from tunesmith.data.select import choose
from tunesmith.data.vectors import SAMPLE_ROWS, rounded
from tunesmith.models.embed import embedder

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
SEEDS = 10
POOL_FRAC = 0.8
BUDGETS = (0.1, 0.25, 0.5)
METHODS = ("random", "diverse", "coverage")


def banking77():
    with (DATA / "banking77" / "train.csv").open(newline="") as file:
        train = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    with (DATA / "banking77" / "test.csv").open(newline="") as file:
        return labelled(train, [(row["text"], row["category"]) for row in csv.DictReader(file)])


def subjectivity():
    rows = [json.loads(line) for line in (DATA / "subjectivity" / "subjectivity.jsonl").open()]
    label = next(key for key in rows[0] if key in ("label", "category", "class"))
    text = next(key for key in rows[0] if key in ("text", "sentence"))
    pairs = [(rows[at][text], str(rows[at][label])) for at in np.random.default_rng(0).permutation(len(rows))]
    return labelled(pairs[:8000], pairs[8000:])


def labelled(train, test):
    texts, labels = zip(*train, strict=True)
    probe = linear_probe(texts, labels, [text for text, _ in test], [label for _, label in test])
    return texts, np.unique(labels, return_inverse=True)[1], probe, "accuracy"


def dolly():
    rows = [json.loads(line) for line in (DATA / "dolly6400" / "rows.jsonl").open()]
    rows = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    train, test = rows[:2600], rows[2600:]
    probe = ngram_probe([row["response"] for row in train], [row["response"] for row in test])
    texts = [f"{row['instruction']}\n{row['response']}" for row in train]
    return texts, np.zeros(len(texts), np.int64), probe, "bits a word"


def one_set(texts, groups, probe, score) -> dict:
    embed = embedder(None, "nano", [texts[at] for at in spread(np.arange(len(texts)), SAMPLE_ROWS).tolist()])
    vectors = rounded(embed(texts))
    scored: dict = {}
    cpu_s: dict = {}
    words: dict = {}
    for seed in range(SEEDS):
        pool = np.sort(np.random.default_rng([3, seed]).permutation(len(texts))[: round(POOL_FRAC * len(texts))])
        of_label = [np.flatnonzero(groups[pool] == label) for label in np.unique(groups)]
        for budget in BUDGETS:
            for method in METHODS:
                started = time.process_time()
                rows = pool[choose(vectors[pool], of_label, round(budget * len(pool)), method, seed).stays]
                cpu_s.setdefault((budget, method), []).append(time.process_time() - started)
                words.setdefault((budget, method), []).append(np.mean([len(texts[at].split()) for at in rows]))
                loss = probe(rows.tolist())
                scored.setdefault((budget, method), []).append(1 - loss if score == "accuracy" else loss)
        print(seed, flush=True)
    found = []
    for budget in BUDGETS:
        plain = np.mean(scored[budget, "random"], axis=0)
        for method in METHODS:
            own = np.array(scored[budget, method])
            by_seed = own.mean(axis=1)
            delta = paired_bootstrap(own.mean(axis=0), plain)
            wins = int((by_seed > np.mean(scored[budget, "random"], axis=1)).sum())
            found.append({
                "budget_frac": budget, "rows": round(budget * round(POOL_FRAC * len(texts))), "select": method,
                score: round(float(by_seed.mean()), 4), "sd_over_seeds": round(float(by_seed.std(ddof=1)), 4),
                "minus_random": {"value": round(delta.value, 4), "low": round(delta.low, 4), "high": round(delta.high, 4)},
                "seeds_above_random": wins, "words_a_row": round(float(np.mean(words[budget, method])), 1),
                "cpu_s": round(float(np.median(cpu_s[budget, method])), 3),
            })  # fmt: skip
            print(found[-1], flush=True)
    return {"score": score, "train_rows": len(texts), "seeds": SEEDS, "pool_frac": POOL_FRAC, "found": found}


def main() -> None:
    file = ROOT / "benchmarks" / "results" / "selection.json"
    result = {name: one_set(*globals()[name]()) for name in ("dolly", "banking77", "subjectivity")}
    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
