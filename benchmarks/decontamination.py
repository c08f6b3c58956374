"""Are evaluation items found in training rows? Needles planted in four ways among 50,000 rows of other text.

Run: ``python benchmarks/decontamination.py``. Needs ../shared/data. Writes benchmarks/results/decontamination.json.

Needles are GSM8K (test half), HumanEval and IFEval; each is planted at most once, verbatim, re-cased, re-flowed (line
breaks, whitespace, punctuation) or half-quoted (its first, middle or last half of the characters), alone or inside a
row. The other rows are GSM8K train, Dolly, E2E and stories text, and pieces of them joined. A third of the needles are
not planted. False alarms that contain a needle's words because the sources do are counted as false all the same.
"""

from __future__ import annotations

import csv
import json
import random
import re
import resource
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tunesmith.core.estimates import wilson
from tunesmith.data.duplicates.contamination import contaminated

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
ROWS, SEEDS = 50_000, (1, 2, 3)
WAYS = ("verbatim", "recased", "reflowed", "half")


def lines(path: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / path).read_text(encoding="utf-8").splitlines()]


def needles() -> list[tuple[str, str]]:
    sets = {"gsm8k": [row["question"] for row in lines("gsm8k/test_half.jsonl")]}
    sets["humaneval"] = [row["prompt"] for row in lines("humaneval/humaneval_half.jsonl")]
    sets["ifeval"] = [row["prompt"] for row in lines("ifeval/input_data_half.jsonl")]
    return [(name, text) for name, texts in sets.items() for text in dict.fromkeys(texts)]


def clean_texts() -> list[str]:
    texts = [f"{row['question']}\n{row['answer']}" for row in lines("gsm8k/train.jsonl")]
    texts += [f"{row['instruction']}\n{row['response']}" for row in lines("dolly6400/rows.jsonl")]
    with (DATA / "e2e_nlg/devset.csv").open(encoding="utf-8", newline="") as file:
        texts += [f"{row['mr']}\n{row['ref']}" for row in csv.DictReader(file)]
    return texts + [row["text"] for row in lines("corpus_tinystories_lc/stories.jsonl")]


def filler(texts: list[str], rng: random.Random) -> list[str]:
    """Return rows: every text once, then pieces of two of them joined."""
    rows = texts[:ROWS]
    while len(rows) < ROWS:
        one, other = rng.choice(texts).split(), rng.choice(texts).split()
        rows.append(" ".join([*one[: rng.randint(10, 90)], *other[-rng.randint(10, 90) :]]))
    return rows


def changed(text: str, way: str, rng: random.Random) -> str:
    if way == "recased":
        return rng.choice([text.upper(), text.lower(), text.title()])
    if way == "reflowed":
        words = [re.sub(r"[.,;:!?]$", lambda end: rng.choice([end[0], "", ";"]), word) for word in text.split()]
        return "".join(word + rng.choice([" ", " ", " ", "  ", "\n", "\n\n", "\t"]) for word in words)
    if way == "half":
        start = rng.choice([0, len(text) // 4, len(text) // 2])
        return text[start : start + len(text) // 2]
    return text


def planted(seed: int) -> tuple[list[str], list[str], dict[int, tuple[int, str, str]]]:
    """Return rows, needles, and row to (needle, its set, way)."""
    rng = random.Random(seed)
    rows, wanted = filler(clean_texts(), rng), needles()
    rng.shuffle(rows)
    truth = {}
    chosen = rng.sample(range(len(wanted)), 2 * len(wanted) // 3)
    for row, needle in zip(rng.sample(range(ROWS), len(chosen)), chosen, strict=True):
        name, text = wanted[needle]
        way = rng.choice(WAYS)
        before, after = rows[row][: rng.randint(0, 300)], rows[row][: rng.randint(0, 300)]
        inside = rng.random() < 0.5
        rows[row] = f"{before}\n{changed(text, way, rng)}\n{after}" if inside else changed(text, way, rng)
        truth[row] = (needle, name, way)
    return rows, [text for _, text in wanted], truth


def measure(seed: int) -> dict:
    rows, items, truth = planted(seed)
    start, wall = time.process_time(), time.perf_counter()
    found = contaminated(rows, items)
    cpu_s, wall_s = time.process_time() - start, time.perf_counter() - wall
    hit = {match.row for match in found}
    named = sum(match.row in truth and truth[match.row][0] == match.item for match in found)
    groups = Counter(group for _, name, way in truth.values() for group in (name, way))
    got = Counter(group for row, (_, name, way) in truth.items() if row in hit for group in (name, way))
    return {
        "seed": seed, "rows": ROWS, "needles": len(items), "planted": len(truth), "found": len(found),
        "recall": wilson(len(hit & truth.keys()), len(truth)).as_dict(),
        "precision": wilson(len(hit & truth.keys()), max(1, len(hit))).as_dict(),
        "recall_by": {group: round(got[group] / count, 4) for group, count in sorted(groups.items())},
        "right_needle_frac": round(named / max(1, len(found)), 4),
        "cpu_s": round(cpu_s, 2), "wall_s": round(wall_s, 2), "rows_per_cpu_s": round(ROWS / cpu_s),
    }  # fmt: skip


def main() -> None:
    runs = [measure(seed) for seed in SEEDS]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    result = {"runs": runs, "peak_rss_mb": peak, "date": datetime.now(UTC).date().isoformat()}
    (ROOT / "benchmarks" / "results" / "decontamination.json").write_text(json.dumps(result) + "\n")
    for run in runs:
        print(json.dumps(run))


if __name__ == "__main__":
    main()
