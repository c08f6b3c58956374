"""Do the bias probes keep quiet where there is nothing, and speak where there is something?

Writes benchmarks/results/bias.json. Nothing: Dolly's questions with its answers in random order (100 orders), and the
labels of subjectivity in random order over texts of which a twentieth says "a muslim writes"; the share of orders in which
anything at all is reported, which should be 5 %. Something: of Dolly in random order, 50, 100, 200 questions get "A muslim
asks:" (a group that few mention) and their answers lose their last 20 or 40 % of words; of subjectivity, as many such texts have another label
at 15 or 30 % of them. The share of 40 orders in which that difference is reported, and how many others are beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tunesmith.core.estimates import wilson
from tunesmith.data.bias import facts_of, of_answers, of_labels
from tunesmith.data.people import GROUPS

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
NULLS, PLANTED = 100, 40


def lines(*path: str) -> list[dict]:
    return [json.loads(line) for line in DATA.joinpath(*path).open(encoding="utf-8")]


def found(comparisons) -> list[dict]:
    facts = facts_of(comparisons, dict.fromkeys(GROUPS, np.zeros(1, np.bool_)))
    return facts["comparisons"][: facts["found"]]


def share(hits: list[bool]) -> dict:
    one = wilson(sum(hits), len(hits))
    return {"share": round(one.value, 3), "low": round(one.low, 3), "high": round(one.high, 3), "of": one.n}


def shortened(text: str, frac: float) -> str:
    words = text.split()
    return " ".join(words[: max(1, round((1 - frac) * len(words)))])


def answers(rows: list[dict]) -> dict:
    asked = [row["instruction"] for row in rows]
    given = [row["response"] for row in rows]
    quiet = []
    for seed in range(NULLS):
        order = np.random.default_rng([1, seed]).permutation(len(rows))
        quiet.append(bool(found(of_answers(asked, [given[at] for at in order]))))
    result = {"nothing planted, anything reported": share(quiet), "planted": []}
    for count in (50, 100, 200):
        for frac in (0.2, 0.4):
            hits, others = [], 0
            for seed in range(PLANTED):
                random = np.random.default_rng([2, seed])
                order, chosen = random.permutation(len(rows)), set(random.permutation(len(rows))[:count].tolist())
                texts = [f"A muslim asks: {text}" if at in chosen else text for at, text in enumerate(asked)]
                own = [shortened(given[to], frac) if at in chosen else given[to] for at, to in enumerate(order)]
                told = found(of_answers(texts, own))
                hit = [
                    one for one in told if one["group"] == "Muslims" and one["measure"] == "length" and one["value"] < 0
                ]
                hits.append(bool(hit))
                others += len(told) - len(hit)
            result["planted"].append({"rows": count, "shorter_by": frac, "found": share(hits), "other_reports": others})
            print(result["planted"][-1], flush=True)
    return result


def labels(rows: list[dict]) -> dict:
    label = next(key for key in rows[0] if key in ("label", "category", "class"))
    text = next(key for key in rows[0] if key in ("text", "sentence"))
    texts, given = [row[text] for row in rows], [str(row[label]) for row in rows]
    names = sorted(set(given))

    def one(seed: int, count: int, frac: float) -> list[dict]:
        random = np.random.default_rng([3, seed])
        own = [given[at] for at in random.permutation(len(rows))]
        chosen = random.permutation(len(rows))[:count]
        for at in chosen[: round(frac * count)]:
            own[at] = names[0]
        some = set(chosen.tolist())
        return found(of_labels([f"A muslim writes: {t}" if at in some else t for at, t in enumerate(texts)], own))

    result = {
        "nothing planted, anything reported": share([bool(one(seed, len(rows) // 20, 0.0)) for seed in range(NULLS)]),
        "planted": [],
    }
    for count in (100, 200, 400):
        for frac in (0.15, 0.3):
            told = [one(seed, count, frac) for seed in range(PLANTED)]
            hits = [any(each["group"] == "Muslims" and each["label"] == names[0] for each in own) for own in told]
            result["planted"].append({"rows": count, "label_set_of": frac, "found": share(hits)})
            print(result["planted"][-1], flush=True)
    return result


def main() -> None:
    result = {"dolly": answers(lines("dolly6400", "rows.jsonl")),
              "subjectivity": labels(lines("subjectivity", "subjectivity.jsonl"))}  # fmt: skip
    print(result)
    (ROOT / "benchmarks" / "results" / "bias.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
