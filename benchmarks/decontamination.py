"""Are evaluation items found in training rows? Needles planted in four ways among 50,000 rows, and BANKING77's own leaks.

Run: ``python benchmarks/decontamination.py [banking77]``. Needs ../shared/data. Writes
benchmarks/results/decontamination.json; with ``banking77`` only that part of it. All by the public `tunesmith prepare`.

Needles are GSM8K (test half), HumanEval and IFEval; each is planted at most once, verbatim, re-cased, re-flowed (line
breaks, whitespace, punctuation) or half-quoted (its first, middle or last half of the characters), alone or inside a
row. The other rows are GSM8K train, Dolly, E2E and stories text, and pieces of them joined; of each row the first half
asks and the second answers. A third of the needles are not planted. False alarms that contain a needle's words because
the sources do are counted as false all the same. Rules other than decontamination are off, so that each needle is found
by it or not at all. It is prepared twice: the second time what was found in each row is taken from the kept index.

25 texts of BANKING77's train are in its test but for case, punctuation and whitespace. They must go from train whether
the test is given as ``data.test`` or as a file to decontaminate from.
"""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from near_duplicates import ROOT, machine
from prepare import measured
from tunesmith.core.estimates import wilson

DATA = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "decontamination.json"
ROWS, SEEDS = 50_000, (1, 2, 3)
WAYS = ("verbatim", "recased", "reflowed", "half")
RULES_OFF = {"dedup": {"exact": False, "near": None}, "privacy": {"pii": "off", "secrets": "off"}}


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


def chat(text: str) -> str:
    """Return a text as a line of JSON: what is up to the whitespace nearest its middle is asked, the rest answered."""
    middle = len(text) // 2
    spaces = [match.start() for match in re.finditer(r"(?<=\S)\s(?=.*\S)", text, re.DOTALL)]
    cut = min(spaces, key=lambda place: abs(place - middle), default=len(text))
    messages = [{"role": "user", "content": text[:cut]}, {"role": "assistant", "content": text[cut + 1 :] or "ok"}]
    return json.dumps({"messages": messages}) + "\n"


def prepared(folder: Path, recipe: dict) -> tuple[dict, pl.DataFrame]:
    """Run the public command in a folder that may hold its index; return what it used, and the rows it removed."""
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    home = folder / "home"
    facts = measured([sys.executable, "-m", "tunesmith", "prepare", str(folder / "recipe.yaml"), "--home", str(home)])
    [artifact] = (home / "artifacts").iterdir()
    removed = pl.read_parquet(artifact / "removed.parquet")
    shutil.rmtree(home / "artifacts")
    return facts, removed


def clean_off() -> dict[str, str]:
    """Return the rules of single rows, all off."""
    from tunesmith.recipe import Clean

    return {name: "off" for name in Clean.model_fields if name not in ("answer_schema", "languages")}


def measure(seed: int) -> dict:
    """Plant needles, prepare twice, and count which of them were found."""
    rows, items, truth = planted(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.jsonl").write_text("".join(map(chat, rows)))
        (folder / "items.jsonl").write_text("".join(json.dumps({"question": item}) + "\n" for item in items))
        data = {"train": "rows.jsonl", "decontaminate": ["items.jsonl"], "clean": clean_off(), **RULES_OFF}
        recipe = {"name": "needles", "task": "chat", "data": data}
        first, removed = prepared(folder, recipe)
        again, same = prepared(folder, recipe)
        assert removed.equals(same), "not the same with the kept index"
    found = {
        row["line"] - 1: int(json.loads(row["evidence"])["item"].rsplit(":", 1)[1]) - 1
        for row in removed.filter(pl.col("rule") == "contaminated").to_dicts()
    }
    hit = found.keys() & truth.keys()
    groups = Counter(group for _, name, way in truth.values() for group in (name, way))
    got = Counter(group for row, (_, name, way) in truth.items() if row in hit for group in (name, way))
    return {
        "seed": seed, "rows": ROWS, "needles": len(items), "planted": len(truth), "found": len(found),
        "recall": wilson(len(hit), len(truth)).as_dict(), "precision": wilson(len(hit), max(1, len(found))).as_dict(),
        "recall_by": {group: round(got[group] / count, 4) for group, count in sorted(groups.items())},
        "right_needle_frac": round(sum(truth[row][0] == found[row] for row in hit) / max(1, len(found)), 4),
        "removed_otherwise": removed.height - len(found),
        "prepare": first, "prepare_again": again,
    }  # fmt: skip


def words(text: str) -> str:
    """Return a text up to case, punctuation and whitespace."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def banking77() -> dict:
    """Count which of the texts that are in both files of BANKING77 are found, by two ways of naming the test."""
    files = {part: DATA / "banking77" / f"{part}.csv" for part in ("train", "test")}
    tables = {part: pl.read_csv(file)["text"].to_list() for part, file in files.items()}
    held = set(map(words, tables["test"]))
    shared = {text for text in tables["train"] if words(text) in held}
    found = {}
    for way in ("test", "decontaminate"):
        data = {
            "train": str(files["train"]), way: str(files["test"]) if way == "test" else [str(files["test"])],
            "columns": {"input": "text", "target": "category"},
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            _, removed = prepared(Path(folder), {"name": "banking", "task": "classify", "data": data})
        rules = {json.loads(row["text"])[0]["content"]: row["rule"] for row in removed.to_dicts()}
        of = {words(text): rule for text, rule in rules.items()}
        found[f"data.{way}"] = {
            "found": sum(words(text) in of for text in shared),
            "by": dict(Counter(of.get(words(text), "not found") for text in shared)),
            "removed_in_all": dict(Counter(removed["rule"].to_list())),
        }
    return {"overlaps": len(shared), **found}


def main() -> None:
    result = json.loads(RESULT.read_text())
    if sys.argv[1:] != ["banking77"]:
        result = {"runs": []}
        for seed in SEEDS:
            result["runs"].append(measure(seed))
            print(json.dumps(result["runs"][-1]), flush=True)
    result["banking77"] = banking77()
    print(json.dumps(result["banking77"]))
    result |= {"machine": machine(), "date": datetime.now(UTC).date().isoformat()}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
